/** Rows of Idempotency-Keys, each of one user. */
import type { Statements } from '../damage.ts';
import type { IdempotencyRow } from '../workspace/values.ts';
import { column, keyColumn } from './columns.ts';
import { numberOf, type Row, textOf } from './row.ts';

export const toIdempotency = (row: Row): IdempotencyRow => ({
  userId: textOf(row, 'user_id'),
  key: textOf(row, 'key'),
  bodySha256: textOf(row, 'body_sha256'),
  jobId: textOf(row, 'job_id'),
  createdAt: numberOf(row, 'created_at'),
});

export const idempotencyColumns = [
  keyColumn<IdempotencyRow>('user_id', ({ userId }) => userId),
  keyColumn<IdempotencyRow>('key', ({ key }) => key),
  column<IdempotencyRow>('body_sha256', ({ bodySha256 }) => bodySha256),
  column<IdempotencyRow>('job_id', ({ jobId }) => jobId),
  column<IdempotencyRow>('created_at', ({ createdAt }) => createdAt),
];

/** Returns how many keys it has removed of those made before the time. */
export function createIdempotencyPruning(db: Statements): (before: number, limit: number) => number {
  const prune = db.prepare(
    `DELETE FROM idempotency_keys WHERE (user_id, key) IN
       (SELECT user_id, key FROM idempotency_keys WHERE created_at < ? ORDER BY created_at LIMIT ?)`,
  );
  return (before, limit) => Number(prune.run(before, limit).changes);
}
