/** What the store answers from memory is what it answers after it was opened again, whatever was written, failed or both. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { migrations } from './schema.ts';
import { openSqliteStore } from './sqlite.ts';
import type { Store } from './store.ts';
import type { Reading, Tables } from './tables.ts';
import { aBot, aJob, anEvent, aTask } from './testing/rows.ts';

const ids = fc.nat(3);
const some = <T>(...values: T[]) => fc.constantFrom(...values);
type Step = (tx: Tables) => unknown;

const steps: fc.Arbitrary<Step> = fc.oneof(
  fc
    .record({
      botId: ids.map((n) => `b${n}`),
      workerId: some('w1', 'w2', null),
      desired: some('running' as const, 'stopped' as const, 'removed' as const),
      state: some('running' as const, 'exited' as const),
      stopsAt: some(null, 5, 9),
      ageWarned: fc.boolean(),
      pendingTask: some(null, 't1'),
      memoryBytes: fc.nat(9),
    })
    .map(
      ({ botId, ...fields }) =>
        (tx: Tables) =>
          tx.bots.put(aBot(botId, fields)),
    ),
  ids.map((n) => (tx: Tables) => tx.bots.remove({ userId: 'ann', botId: `b${n}` })),
  fc
    .tuple(ids, ids, some('pending' as const, 'running' as const, 'waiting_for_worker' as const, 'failed' as const))
    .map(([job, bot, status]) => (tx: Tables) => {
      // One that has ended stays so.
      if (tx.jobs.get(`job-${job}`)?.status === 'failed') return;
      tx.jobs.put(aJob(`job-${job}`, `b${bot}`, status));
      tx.jobs.addStep(`job-${job}`, 'init', bot);
      tx.tasks.put(aTask(`task-${job}`, `job-${job}`, status === 'failed' ? 'done' : 'accepted'));
    }),
  ids.map((n) => (tx: Tables) => tx.outbox.add(anEvent(`e-${Math.random()}`, `b${n}`, tx.outbox.lastSeq() + 1))),
  fc.tuple(ids, ids).map(([key, bot]) => (tx: Tables) => {
    if (tx.telegramTokens.owner(`k${key}`) === undefined)
      tx.telegramTokens.put(`k${key}`, { userId: 'ann', botId: `b${bot}` });
    else tx.telegramTokens.remove(`k${key}`);
  }),
  fc.tuple(ids, ids, fc.boolean()).map(([source, bot, settles]) => (tx: Tables) => {
    const key = { userId: 'ann', botId: `b${bot}` };
    if (settles) tx.sourceTokens.settle(`s${source}`, bot, key);
    else tx.sourceTokens.put(`s${source}`, bot, key, [`k${bot}`]);
  }),
  fc.tuple(ids, some('w1', 'w2'), fc.boolean()).map(([bot, workerId, puts]) => (tx: Tables) => {
    const key = { userId: 'ann', botId: `b${bot}` };
    if (puts) tx.botVolumes.put(key, workerId);
    else tx.botVolumes.remove(key, workerId);
    const leftover = {
      ...key,
      workerId,
      epoch: 1,
      generation: 1,
      purge: false,
      copy: puts,
      taskId: `l${workerId}${bot}`,
    };
    if (puts) tx.leftovers.put(leftover);
    else tx.leftovers.remove(leftover);
  }),
  fc.tuple(some('w1', 'w2'), fc.boolean()).map(([workerId, cordoned]) => (tx: Tables) => {
    const known = {
      bootId: 'b',
      runtime: 'docker',
      engineVersion: '',
      version: '',
      labels: { zone: 'eu' },
      capabilities: [],
    };
    if (tx.workers.get(workerId) === undefined) {
      tx.workers.put({ ...known, workerId, memoryBytes: 1, cpuMillis: 1, firstSeenAt: 1, lastSeenAt: 2 });
    } else tx.workers.setCordoned(workerId, cordoned);
  }),
  some(
    (tx: Tables) => tx.bots.followClock(1),
    (tx: Tables) => tx.jobs.followClock(1),
    (tx: Tables) => tx.bots.setMaxRuntime(7),
  ),
  ids.map((n) => (tx: Tables) => tx.idempotency.put('ann', `key-${Math.random()}`, 'sha', `job-${n}`, n)),
);
const works = fc.array(fc.record({ steps: fc.array(steps, { maxLength: 5 }), fails: fc.boolean() }), { maxLength: 12 });
const bots = [0, 1, 2, 3].map((n) => ({ userId: 'ann', botId: `b${n}` }));

/** All that the tables answer. */
const answers = async (store: Store): Promise<unknown> => ({
  ...(await store.look([], looked)),
  sealed: await store.upkeep.sealedBots(),
  events: await store.events.after(0, 1_000),
});

function looked(tx: Reading) {
  return {
    bots: bots.map((key) => tx.bots.get(key)),
    ofUser: tx.bots.ofUser('ann'),
    active: [...tx.bots.activeOf('ann').keys()].sort(),
    workers: ['w1', 'w2'].map((id) => [
      tx.bots.ofWorker(id),
      tx.bots.reservedOn(id),
      tx.workers.get(id),
      tx.workers.isCordoned(id),
      tx.tasks.takenBy(id),
      tx.leftovers.ofWorker(id),
    ]),
    pending: tx.bots.withPendingTask('t1')?.pendingTask,
    aging: tx.bots
      .aging(8)
      .map(({ botId }) => botId)
      .sort(),
    nextAging: tx.bots.nextAging(),
    jobs: [0, 1, 2, 3].map((n) => [tx.jobs.get(`job-${n}`), tx.jobs.steps(`job-${n}`), tx.tasks.get(`task-${n}`)]),
    open: bots.map((key) => tx.jobs.openOfBot(key)),
    waiting: tx.jobs.withStatus('waiting_for_worker'),
    waits: tx.jobs.anyWaits(),
    deadline: tx.jobs.nextDeadline(),
    overdue: tx.jobs
      .overdue(1_000)
      .map(({ jobId }) => jobId)
      .sort(),
    tokens: [0, 1, 2, 3].map((n) => tx.telegramTokens.owner(`k${n}`)),
    ofBot: bots.map((key) => [...tx.telegramTokens.ofBot(key)].sort()),
    sources: [0, 1, 2, 3].map((n) => [0, 1, 2, 3].map((revision) => tx.sourceTokens.of(`s${n}`, revision))),
    volumes: bots.map((key) => tx.botVolumes.workersOf(key)),
    leftovers: bots.map((key) => [tx.leftovers.ofBot(key), [...tx.leftovers.workersWith(key)].sort()]),
    lastSeq: tx.outbox.lastSeq(),
    latest: bots.map((key) => tx.outbox.latestOfBot(key)),
    botSeqs: bots.map((key) => tx.outbox.lastBotSeq(key)),
  };
}

test('after any works, throwing ones included, in commits of one or of many', async () => {
  await fc.assert(
    fc.asyncProperty(works, fc.boolean(), async (all, together) => {
      const dir = mkdtempSync(join(tmpdir(), 'store-'));
      try {
        const store = openSqliteStore(dir);
        const write = (work: (typeof all)[number]) =>
          store
            .change([], (tx) => {
              for (const step of work.steps) step(tx);
              if (work.fails) throw new Error('not this one');
            })
            .catch((error: Error) => expect(error.message).toBe('not this one'));
        if (together) await Promise.all(all.map(write));
        else for (const work of all) await write(work);
        const before = await answers(store);
        await store.close();
        const again = openSqliteStore(dir);
        expect(await answers(again)).toEqual(before);
        await again.close();
      } finally {
        rmSync(dir, { recursive: true, force: true });
      }
    }),
    { numRuns: 60 },
  );
});

test('a store of schema 7 has the steps of its jobs in their rows, and its events continue', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'store-'));
  try {
    const db = new DatabaseSync(join(dir, 'store.sqlite'));
    for (const [index, sql] of migrations.slice(0, 7).entries()) db.exec(`${sql}; PRAGMA user_version = ${index + 1}`);
    const job =
      db.prepare(`INSERT INTO jobs (job_id, user_id, blueprint, action, bot_id, mutating, state, status, reason, params,
      created_at, updated_at, deadline_at) VALUES (?, 'ann', 'bot_runner', 'restart', 'b1', 1, 'init', ?, '', '{}', 1, 2, 3)`);
    const step = db.prepare('INSERT INTO job_steps (job_id, step, state, at) VALUES (?, ?, ?, ?)');
    for (const [jobId, status] of [
      ['j1', 'completed'],
      ['j2', 'running'],
    ]) {
      job.run(String(jobId), String(status));
      // Not in order: the number of the step says it.
      step.run(String(jobId), 2, 'deploying', 20);
      step.run(String(jobId), 1, 'init', 10);
    }
    job.run('j3', 'pending');
    db.prepare(`INSERT INTO outbox (seq, event_id, user_id, bot_id, bot_seq, kind, subject_id, payload, at)
      VALUES (41, 'e', 'ann', 'b1', 1, 'bot', 'b1', '{}', 1)`).run();
    db.close();
    const store = openSqliteStore(dir);
    const expected = [
      { state: 'init', at: 10 },
      { state: 'deploying', at: 20 },
    ];
    expect(await store.look([], (tx) => tx.jobs.steps('j1'))).toEqual(expected);
    expect(await store.look([], (tx) => tx.jobs.steps('j2'))).toEqual(expected);
    expect(await store.look([], (tx) => tx.jobs.steps('j3'))).toEqual([]);
    expect(await store.change([], (tx) => tx.outbox.add(anEvent('next', 'b1')).seq)).toBe(42);
    await store.close();
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});

test('a spec is found again where it was: of the bot, to go back to, of both, of neither', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'store-'));
  try {
    const [first, second] = [new Uint8Array([1, 1]), new Uint8Array([2, 2])];
    const back = (specSealed: Uint8Array | null) => ({
      desired: 'running' as const,
      revision: 1,
      wasUp: true,
      specSealed,
    });
    const ways = [
      { specSealed: first, undo: null },
      { specSealed: first, undo: back(first) },
      { specSealed: second, undo: back(first) },
      { specSealed: second, undo: back(null) },
      { specSealed: null, undo: back(first) },
      { specSealed: null, undo: back(null) },
      { specSealed: null, undo: null },
    ];
    const pairs = ways.flatMap((before, m) => ways.map((after, n) => ({ before, after, botId: `b${m}${n}` })));
    const former = openSqliteStore(dir);
    await former.change([], (tx) => {
      for (const { botId, before } of pairs) tx.bots.put(aBot(botId, before));
    });
    await former.change([], (tx) => {
      for (const { botId, after } of pairs) tx.bots.put(aBot(botId, after));
    });
    await former.close();
    const store = openSqliteStore(dir);
    for (const { botId, after } of pairs) {
      const bot = await store.look([], (tx) => tx.bots.get({ userId: 'ann', botId }));
      expect({ specSealed: bot?.specSealed, undo: bot?.undo }).toEqual(after);
    }
    await store.change([], (tx) => {
      for (const { botId } of pairs) tx.bots.remove({ userId: 'ann', botId });
    });
    await store.close();
    const db = new DatabaseSync(join(dir, 'store.sqlite'));
    expect(db.prepare('SELECT count(*) AS n FROM bot_specs').get()).toEqual({ n: 0 });
    db.close();
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});

test('a store of schema 8 has its bots with their specs, and its events where they were', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'store-'));
  try {
    const db = new DatabaseSync(join(dir, 'store.sqlite'));
    for (const [index, sql] of migrations.slice(0, 8).entries()) db.exec(`${sql}; PRAGMA user_version = ${index + 1}`);
    const bot =
      db.prepare(`INSERT INTO bots (user_id, bot_id, mode, desired, generation, revision, epoch, worker_id, leaving, memory_bytes,
      cpu_millis, spec_sealed, purge, undo_desired, undo_revision, undo_was_up, undo_spec_sealed, state, observed, runs_since, age_warned, notice,
      event_seq, created_at, updated_at)
      VALUES ('ann', ?, 'simple', 'running', 1, 1, 1, 'w1', 0, 1, 1, ?, 0, ?, 1, 1, ?, 'running', '{}', 0, 0, '', ?, 1, 1)`);
    bot.run('both', new Uint8Array([1]), 'running', new Uint8Array([2]), 7);
    bot.run('none', null, null, null, 1);
    const event =
      db.prepare(`INSERT INTO outbox (seq, event_id, user_id, bot_id, bot_seq, kind, subject_id, payload, at)
      VALUES (?, ?, 'ann', 'both', ?, 'bot', 'both', ?, 1)`);
    const { body } = anEvent('e', 'both');
    for (const [seq, botSeq] of [
      [40, 6],
      [41, 7],
    ] as const)
      event.run(seq, `e${seq}`, botSeq, JSON.stringify(body));
    db.close();
    const store = openSqliteStore(dir);
    const [both, none] = await store.look([], (tx) => tx.bots.ofUser('ann'));
    expect(both).toMatchObject({ specSealed: new Uint8Array([1]), undo: { specSealed: new Uint8Array([2]) } });
    expect(none).toMatchObject({ specSealed: null, undo: null });
    expect(await store.look([], (tx) => tx.outbox.lastBotSeq({ userId: 'ann', botId: 'both' }))).toBe(7);
    expect((await store.events.ofUserAfter('ann', 40, 9)).map(({ seq }) => seq)).toEqual([41]);
    expect((await store.events.latestOfBots(0, 9)).map(({ seq }) => seq)).toEqual([41]);
    expect(await store.change([], (tx) => tx.outbox.add(anEvent('next', 'both', 8)).seq)).toBe(42);
    expect((await store.events.lastOf('ann', { botId: 'both', jobs: false }, 2)).map(({ seq }) => seq)).toEqual([
      41, 42,
    ]);
    await store.close();
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});
