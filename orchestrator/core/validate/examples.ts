/** Requests that work, to be shown with refusals. Pure. */
import type { Json } from '#common/json.ts';
import { fail, type Result } from '#common/problem.ts';

export { examples } from '#common/request-examples.ts';

/** The result, its problem with an example of the same source. */
export const withExample = <T>(result: Result<T>, example: Json): Result<T> =>
  result.ok ? result : fail({ ...result.problem, example });
