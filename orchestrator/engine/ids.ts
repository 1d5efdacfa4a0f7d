/** Ids of jobs and tasks: ULIDs that ascend, because their order is the order of a bot's queue. */
import { createUlids } from '#common/ulids.ts';

/** Ids that ascend even within one millisecond, and continue after `last`, the newest existing one. */
export function ascendingIds(wallMs: () => number, last = ''): () => string {
  const ulidAt = createUlids();
  return () => {
    let id = ulidAt(wallMs());
    // Ids order jobs in the queue of a bot. Two of one millisecond, or of a clock that was set back, must still ascend, over
    // restarts too.
    while (id <= last) id = increment(last);
    last = id;
    return id;
  };
}

const crockford = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';

/** The next id in order. */
function increment(id: string): string {
  const digits = [...id];
  for (let index = digits.length - 1; index >= 0; index--) {
    const value = crockford.indexOf(digits[index] ?? '0');
    if (value < crockford.length - 1) {
      digits[index] = crockford[value + 1] ?? '0';
      return digits.join('');
    }
    digits[index] = '0';
  }
  throw new Error('ids are used up');
}
