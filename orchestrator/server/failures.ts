/** Any error as the problem that is returned to the caller. Bugs are logged under an id; only the id leaves the process. */
import { ulid } from 'ulid';
import type { Logger } from '#common/log.ts';
import { type Problem, ProblemError, problem } from '#common/problem.ts';

export function toProblem(error: unknown, logger: Logger): Problem {
  if (error instanceof ProblemError) {
    if (error.cause !== undefined) logger.warn({ err: error.cause, code: error.problem.code }, error.problem.message);
    return error.problem;
  }
  const id = ulid();
  logger.error({ err: error, id }, 'a request failed because of a bug');
  return problem('INTERNAL', `Something went wrong inside Bot Runner (id ${id}).`, { details: { id } });
}
