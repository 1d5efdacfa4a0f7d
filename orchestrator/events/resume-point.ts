/**
 * Where a watcher stands, as text that clients keep and hand back: the store it is of, and the number of the last event.
 * Numbers start over in a new store, so a point of another one must not look like one of this. Pure.
 */
import { fail, ok, problem, type Result } from '#common/problem.ts';

/** The random end of the store's ULID: enough to tell two stores apart. */
const mark = (storeId: string): string => storeId.slice(-8);

export const resumePoint = (storeId: string, seq: number): string => `${mark(storeId)}-${seq}`;

/** The number to continue after; undefined when the point is of another store. */
export function parseResumePoint(storeId: string, text: string): Result<number | undefined> {
  const match = /^([0-9A-Z]{8})-(\d{1,15})$/.exec(text);
  if (match === null) {
    return fail(
      problem('INVALID_CURSOR', 'That is not a place to resume from.', {
        hint: 'Send what came with the last event, unchanged, or leave it out to begin with a snapshot.',
      }),
    );
  }
  return ok(match[1] === mark(storeId) ? Number(match[2]) : undefined);
}
