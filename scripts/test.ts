/**
 * Runs the tests: npm test [-- vitest's arguments: a path, -t NAME, ...]
 * BOTRUNNER_TEST_FAILED_FILES names a file that gets the paths of the test files that failed, as a JSON array (empty if
 * not all that failed is in them).
 * The last line is always `N passed, N failed, N skipped`, and the exit code is 0 only when it holds no failure.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkoutPath } from './process/checkout.ts';
import { interrupted } from './process/interrupted.ts';
import { run } from './process/run.ts';
import { closing, type Tally } from './test/tally.ts';

const args = process.argv.slice(2);
const folder = mkdtempSync(join(tmpdir(), 'botrunner-tests-'));
const tallyFile = join(folder, 'tally.json');

const reporters = ['--reporter=default', `--reporter=${checkoutPath('scripts', 'test', 'closing-line-reporter.ts')}`];
const ended = await run('vitest', ['run', ...reporters, ...args], {
  print: 'show',
  env: { BOTRUNNER_TEST_TALLY: tallyFile },
  signal: interrupted(),
});
const filteredByName = args.some((arg) => /^(-t|--testNamePattern)/.test(arg));
const tally = tallyOf(tallyFile);
const wanted = process.env['BOTRUNNER_TEST_FAILED_FILES'];
if (wanted !== undefined) writeFileSync(wanted, JSON.stringify(tally?.failedFiles ?? []));
const { lines, exitCode } = closing(tally, ended.code, filteredByName);
rmSync(folder, { recursive: true, force: true });
console.log(lines.join('\n'));
process.exitCode = exitCode;

/** Undefined when vitest ended before its reporters were called. */
function tallyOf(path: string): Tally | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    // closing() reports it, with vitest's own exit code; vitest has printed what went wrong.
    return undefined;
  }
}
