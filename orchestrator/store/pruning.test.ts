import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentLogger } from '#common/log.ts';
import { eventually } from '../../test/kit/eventually.ts';
import { createManualClock, type ManualClock } from '../../test/kit/manual-clock.ts';
import { createRecordingLogger } from '../../test/kit/recording-logger.ts';
import type { JobRecord } from '../core/records.ts';
import { ascendingIds } from '../engine/ids.ts';
import { openAgeClock } from './ages.ts';
import { Pruning } from './pruning.ts';
import { openSqliteStore } from './sqlite.ts';
import type { Store } from './store.ts';

const dayMs = 24 * 60 * 60 * 1000;
let dir: string;
let store: Store;
let clock: ManualClock;
let pruning: Pruning;

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'pruning-'));
  store = openSqliteStore(dir);
  clock = createManualClock();
  // The time of a machine has fractions of a millisecond.
  clock.advance(0.25);
  const retention = { eventsMs: 7 * dayMs, eventsMax: 2_500, jobsMs: 30 * dayMs, jobBytesOf: () => 2_000 };
  pruning = new Pruning(store, clock, silentLogger, retention, await openAgeClock(store, clock, silentLogger));
});
afterEach(async () => {
  pruning.stop();
  await store.close();
  rmSync(dir, { recursive: true });
});

let made = 0;
const worker = {
  workerId: 'w',
  condition: 'ready',
  reason: '',
  cordoned: false,
  runtime: '',
  version: '',
  engineVersion: '',
} as const;
const addEvents = (count: number) =>
  store.change([], (tx) => {
    for (let n = 0; n < count; n++) {
      const head = {
        eventId: `e${++made}`,
        userId: '',
        botId: '',
        botSeq: 0,
        subjectId: 'w',
        at: Math.floor(clock.wallMs()),
      };
      tx.outbox.add({ ...head, body: { kind: 'worker', worker } });
    }
  });
const kept = async () => (await store.events.after(0, 100_000)).map(({ seq }) => seq);

const newId = ascendingIds(() => Math.floor(clock.wallMs()));
async function addJob(status: JobRecord['status']): Promise<string> {
  const [jobId, taskId, now] = [newId(), newId(), Math.floor(clock.wallMs())];
  const times = { createdAt: now, updatedAt: now, deadlineAt: now + 1 };
  const empty = { reason: '', params: { notice: '' }, specSealed: null, result: null, error: null };
  await store.change([], (tx) => {
    const base = { blueprint: 'bot_runner', action: 'stop', botId: 'b', mutating: true, state: 'init' } as const;
    tx.jobs.put({ jobId, userId: 'ann', ...base, status, ...empty, taskId, ...times });
    tx.jobs.addStep(jobId, 'init', now);
    tx.tasks.put({
      taskId,
      jobId,
      type: 'stop_bot',
      workerId: 'w',
      status: 'done',
      createdAt: now,
      acceptedAt: now,
      finishedAt: now,
    });
  });
  return jobId;
}

describe('pruning', () => {
  it('removes events by age and by number, in portions, and says up to where', async () => {
    await addEvents(3_000);
    await pruning.prune();
    expect(await kept()).toHaveLength(2_500);
    expect(await store.events.floor('')).toBe(500);
    clock.advance(8 * dayMs);
    await addEvents(10);
    await pruning.prune();
    expect(await kept()).toEqual(Array.from({ length: 10 }, (_, n) => 3_001 + n));
    expect(await store.events.floor('')).toBe(3_000);
    // Numbers never come twice, also when the table is empty.
    clock.advance(8 * dayMs);
    await pruning.prune();
    await addEvents(1);
    expect(await kept()).toEqual([3_011]);
  });

  it('says once that there is no reserve, and again after there was one', async () => {
    const log = createRecordingLogger();
    let answers = false;
    const keepReserve = async () => {
      if (!answers) throw new Error('the store does not answer');
      return 'kept' as const;
    };
    const lost: Store = { ...store, upkeep: { ...store.upkeep, keepReserve } };
    const retention = { eventsMs: dayMs, eventsMax: 10, jobsMs: dayMs, jobBytesOf: () => 2_000 };
    const ages = await openAgeClock(store, clock, silentLogger);
    const own = new Pruning(lost, clock, log.logger, retention, ages);
    own.run();
    await clock.advanceSettled(30_000);
    expect(log.lines).toHaveLength(1);
    answers = true;
    await clock.advanceSettled(4_000);
    answers = false;
    await clock.advanceSettled(30_000);
    expect(log.lines).toHaveLength(2);
    own.stop();
  });

  it('forgets Idempotency-Keys after a day, while it runs', async () => {
    const put = (key: string) =>
      store.change([], (tx) => tx.idempotency.put('ann', key, 'body', 'job', Math.floor(clock.wallMs())));
    await put('old');
    clock.advance(dayMs - 60_000);
    await put('young');
    await pruning.prune();
    expect(await store.look([], (tx) => tx.idempotency.get('ann', 'old'))).toBeDefined();
    clock.advance(120_000);
    await pruning.prune();
    expect(await store.look([], (tx) => tx.idempotency.get('ann', 'old'))).toBeUndefined();
    expect(await store.look([], (tx) => tx.idempotency.get('ann', 'young'))).toBeDefined();
  });

  it('continues on its own, every minute', async () => {
    await pruning.run();
    await addEvents(2_600);
    clock.advance(60_000);
    await eventually(
      'the next round',
      async () => (await kept()).length,
      (count) => count === 2_500,
    );
  });

  it('removes nothing young because the clock was set forward', async () => {
    await addEvents(10);
    const young = await addJob('completed');
    clock.setWall(clock.wallMs() + 365 * dayMs);
    await pruning.prune();
    expect(await kept()).toHaveLength(10);
    expect((await store.look([], (tx) => tx.jobs.get(young)))?.jobId).toBe(young);
    // A clock that stays so is right.
    clock.advance(dayMs);
    await pruning.prune();
    expect(await kept()).toEqual([]);
    expect(await store.look([], (tx) => tx.jobs.get(young))).toBeUndefined();
  });

  it('removes jobs that ended long ago with all they have, and no job that is open', async () => {
    const old = await addJob('completed');
    const open = await addJob('waiting_for_worker');
    clock.advance(31 * dayMs);
    const young = await addJob('failed');
    const task = (await store.look([], (tx) => tx.jobs.get(old)))?.taskId ?? '';
    await pruning.prune();
    expect(await store.look([], (tx) => [old, open, young].map((jobId) => tx.jobs.get(jobId)?.jobId))).toEqual([
      undefined,
      open,
      young,
    ]);
    expect(await store.look([], (tx) => tx.jobs.steps(old))).toEqual([]);
    expect(await store.look([], (tx) => tx.tasks.get(task))).toBeUndefined();
    expect(await store.look([], (tx) => tx.jobs.steps(young))).toHaveLength(1);
  });
});
