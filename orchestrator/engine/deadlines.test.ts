import { expect, test } from 'vitest';
import { silentLogger } from '#common/log.ts';
import { Secret } from '#common/secret.ts';
import { eventually } from '../../test/kit/eventually.ts';
import { createManualClock } from '../../test/kit/manual-clock.ts';
import { botRunner } from '../core/blueprints/bot-runner.ts';
import { createStore } from '../store/create-store.ts';
import { createMemoryBackend } from '../store/testing/memory-backend.ts';
import { MemoryDatabase } from '../store/testing/memory-database.ts';
import { aBot, aJob } from '../store/testing/rows.ts';
import { defaultEngineSettings } from './context.ts';
import { Engine } from './engine.ts';

test('a job whose deadline passes while the disk is full ends when there is room again, though nothing else happens', async () => {
  const database = new MemoryDatabase();
  const store = createStore(createMemoryBackend(database));
  const clock = createManualClock();
  const deadlineAt = clock.wallMs() + 60_000;
  await store.change([], (tx) => {
    tx.bots.put(aBot('echo', { workerId: null, specSealed: null }));
    tx.jobs.put({
      ...aJob('job-1', 'echo', 'waiting_for_worker'),
      taskId: null,
      createdAt: clock.wallMs(),
      deadlineAt,
    });
  });
  const failed: string[] = [];
  const engine = await Engine.open({
    store,
    clock,
    logger: Object.assign(Object.create(silentLogger), {
      error: (_about: unknown, message: string) => failed.push(message),
    }),
    sealKey: new Secret<Uint8Array>(new Uint8Array(32)),
    settings: defaultEngineSettings,
    blueprints: new Map([[botRunner.name, botRunner]]),
    fleet: {
      live: () => [],
      liveOne: () => undefined,
      startsRefused: () => false,
      isSilent: () => false,
      view: () => {
        throw new Error('not asked for');
      },
      send: () => false,
    },
    decided: () => undefined,
    isHeld: () => false,
    seen: (bot) => bot,
    seenNumbers: () => undefined,
    readLogText: () => Promise.reject(new Error('not asked for')),
    taskOffered: () => undefined,
    freeSources: async () => false,
    jobChanged: () => undefined,
  });
  await engine.start();
  database.isFull = true;
  clock.advance(60_000);
  await eventually(
    'it could not be ended',
    () => failed,
    (messages) => messages.length > 0,
  );
  database.isFull = false;
  clock.advance(10_000);
  const job = await eventually(
    'the job has ended',
    () => engine.findJob('job-1'),
    (seen) => seen?.status === 'failed',
  );
  expect(job?.error).toMatchObject({ code: 'NO_WORKER' });
  engine.stop();
  await store.close();
});
