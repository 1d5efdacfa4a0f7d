/**
 * Rows of a list that rest on a test elsewhere: such a row counts as passed only when that test passed in the same run. A
 * row alone would only prove that somebody once wrote the test's name. Pure.
 */

declare module 'vitest' {
  interface TaskMeta {
    /** The test that proves what this row says. */
    provenBy?: Proof;
  }
}

export interface Proof {
  /** Relative to the project, "test/e2e/docker.test.ts". */
  readonly file: string;
  /** Part of the full name of one test, or of several that all have to pass. */
  readonly test: string;
}

export interface Outcome {
  readonly file: string;
  /** With the names of the suites around it. */
  readonly name: string;
  readonly state: 'passed' | 'failed' | 'skipped' | 'pending';
  /** The reason of a skip, when one was given. */
  readonly reason?: string | undefined;
}

export type Verdict = { readonly is: 'proven' } | { readonly is: 'unproven' | 'failed'; readonly reason: string };

/** What a row comes to, by the outcomes of the whole run. `unproven`: nothing failed, and nothing was shown either. */
export function judge({ file, test }: Proof, outcomes: readonly Outcome[]): Verdict {
  const inFile = outcomes.filter((outcome) => outcome.file === file);
  if (inFile.length === 0) return { is: 'unproven', reason: `rests on ${file}, which was not part of this run` };
  const proofs = inFile.filter(({ name }) => name.includes(test));
  if (proofs.length === 0) return { is: 'failed', reason: `${file} has no test "${test}"` };
  if (proofs.some(({ state }) => state === 'failed' || state === 'pending')) {
    return { is: 'failed', reason: `"${test}" in ${file} failed` };
  }
  const skipped = proofs.find(({ state }) => state === 'skipped');
  if (skipped === undefined) return { is: 'proven' };
  const why = skipped.reason === undefined ? '' : `: ${skipped.reason}`;
  return { is: 'unproven', reason: `rests on a test in ${file} that was skipped${why}` };
}
