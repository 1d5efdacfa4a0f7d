/** What is counted of each user: brought over from an earlier release, kept over a reopening, and cut where a user has too much. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { ascendingIds } from '../engine/ids.ts';
import { migrations } from './schema.ts';
import { migrate, openSqliteStore } from './sqlite.ts';
import type { Store } from './store.ts';
import { aJob } from './testing/rows.ts';

let dir: string;
let store: Store | undefined;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'user-bytes-'));
});
afterEach(async () => {
  await store?.close();
  store = undefined;
  rmSync(dir, { recursive: true });
});

it('the sources of an earlier release count in full for each who has them, and stay unneeded as long as they were', async () => {
  const before = migrations.findIndex((sql) => sql.includes('CREATE TABLE holdings'));
  const db = new DatabaseSync(join(dir, 'store.sqlite'));
  migrate(db, migrations.slice(0, before));
  db.exec(`
    INSERT INTO artifacts (sha256, upload_id, size_bytes, created_at, unneeded_at) VALUES ('a', 'u1', 100, 1, 7), ('b', 'u2', 20, 1, NULL);
    INSERT INTO artifact_owners VALUES ('ann', 'a', 1), ('bob', 'a', 1), ('bob', 'b', 1), ('eve', 'gone', 1)`);
  db.close();
  store = openSqliteStore(dir);
  const seen = await store.look([], ({ artifacts }) => ({
    held: ['ann', 'bob', 'eve'].map((user) => artifacts.heldBy(user).sourceBytes),
    unneeded: artifacts.owner('bob', 'a')?.unneededAt,
  }));
  expect(seen).toEqual({ held: [100, 120, 0], unneeded: 7 });
  expect(await store.upkeep.holdingMost(2)).toEqual(['bob', 'ann']);
});

it('of a user whose jobs take too much the oldest go, with their Idempotency-Keys, and of nobody else', async () => {
  store = openSqliteStore(dir);
  const newId = ascendingIds(() => 1_000);
  const add = async (userId: string) => {
    const jobId = newId();
    await store?.change([], (tx) => {
      tx.jobs.put({ ...aJob(jobId, 'b', 'completed'), userId });
      tx.idempotency.put(userId, `key-${jobId}`, 'body', jobId, 1_000);
    });
    return jobId;
  };
  const [mine, open] = [await add('ann'), newId()];
  await store.change([], (tx) => tx.jobs.put({ ...aJob(open, 'b', 'running'), userId: 'bob' }));
  const flood: string[] = [];
  for (let n = 0; n < 30; n++) flood.push(await add('bob'));
  await store.close();
  store = openSqliteStore(dir);
  const { jobs, jobBytes } = await store.upkeep.historyOf('bob');
  expect(jobs).toBe(30);
  // One job of bob is open, and counts too.
  const limit = (userId: string) => (userId === 'bob' ? (jobBytes * 11) / 30 : 0.5 * jobBytes);
  let removed = 0;
  for (let count = 1; count > 0; removed += count) count = await store.upkeep.pruneJobsBeyond(limit, 7);
  expect(removed).toBe(20);
  const kept = await store.look([], (tx) => ({
    mine: tx.jobs.get(mine)?.jobId,
    open: tx.jobs.get(open)?.jobId,
    flood: flood.filter((jobId) => tx.jobs.get(jobId) !== undefined),
    keys: flood.filter((jobId) => tx.idempotency.get('bob', `key-${jobId}`) !== undefined),
  }));
  expect(kept).toEqual({ mine, open, flood: flood.slice(20), keys: flood.slice(20) });
  expect(await store.upkeep.historyOf('bob')).toMatchObject({ jobs: 10 });
});
