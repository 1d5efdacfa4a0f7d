/** Cordon and drain: bots that move away from a worker, one by one. Workers are played. */
import { describe, expect, it } from 'vitest';
import { DrainOutcome, WorkerState } from '#gen/botrunner/v1/admin_service_pb.js';
import { BotState, DesiredState } from '#gen/botrunner/v1/bot_pb.js';
import { eventually } from '../kit/eventually.ts';
import { observed } from '../kit/scripted-worker.ts';
import {
  accepted,
  admin,
  bot,
  connect,
  detailOf,
  eachWithOrchestrator,
  job,
  listed,
  mib,
  orchestrator,
  run,
  simple,
  stop,
  stopped,
  untilFinal,
} from './played-workers.ts';

eachWithOrchestrator();

async function stepsOf<T>(steps: AsyncIterable<T>): Promise<readonly T[]> {
  const seen: T[] = [];
  for await (const step of steps) seen.push(step);
  return seen;
}

describe('cordon and drain', () => {
  it('a cordon keeps new bots away, is listed, and outlives a restart of the orchestrator', async () => {
    const one = await connect('one', { labels: { zone: 'eu' }, engineVersion: '20.10', version: '0.1.0' });
    await run(one, 'a', { resource_limits: { memory_mb: 100 } });
    const { worker } = await admin().cordonWorker({ workerId: 'one' });
    expect(worker).toMatchObject({
      workerId: 'one',
      state: WorkerState.READY,
      cordoned: true,
      revoked: false,
      runtime: 'docker',
      engineVersion: '20.10',
      version: '0.1.0',
      labels: { zone: 'eu' },
      bots: 1,
      runningBots: 1,
      capacity: { memoryBytes: 8192n * mib, cpuMillis: 4000 },
      reserved: { memoryBytes: 100n * mib, cpuMillis: 500 },
    });
    const id = await accepted(simple('b'));
    expect((await job(id)).reason).toBe('one is cordoned');
    one.close();
    await orchestrator.restart();
    await connect('one', { labels: { zone: 'eu' } });
    expect(await listed('one')).toMatchObject({ cordoned: true });
    expect((await job(id)).reason).toBe('one is cordoned');
    await admin().uncordonWorker({ workerId: 'one' });
    expect(
      (
        await eventually(
          'b is placed',
          () => job(id),
          ({ status }) => status === 'running',
        )
      ).reason,
    ).toBe('');
    expect((await detailOf(admin().cordonWorker({ workerId: 'nobody' }))).code).toBe('NotFound');
  });

  it('a drain moves one bot after the other: gone there first, then started here with a higher epoch', async () => {
    const old = await connect('old');
    const first = await run(old, 'a');
    await run(old, 'b');
    await run(old, 'idle');
    await stop(old, 'idle');
    const fresh = await connect('fresh');
    const steps: unknown[] = [];
    const draining = (async () => {
      for await (const { botId, outcome, workerId, reason } of admin().drainWorker({
        workerId: 'old',
        leaveData: true,
      })) {
        steps.push([botId, DrainOutcome[outcome], workerId, reason]);
      }
    })();
    for (const botId of ['a', 'b']) {
      const out = await old.take('ensure');
      expect(out).toMatchObject({ botId, desired: DesiredState.STOPPED, epoch: 1n });
      // Until the old one is gone nothing is said to the new worker, and the bot still counts as running.
      expect(fresh.heard.filter(({ body }) => body.case === 'ensure' && body.value.botId === botId)).toEqual([]);
      expect((await bot(botId)).desired).toBe('running');
      old.succeed(out, stopped(out));
      const here = await fresh.take('ensure');
      expect(here).toMatchObject({ botId, desired: DesiredState.RUNNING, epoch: 2n });
      expect(here.generation).toBeGreaterThan(out.generation);
      expect(here.spec?.source.case).toBe('simple');
      // What the old worker says of it now is of an older placement.
      old.send({ case: 'observations', value: { bots: [observed(first, { state: BotState.FAILED })] } });
      fresh.succeed(here);
    }
    await draining;
    expect(steps).toEqual([
      ['a', 'MOVING', 'old', 'its data stays on old'],
      ['a', 'MOVED', 'fresh', ''],
      ['b', 'MOVING', 'old', 'its data stays on old'],
      ['b', 'MOVED', 'fresh', ''],
      ['idle', 'STAYS', 'old', 'it is not running; the next start places it on another worker'],
    ]);
    expect(await bot('a')).toMatchObject({ status: 'running', worker_id: 'fresh' });
    expect(await listed('old')).toMatchObject({ cordoned: true, runningBots: 0, bots: 1 });
  });

  it.each(['docker', 'process'])(
    'a drain that leaves what bots keep on a worker with %s is asked for twice',
    async (runtime) => {
      const old = await connect('old', { runtime });
      await run(old, 'keeps');
      const fresh = await connect('fresh', { runtime });
      expect(await detailOf(stepsOf(admin().drainWorker({ workerId: 'old' })))).toMatchObject({
        code: 'FailedPrecondition',
        message: 'What these bots keep would stay on old: keeps of dev.',
      });
      expect(await listed('old')).toMatchObject({ cordoned: false, runningBots: 1 });
      const drained = stepsOf(admin().drainWorker({ workerId: 'old', leaveData: true }));
      const out = await old.take('ensure');
      old.succeed(out, stopped(out));
      fresh.succeed(await fresh.take('ensure'));
      expect((await drained).map(({ reason }) => reason)).toEqual(['its data stays on old', '']);
      // It goes there, too, when the bot's user says so.
      await accepted({ action: 'delete', bot_id: 'keeps', purge: true });
      expect(await old.take('ensure')).toMatchObject({ botId: 'keeps', desired: DesiredState.REMOVED, purge: true });
    },
  );

  it('a drain reports what stays and why, and brings back a bot that cannot be started elsewhere', async () => {
    const old = await connect('old', { labels: { zone: 'eu' } });
    await run(old, 'bound', { on: { zone: 'eu' } });
    await run(old, 'picky');
    const fresh = await connect('fresh');
    const steps: unknown[] = [];
    const draining = (async () => {
      for await (const { botId, outcome, workerId, reason } of admin().drainWorker({
        workerId: 'old',
        leaveData: true,
      })) {
        steps.push([botId, DrainOutcome[outcome], workerId, reason]);
      }
    })();
    const out = await old.take('ensure');
    old.succeed(out, stopped(out));
    const here = await fresh.take('ensure');
    fresh.send({
      case: 'result',
      value: {
        taskId: here.taskId,
        outcome: { case: 'failed', value: { code: 'BUILD_FAILED', message: 'The image could not be built.' } },
        observation: observed(here, { state: BotState.FAILED, containerId: '', containerName: '' }),
      },
    });
    const back = await old.take('ensure');
    expect(back).toMatchObject({ botId: 'picky', desired: DesiredState.RUNNING, epoch: 3n });
    await draining;
    expect(steps).toEqual([
      ['bound', 'STAYS', 'old', 'fresh is not labelled zone=eu'],
      ['picky', 'MOVING', 'old', 'its data stays on old'],
      ['picky', 'STAYS', 'old', 'The image could not be built.'],
    ]);
    fresh.close();
    await eventually(
      'it is gone',
      () => listed('fresh'),
      (worker) => worker?.state === WorkerState.AWAY,
    );
    for await (const { botId, reason } of admin().drainWorker({ workerId: 'old', leaveData: true })) {
      expect([botId, reason]).toEqual([botId, 'no other worker is connected']);
    }
  });

  it('a stop in the middle of a move ends it, and the bot is stopped where it is', async () => {
    const old = await connect('old');
    await run(old, 'a');
    await connect('fresh');
    const draining = (async () => {
      const outcomes = [];
      for await (const { outcome } of admin().drainWorker({ workerId: 'old', leaveData: true }))
        outcomes.push(DrainOutcome[outcome]);
      return outcomes;
    })();
    await old.take('ensure');
    const id = await accepted({ action: 'stop', bot_id: 'a' });
    const last = await eventually(
      'the stop goes out',
      () =>
        old.heard
          .flatMap(({ body }) => (body.case === 'ensure' && body.value.taskId !== '' ? [body.value] : []))
          .at(-1),
      (ensure) => ensure?.desired === DesiredState.STOPPED && ensure.generation > 3n,
    );
    if (last) old.succeed(last, stopped(last));
    expect(await untilFinal(id)).toMatchObject({ status: 'completed' });
    expect(await draining).toEqual(['MOVING', 'STAYS']);
    expect(await bot('a')).toMatchObject({ status: 'stopped', desired: 'stopped', worker_id: 'old' });
  });
});
