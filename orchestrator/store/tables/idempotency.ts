/** Table of Idempotency-Keys, each of one user. */
import type { Statements } from '../damage.ts';
import type { IdempotencyTable } from '../tables.ts';
import { textOf } from './row.ts';

export function createIdempotencyTable(
  db: Statements,
): IdempotencyTable & { prune(before: number, limit: number): number } {
  const get = db.prepare('SELECT body_sha256, job_id FROM idempotency_keys WHERE user_id = ? AND key = ?');
  const put = db.prepare(
    'INSERT INTO idempotency_keys (user_id, key, body_sha256, job_id, created_at) VALUES (?, ?, ?, ?, ?)',
  );
  const prune = db.prepare(
    `DELETE FROM idempotency_keys WHERE (user_id, key) IN
       (SELECT user_id, key FROM idempotency_keys WHERE created_at < ? ORDER BY created_at LIMIT ?)`,
  );
  return {
    get: (userId, key) => {
      const row = get.get(userId, key);
      return row && { bodySha256: textOf(row, 'body_sha256'), jobId: textOf(row, 'job_id') };
    },
    put: (userId, key, bodySha256, jobId, createdAt) => {
      put.run(userId, key, bodySha256, jobId, createdAt);
    },
    prune: (before, limit) => Number(prune.run(before, limit).changes),
  };
}
