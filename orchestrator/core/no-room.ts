/** What is said while the disk of the store has room for what is small alone. Pure. */
import { ProblemError, problem } from '#common/problem.ts';

export const noRoom = (): ProblemError =>
  new ProblemError(
    problem('STORAGE_FULL', 'The disk of the orchestrator is almost full; nothing was changed.', {
      hint: 'Bots can still be listed, stopped and deleted. Ask the operator for space, then try again.',
    }),
  );

export const isStorageFull = (error: unknown): boolean =>
  error instanceof ProblemError && error.problem.code === 'STORAGE_FULL';

/** Whether the user has no room for another source. */
export const isSourceQuota = (error: unknown): boolean =>
  error instanceof ProblemError &&
  error.problem.code === 'QUOTA_EXCEEDED' &&
  error.problem.details['quota'] === 'source_bytes';
