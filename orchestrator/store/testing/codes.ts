/** How a work ended, as one word. */
import { ProblemError } from '#common/problem.ts';

/** `ok`, or the code of the problem; anything else is thrown on. */
export const codeOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'ok',
    (error: unknown) => {
      if (error instanceof ProblemError) return error.problem.code;
      throw error;
    },
  );
