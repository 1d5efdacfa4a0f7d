/**
 * The tests, as a step of verify. A machine that builds images, freezes engines and floods ports on two cores makes some test fail now
 * and then that has nothing to do with the change. CI therefore gives the few files that failed a second run of their own; those that
 * pass it are named as unsteady, in the output and at its end, because each is a fault of the test or of the product.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkoutPath } from '../process/checkout.ts';
import { run } from '../process/run.ts';

/**
 * Runs every test; a run prints as it comes, and its last line counts the tests.
 * @param secondChance how many files at most may fail and be run again; with more of them the step has failed
 * @param args given to vitest in both runs
 * @returns what failed, in words; empty when nothing did
 */
export async function runTests(
  secondChance: number,
  signal: AbortSignal,
  args: readonly string[] = [],
): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'botrunner-verify-'));
  const list = join(folder, 'failed.json');
  const test = async (...more: string[]): Promise<boolean> => {
    const env = { BOTRUNNER_TEST_FAILED_FILES: list };
    const ended = await run(process.execPath, [checkoutPath('scripts', 'test.ts'), ...args, ...more], {
      print: 'show',
      env,
      signal,
    });
    return ended.code === 0;
  };
  try {
    if (await test()) return '';
    const failed: string[] = signal.aborted ? [] : JSON.parse(readFileSync(list, 'utf8'));
    if (failed.length === 0 || failed.length > secondChance) return 'Some tests failed: see above.';
    const files = failed.join(', ');
    console.log(`\nA second run of what failed, by itself: ${files}`);
    if (!(await test('--maxWorkers=1', ...failed))) return `Some tests failed twice: see above (${files}).`;
    console.log(`\nUNSTEADY: failed among all tests and passed alone, which is a fault to be found: ${files}`);
    return '';
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
