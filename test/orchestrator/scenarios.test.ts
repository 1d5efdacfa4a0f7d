/**
 * The scenarios of scenarios/: commands, "----", and what happens. `REWRITE=1 npm test -- test/orchestrator/scenarios.test.ts` writes what
 * happens now in place of what was expected; the difference is for a person to read.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { runScenario } from './simulation/scenario.ts';

const folder = join(import.meta.dirname, 'scenarios');
const names = readdirSync(folder).filter((name) => name.endsWith('.txt'));

it.each(names)('%s', (name) => {
  const path = join(folder, name);
  const text = readFileSync(path, 'utf8');
  const now = runScenario(text);
  if (process.env['REWRITE'] === '1') writeFileSync(path, now);
  else expect(now).toBe(text);
  // The same where nothing is kept in memory and every other commit runs into somebody else's.
  expect(runScenario(text, { twice: false, conflictEvery: 2 })).toBe(now);
});

it('there are scenarios', () => {
  expect(names.length).toBeGreaterThanOrEqual(40);
});
