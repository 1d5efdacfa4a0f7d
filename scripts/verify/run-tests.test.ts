/** The second run of what failed, on real runs of small test files. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { checkoutPath } from '../process/checkout.ts';

// Up to two whole vitests each, on a machine with much else to do.
vi.setConfig({ testTimeout: 120_000 });

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'botrunner-second-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** What the step returns, and all that was printed. */
function verified(secondChance: number, files: Record<string, string>): { words: string; output: string } {
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  const module = JSON.stringify(checkoutPath('scripts', 'verify', 'run-tests.ts'));
  const script = `
    const { runTests } = await import(${module});
    const words = await runTests(${secondChance}, new AbortController().signal, ['--root=${folder}', '--globals']);
    console.log('returned ' + JSON.stringify(words));
  `;
  // The outer vitest marks its workers by these; the inner one must not mistake itself for a worker.
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(VITEST|TEST$|NODE_ENV$)/.test(name)),
  );
  const ended = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8', env });
  const words = /^returned (.*)$/m.exec(ended.stdout)?.[1];
  if (words === undefined) throw new Error(ended.stdout + ended.stderr);
  return { words: JSON.parse(words), output: ended.stdout };
}

const good = `it('good', () => {});`;
const bad = `it('bad', () => { throw new Error('bad'); });`;
const unsteady = `
  import { existsSync, writeFileSync } from 'node:fs';
  it('unsteady', () => {
    const been = import.meta.dirname + '/been';
    if (existsSync(been)) return;
    writeFileSync(been, '');
    throw new Error('the first time');
  });
`;

it('runs what failed once more, alone, and names what passes then', () => {
  const { words, output } = verified(3, { 'a.test.ts': good, 'b.test.ts': unsteady });
  expect(words).toBe('');
  expect(output).toContain('1 passed, 1 failed, 0 skipped');
  expect(output).toContain('1 passed, 0 failed, 0 skipped');
  expect(output).toMatch(/^UNSTEADY: .*: b\.test\.ts$/m);
});

it('has failed when a file fails twice, when more files fail than may, and without a second chance', () => {
  expect(verified(3, { 'a.test.ts': good, 'b.test.ts': bad }).words).toContain('failed twice');
  expect(verified(1, { 'c.test.ts': bad }).words).toBe('Some tests failed: see above.');
  rmSync(join(folder, 'c.test.ts'));
  expect(verified(0, { 'b.test.ts': unsteady }).words).toBe('Some tests failed: see above.');
});

it('forgives nothing that running the failed files again cannot show', () => {
  const apart = `setImmediate(() => { throw new Error('outside any test'); }); it('good', () => new Promise((resolve) => setTimeout(resolve, 100)));`;
  expect(verified(3, { 'a.test.ts': apart, 'b.test.ts': unsteady }).words).toBe('Some tests failed: see above.');
  rmSync(join(folder, 'been'));
  const row = `it('row', { meta: { provenBy: { file: 'b.test.ts', test: 'no such test' } } }, () => {});`;
  expect(verified(3, { 'a.test.ts': row, 'b.test.ts': unsteady }).words).toBe('Some tests failed: see above.');
});
