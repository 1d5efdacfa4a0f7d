import { describe, expect, it } from 'vitest';
import { closing, type Skipped } from './tally.ts';

const skip = (test: string, file: string, reason?: string): Skipped => ({ test, file, reason });

describe('the end of a test run', () => {
  it('is good when something passed and nothing failed', () => {
    expect(closing({ passed: 2, failed: 0, skipped: [], failedRows: [], failedFiles: [] }, 0, false)).toEqual({
      lines: ['2 passed, 0 failed, 0 skipped'],
      exitCode: 0,
    });
  });

  it('is bad when a test failed, whatever the runner says', () => {
    expect(closing({ passed: 2, failed: 1, skipped: [], failedRows: [], failedFiles: [] }, 0, false).exitCode).toBe(1);
  });

  it('is bad when no test was executed, skipped ones or not', () => {
    const end = closing(
      { passed: 0, failed: 0, skipped: [skip('a', 'a.test.ts', 'no engine')], failedRows: [], failedFiles: [] },
      0,
      false,
    );
    expect(end.exitCode).toBe(1);
    expect(end.lines.at(-2)).toContain('No test was executed');
    expect(end.lines.at(-1)).toBe('0 passed, 0 failed, 1 skipped');
  });

  it('is bad when the runner broke before it could count', () => {
    expect(closing(undefined, 134, false)).toMatchObject({ exitCode: 1 });
  });

  it.each([130, 143])('says that the run was interrupted when the runner ended with %i', (code) => {
    const end = {
      lines: [expect.stringContaining('interrupted'), expect.stringContaining(', 1 failed, ')],
      exitCode: 1,
    };
    expect(closing(undefined, code, false)).toEqual(end);
    expect(closing({ passed: 3, failed: 0, skipped: [], failedRows: [], failedFiles: [] }, code, false)).toEqual(end);
  });

  it('counts a failure when the runner failed although every test passed', () => {
    const end = closing({ passed: 3, failed: 0, skipped: [], failedRows: [], failedFiles: [] }, 1, false);
    expect(end.lines.at(-1)).toBe('3 passed, 1 failed, 0 skipped');
    expect(end.exitCode).toBe(1);
  });

  it('prints each reason of skips in one line, with how many tests and where', () => {
    const skipped = [
      skip('a', 'x.test.ts', 'no engine:\nstart one'),
      skip('b', 'x.test.ts', 'no engine:\nstart one'),
      skip('c', 'y.test.ts'),
    ];
    expect(closing({ passed: 1, failed: 0, skipped, failedRows: [], failedFiles: [] }, 0, false).lines).toEqual([
      'skipped 2 tests in x.test.ts: no engine: start one',
      expect.stringMatching(/^skipped "c" in y\.test\.ts: no reason given/),
      '1 passed, 0 failed, 3 skipped',
    ]);
  });

  it('names each row whose proof failed', () => {
    const failedRows = [skip('UC 1', 'p.test.ts', '"echo" in e.test.ts failed')];
    expect(closing({ passed: 1, failed: 2, skipped: [], failedRows, failedFiles: [] }, 1, false)).toEqual({
      lines: ['failed "UC 1" in p.test.ts: "echo" in e.test.ts failed', '1 passed, 2 failed, 0 skipped'],
      exitCode: 1,
    });
  });

  it('is silent about tests that a name filter left out', () => {
    const skipped = [skip('a', 'x.test.ts')];
    expect(closing({ passed: 1, failed: 0, skipped, failedRows: [], failedFiles: [] }, 0, true).lines).toEqual([
      '1 passed, 0 failed, 1 skipped',
    ]);
  });
});
