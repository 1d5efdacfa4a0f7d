/** What a test run came to, counted in tests, and the lines that say it. Pure. */

export interface Skipped {
  readonly test: string;
  readonly file: string;
  /** Undefined when nobody gave one. */
  readonly reason: string | undefined;
}

export interface Tally {
  readonly passed: number;
  /** Failed tests, and everything else that broke the run: a file that does not load, a set-up, an error outside a test. */
  readonly failed: number;
  readonly skipped: readonly Skipped[];
  /** Rows, counted in `failed`, whose own test passed while the test that they rest on did not. */
  readonly failedRows: readonly Skipped[];
  /**
   * The files of what failed by itself (a row fails by another test's doing), each once. None when something failed that is in no file, such
   * as an error outside all tests: running these again would not show whether that is well.
   */
  readonly failedFiles: readonly string[];
}

export const nothing: Tally = { passed: 0, failed: 0, skipped: [], failedRows: [], failedFiles: [] };

export interface Closing {
  /** The last of them is `N passed, N failed, N skipped`. */
  readonly lines: readonly string[];
  readonly exitCode: 0 | 1;
}

/** Ctrl-C and SIGTERM. */
const signalled: ReadonlySet<number> = new Set([130, 143]);

/**
 * The end of a run.
 * @param tally what the reporter counted; undefined when it did not come to its end
 * @param runnerCode the exit code of vitest
 * @param filteredByName whether -t chose among the tests: those left out are then no news
 */
export function closing(tally: Tally | undefined, runnerCode: number, filteredByName: boolean): Closing {
  const { passed, skipped } = tally ?? nothing;
  let failed = tally?.failed ?? 0;
  const lines = skipLines(filteredByName ? skipped.filter(({ reason }) => reason !== undefined) : skipped);
  for (const { test, file, reason } of tally?.failedRows ?? []) lines.push(`failed "${test}" in ${file}: ${reason}`);
  if (signalled.has(runnerCode)) {
    lines.push('The run was interrupted before its end: that counts as a failure.');
    failed = Math.max(failed, 1);
  } else if (passed + failed === 0) {
    lines.push(`No test was executed (vitest ended with code ${runnerCode}): that counts as a failure.`);
  } else if (runnerCode !== 0 && failed === 0) {
    lines.push(`vitest ended with code ${runnerCode} although no test failed: that counts as one failure.`);
    failed = 1;
  }
  lines.push(`${passed} passed, ${failed} failed, ${skipped.length} skipped`);
  return { lines, exitCode: passed > 0 && failed === 0 && runnerCode === 0 ? 0 : 1 };
}

/** One line for each reason: how many tests, why, in which files. */
function skipLines(skipped: readonly Skipped[]): string[] {
  const byReason = Map.groupBy(skipped, ({ reason }) => reason);
  return [...byReason].map(([reason, tests]) => {
    const files = [...new Set(tests.map(({ file }) => file))].join(', ');
    const what = tests.length === 1 ? `"${tests[0]?.test}"` : `${tests.length} tests`;
    return `skipped ${what} in ${files}: ${reason?.replace(/\s+/g, ' ') ?? noReason}`;
  });
}

const noReason = "no reason given; give one by context.skip('why') or { meta: { skipReason: 'why' } }";
