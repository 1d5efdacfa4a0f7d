import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { create } from '@bufbuild/protobuf';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Clock } from '#common/clock.ts';
import { silentLogger } from '#common/log.ts';
import { Secret } from '#common/secret.ts';
import { BotSpecSchema } from '#gen/botrunner/v1/bot_pb.js';
import type { BotFields } from '../core/bot/record.ts';
import { deployParams } from '../core/job-params.ts';
import type { BotRecord, JobRecord, UndoPoint } from '../core/records.ts';
import { openSqliteStore } from '../store/sqlite.ts';
import type { Store } from '../store/store.ts';
import type { Tables } from '../store/tables.ts';
import { aBot } from '../store/testing/rows.ts';
import { SourcePruning } from './source-pruning.ts';
import { sealSpec } from './specs.ts';

const sealKey = new Secret<Uint8Array>(new Uint8Array(32).fill(3));
const hour = 3_600_000;
const chunkBytes = 256 * 1024;
let dir: string;
let store: Store;
let nowMs: number;
let pruning: SourcePruning;
const clock: Clock = { wallMs: () => nowMs, monotonicMs: () => nowMs, after: () => () => undefined };

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'sources-'));
  store = openSqliteStore(dir);
  nowMs = 1_800_000_000_000;
  pruning = new SourcePruning({ store, sealKey, clock, logger: silentLogger });
});
afterEach(async () => {
  await store.close();
  rmSync(dir, { recursive: true });
});

const sha256 = (name: string) => createHash('sha256').update(name).digest('hex');
const is = (name: string) => store.look([], (tx) => tx.artifacts.get(sha256(name)) !== undefined);

async function upload(name: string, chunks = 1, userId = 'dev'): Promise<void> {
  const upload = `upload-${name}${(await is(name)) ? '-again' : ''}`;
  for (let n = 0; n < chunks; n++)
    await store.change([], (tx) => tx.artifacts.addChunk(upload, n, new Uint8Array(chunkBytes).fill(n + 1)));
  await store.change([], (tx) => {
    tx.artifacts.finish(upload, sha256(name), chunks * chunkBytes, nowMs);
    tx.artifacts.own(userId, sha256(name), nowMs);
  });
}

const specOf = (userId: string, botId: string, name: string, custom = false) => {
  const artifactSha256 = sha256(name);
  const source = custom
    ? ({ case: 'custom', value: { from: { case: 'artifactSha256', value: artifactSha256 } } } as const)
    : ({ case: 'simple', value: { artifactSha256, entrypoint: 'bot.py' } } as const);
  return sealSpec(sealKey, { userId, botId }, create(BotSpecSchema, { source }));
};

const bot = (botId: string, extra: Partial<BotFields> = {}): BotRecord =>
  aBot(botId, { userId: 'dev', specSealed: null, observed: {}, observedAt: null, ...extra });

const job = (jobId: string, status: JobRecord['status'], specSealed: Uint8Array): JobRecord => ({
  jobId,
  userId: 'dev',
  blueprint: 'bot_runner',
  action: 'update',
  botId: 'waits',
  mutating: true,
  state: 'init',
  status,
  reason: '',
  params: deployParams(),
  specSealed,
  result: null,
  error: null,
  taskId: null,
  createdAt: 1,
  updatedAt: 1,
  deadlineAt: 1,
});

it('keeps what bots of every state, a way back and open jobs need, and removes the rest after a day', async () => {
  for (const name of ['running', 'stopped', 'exited', 'former', 'asked', 'done', 'nobody']) await upload(name);
  const undo: UndoPoint = {
    desired: 'running',
    revision: 1,
    wasUp: true,
    specSealed: specOf('dev', 'running', 'former'),
  };
  await store.change([], (tx) => {
    tx.bots.put(bot('running', { specSealed: specOf('dev', 'running', 'running'), undo }));
    tx.bots.put(bot('stopped', { desired: 'stopped', specSealed: specOf('dev', 'stopped', 'stopped', true) }));
    tx.bots.put(bot('exited', { state: 'exited', specSealed: specOf('dev', 'exited', 'exited') }));
    tx.jobs.put(job('j1', 'pending', specOf('dev', 'waits', 'asked')));
    tx.jobs.put(job('j2', 'failed', specOf('dev', 'waits', 'done')));
  });
  await pruning.prune();
  nowMs += 23 * hour;
  await pruning.prune();
  expect(await Promise.all(['done', 'nobody'].map(is))).toEqual([true, true]);
  nowMs += 2 * hour;
  await pruning.prune();
  expect(await Promise.all(['running', 'stopped', 'exited', 'former', 'asked'].map(is))).toEqual([
    true,
    true,
    true,
    true,
    true,
  ]);
  expect(await Promise.all(['done', 'nobody'].map(is))).toEqual([false, false]);
  expect(await store.look([], (tx) => tx.artifacts.isOwnedBy('dev', sha256('nobody')))).toBe(false);
  expect(await store.chunks.chunk('upload-nobody', 0)).toBeUndefined();
});

it('what is asked for again within the day is needed for a day more', async () => {
  await upload('again');
  await pruning.prune();
  nowMs += 23 * hour;
  await upload('again');
  nowMs += 2 * hour;
  await pruning.prune();
  expect(await is('again')).toBe(true);
  nowMs += 25 * hour;
  await pruning.prune();
  expect(await is('again')).toBe(false);
});

it('nothing goes of a user with a spec that cannot be opened', async () => {
  await upload('lost');
  await upload('other', 1, 'ann');
  await store.change([], (tx) => tx.bots.put(bot('hurt', { specSealed: new Uint8Array(64) })));
  for (let day = 0; day < 3; day++) {
    await pruning.prune();
    nowMs += 25 * hour;
  }
  expect(await Promise.all([is('lost'), is('other')])).toEqual([true, false]);
});

it('for room it removes at once what its user does not need, but not what was uploaded just now or belongs to somebody else', async () => {
  for (const name of ['running', 'asked', 'nobody', 'shared']) await upload(name);
  await upload('shared', 1, 'ann');
  await store.change([], (tx) => {
    tx.bots.put(bot('running', { specSealed: specOf('dev', 'running', 'running') }));
    tx.jobs.put(job('j1', 'pending', specOf('dev', 'waits', 'asked')));
  });
  nowMs += hour;
  await upload('young');
  expect(await pruning.free('dev')).toBe(true);
  const names = ['running', 'asked', 'young', 'nobody', 'shared'];
  expect(await Promise.all(names.map(is))).toEqual([true, true, true, false, true]);
  expect(
    await store.look([], (tx) => [tx.artifacts.heldBy('dev').sources, tx.artifacts.heldBy('ann').sources]),
  ).toEqual([3, 1]);
});

it('never takes a source from a job that comes at the same moment', async () => {
  for (let round = 0; round < 20; round++) {
    const name = `round-${round}`;
    await upload(name);
    nowMs += hour;
    // As accept.ts: it is there, and needed from then on, or the job is refused.
    const comes = async () => {
      for (let turn = 0; turn < round; turn++) await setImmediate();
    };
    const accept = (tx: Tables) => {
      if (!tx.artifacts.isOwnedBy('dev', sha256(name))) return false;
      tx.artifacts.touch('dev', sha256(name));
      tx.jobs.put(job(`j-${round}`, 'pending', specOf('dev', 'waits', name)));
      return true;
    };
    const accepted = comes().then(() => store.change([], accept));
    await (round % 2 === 0 ? pruning.free('dev') : pruning.prune());
    expect(await is(name)).toBe(await accepted);
    pruning = new SourcePruning({ store, sealKey, clock, logger: silentLogger });
  }
});

it('never takes a source that a job hands to its bot while it is looked for', async () => {
  for (const name of ['handed', 'before']) await upload(name);
  await store.change([], (tx) => {
    tx.bots.put(bot('waits', { specSealed: specOf('dev', 'waits', 'before') }));
    tx.jobs.put(job('j1', 'pending', specOf('dev', 'waits', 'handed')));
  });
  nowMs += hour;
  const handOver = (tx: Tables) => {
    tx.bots.put(bot('waits', { specSealed: specOf('dev', 'waits', 'handed') }));
    tx.jobs.put({ ...job('j1', 'running', specOf('dev', 'waits', 'handed')), specSealed: null });
  };
  // Before the look at jobs, whenever that is.
  const { upkeep } = store;
  const sealedJobsAfter: typeof upkeep.sealedJobsAfter = async (...args) => {
    await store.change([], handOver);
    return upkeep.sealedJobsAfter(...args);
  };
  const meanwhile = { ...store, upkeep: { ...upkeep, sealedJobsAfter } };
  await new SourcePruning({ store: meanwhile, sealKey, clock, logger: silentLogger }).free('dev');
  expect(await is('handed')).toBe(true);
});

it('the file shrinks, a little at a time, and others are served meanwhile', async () => {
  await upload('large', 160);
  await store.close();
  store = openSqliteStore(dir);
  pruning = new SourcePruning({ store, sealKey, clock, logger: silentLogger });
  const before = statSync(join(dir, 'store.sqlite')).size;
  expect(before).toBeGreaterThan(160 * chunkBytes);
  await pruning.prune();
  nowMs += 25 * hour;
  let served = 0;
  let over = false;
  const others = (async () => {
    while (!over) {
      await store.change([], (tx) => tx.openings.all());
      served += 1;
    }
  })();
  await pruning.prune();
  over = true;
  await others;
  await store.close();
  expect(statSync(join(dir, 'store.sqlite')).size).toBeLessThan(before / 10);
  // One turn for every 8 MiB of chunks and every MiB of the file, at least.
  expect(served).toBeGreaterThan(20);
  store = openSqliteStore(dir);
});
