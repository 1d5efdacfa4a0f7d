/** 100,000 runs of random commands, as `npm run simulate` makes them, on all cores. A failure prints the scenario that shows it. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { checkoutPath } from '../../scripts/process/checkout.ts';
import { randomCommands } from './simulation/random-commands.ts';
import { findFault } from './simulation/simulate.ts';

const seeds = Number(process.env['SIMULATED_SEEDS'] ?? 100_000);

it(`holds what it promises in ${seeds} runs of random commands`, { timeout: 3_600_000 }, async () => {
  const program = checkoutPath('test', 'orchestrator', 'simulation', 'main.ts');
  // With another exit code than 0 it rejects with all that was printed.
  const { stdout } = await promisify(execFile)(process.execPath, [program, '--seeds', String(seeds)]);
  expect(stdout).toContain(`${seeds} seeds from 1, 0 failures`);
});

it('makes the same commands from the same seed', () => {
  expect(randomCommands(7)).toEqual(randomCommands(7));
  expect(randomCommands(7)).not.toEqual(randomCommands(8));
});

it('finds what is wrong: a bot with two running copies', () => {
  const fault = findFault(['join w1', 'start ann/a', 'runs w1', 'join w2', 'copies w1 w2'], {
    twice: false,
    conflictEvery: 0,
  });
  expect(fault?.message).toContain('two copies never run');
});
