/** Workers that lie, flood and send too much, and what others publish to NATS: nobody else notices, and nothing is believed. */
import { createClient } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { connect as connectNats } from 'nats';
import { describe, expect, it } from 'vitest';
import { AdminService } from '#gen/botrunner/v1/admin_service_pb.js';
import { BotState, type DiskKind } from '#gen/botrunner/v1/bot_pb.js';
import { BotService } from '#gen/botrunner/v1/bot_service_pb.js';
import type { Ensure } from '#gen/botrunner/v1/worker_service_pb.js';
import { eventually } from '../kit/eventually.ts';
import { createNatsServer } from '../kit/nats/nats-server.ts';
import { clientToken, startTestOrchestrator } from '../kit/orchestrator-for-tests.ts';
import { observed, type ScriptedWorker } from '../kit/scripted-worker.ts';
import { bearer } from '../kit/typed-calls.ts';
import { openJobBench, start } from '../orchestrator/job-bench.ts';

const bench = openJobBench();
const { accepted, bot, connect, untilFinal } = bench;
const endless = 'x'.repeat(1_000_000);
const ended = (worker: ScriptedWorker) =>
  eventually(
    'the session has ended',
    () => worker.ended(),
    (error) => error !== undefined,
    { timeoutMs: 15_000 },
  );
async function running(worker: ScriptedWorker, botId: string): Promise<Ensure> {
  const id = await accepted(start(botId));
  const ensure = await worker.take('ensure');
  worker.succeed(ensure);
  await untilFinal(id);
  return ensure;
}
/** That the orchestrator still does what it is there for. */
async function works(worker: ScriptedWorker, botId: string): Promise<void> {
  await running(worker, botId);
  expect(await bot(botId)).toMatchObject({ status: 'running' });
}

describe('hostile 102: a worker that speaks of', () => {
  it.each<[string, (ensure: Ensure) => Partial<Ensure>]>([
    ['a bot of another worker', () => ({})],
    ['a later generation of it', ({ generation }) => ({ generation: generation + 100n, revision: generation + 100n })],
    ['a later placement of it', ({ epoch }) => ({ epoch: epoch + 100n })],
    ['a bot of another user', () => ({ userId: 'victim' })],
    ['a bot that nobody has', () => ({ botId: 'nobody' })],
    ['numbers below zero', () => ({ generation: -1n, epoch: -1n, revision: -1n })],
  ])('%s changes nothing', async (_title, change) => {
    const honest = await connect();
    const ensure = await running(honest, 'echo');
    const before = await bot('echo');
    const liar = await connect({ workerId: 'w2' });
    await liar.take('welcome');
    const lie = observed({ ...ensure, ...change(ensure) }, { state: BotState.FAILED, containerId: 'forged' });
    liar.send({ case: 'observations', value: { bots: [lie] } });
    liar.send({ case: 'progress', value: { taskId: ensure.taskId, message: 'forged', output: [{ text: 'forged' }] } });
    liar.send({ case: 'accepted', value: { taskId: ensure.taskId } });
    liar.send({
      case: 'result',
      value: { taskId: ensure.taskId, outcome: { case: 'succeeded', value: {} }, observation: lie },
    });
    await liar.take('resultAck');
    expect(await bot('echo')).toEqual(before);
    expect((await accepted({ action: 'list' })).length).toBeGreaterThan(0);
    // Whoever has it is still the one to act.
    const stop = await accepted({ action: 'stop', bot_id: 'echo' });
    const stopping = await honest.take('ensure');
    honest.succeed(stopping, observed(stopping, { state: BotState.STOPPED, containerId: '' }));
    expect((await untilFinal(stop)).status).toBe('completed');
  });

  it('its own bot in an older placement changes nothing', async () => {
    const worker = await connect();
    const ensure = await running(worker, 'echo');
    const before = await bot('echo');
    worker.send({
      case: 'observations',
      value: { bots: [observed({ ...ensure, epoch: ensure.epoch - 1n }, { state: BotState.FAILED })] },
    });
    worker.send({ case: 'result', value: { taskId: 'none' } });
    await worker.take('resultAck');
    expect(await bot('echo')).toEqual(before);
  });
});

describe('hostile 103: a worker that sends too much', () => {
  it('in one message loses its session, and nobody else does', async () => {
    const honest = await connect();
    const flooder = await connect({ workerId: 'w2' });
    await flooder.take('welcome');
    flooder.send({ case: 'progress', value: { taskId: 'none', message: 'x'.repeat(100_000_000) } });
    expect((await ended(flooder))?.code).toBe(8); // RESOURCE_EXHAUSTED
    await works(honest, 'echo');
  });

  it('of bots in one message loses its session', async () => {
    const honest = await connect();
    const flooder = await connect({ workerId: 'w2' });
    await flooder.take('welcome');
    const ensure = await running(honest, 'echo');
    flooder.send({ case: 'observations', value: { bots: Array.from({ length: 20_001 }, () => observed(ensure)) } });
    expect((await ended(flooder))?.code).toBe(3); // INVALID_ARGUMENT
    await works(honest, 'other');
  });

  it('in many messages, and reads nothing, holds nobody up', async () => {
    const honest = await connect();
    const ensure = await running(honest, 'echo');
    const flooder = await connect({ workerId: 'w2' });
    await flooder.take('welcome');
    for (let n = 0; n < 20_000; n++) {
      flooder.send({ case: 'observations', value: { bots: [observed(ensure, { state: BotState.FAILED })] } });
    }
    await works(honest, 'other');
    expect(await bot('echo')).toMatchObject({ status: 'running' });
  });

  it('of a name, a version or a reason: it is cut', async () => {
    const worker = await connect({
      version: endless,
      engineVersion: endless,
      runtime: endless,
      capabilities: ['mode.simple', 'language.python', endless],
      ready: false,
      notReadyReason: endless,
    });
    await worker.take('welcome');
    worker.send({ case: 'heartbeat', value: { ready: false, notReadyReason: endless } });
    const admin = createClient(
      AdminService,
      createGrpcTransport({ baseUrl: bench.orchestrator.url, interceptors: [bearer('test-admin-token')] }),
    );
    const listed = await admin.listWorkers({});
    expect(
      JSON.stringify(listed, (_key, value) => (typeof value === 'bigint' ? Number(value) : value)).length,
    ).toBeLessThan(5_000);
    expect(listed.workers).toHaveLength(1);
  });

  it('of a bot it has: it is cut, in its state and in the result', async () => {
    const worker = await connect();
    const id = await accepted(start('echo'));
    const ensure = await worker.take('ensure');
    const protection = { runtimeClass: endless, user: endless, disk: 99 as DiskKind };
    const texts = {
      containerId: endless,
      containerName: endless,
      reason: endless,
      diagnosis: endless,
      pinned: endless,
    };
    const long = { ...texts, protection };
    worker.succeed(ensure, observed(ensure, long));
    expect(JSON.stringify(await untilFinal(id)).length).toBeLessThan(20_000);
    expect(JSON.stringify(await bot('echo')).length).toBeLessThan(5_000);
    const failing = await accepted({ ...start('echo'), code: 'print(2)' });
    const next = await worker.take('ensure');
    worker.send({
      case: 'result',
      value: {
        taskId: next.taskId,
        outcome: {
          case: 'failed',
          value: {
            code: endless,
            message: endless,
            hint: endless,
            details: { a: endless },
            example: { kind: { case: 'stringValue', value: endless } },
          },
        },
        observation: observed(next, long),
      },
    });
    const failed = await untilFinal(failing);
    expect([failed.status, JSON.stringify(failed).length < 100_000]).toEqual(['failed', true]);
  });

  it('of numbers and times: what there is can still be listed', async () => {
    const most = 2n ** 63n - 1n;
    const worker = await connect({
      capacity: { memoryBytes: most, cpuMillis: 2_000 },
      safety: { strangers: true, checks: [{ name: 'tokens', ok: true }], ageMs: most },
    });
    // No new bot is started on it before it says that its checks are new.
    worker.send({
      case: 'heartbeat',
      value: { ready: true, safety: { strangers: true, checks: [{ name: 'tokens', ok: true }], ageMs: 0n } },
    });
    const id = await accepted(start('echo'));
    const ensure = await worker.take('ensure');
    const time = { seconds: 10n ** 17n, nanos: 0 };
    const disk = { dataBytes: most, dataLimitBytes: most, layerBytes: most, layerLimitBytes: -most };
    const said = { disk, startedAt: time, finishedAt: time, nextTryAt: time };
    worker.succeed(ensure, observed(ensure, said));
    expect((await untilFinal(id)).status).toBe('completed');
    worker.send({
      case: 'heartbeat',
      value: { ready: true, safety: { strangers: true, checks: [{ name: 'tokens', ok: false }], ageMs: most } },
    });
    const over = (token: string) =>
      createGrpcTransport({ baseUrl: bench.orchestrator.url, interceptors: [bearer(token)] });
    const { workers } = await createClient(AdminService, over('test-admin-token')).listWorkers({});
    expect(workers).toHaveLength(1);
    const { bots } = await createClient(BotService, over(clientToken)).listBots({});
    expect(bots.map(({ botId }) => botId)).toEqual(['echo']);
    expect(await bot('echo')).toMatchObject({ status: 'running' });
  });

  it('of a log that nobody reads: its stream ends', async () => {
    const worker = await connect();
    await running(worker, 'echo');
    for (let n = 0; n < 100; n++) worker.tail([{ tailId: `none-${n}` }, { entries: [{ text: endless }] }]);
    await works(worker, 'other');
  });
});

describe('hostile 107, 108: events that somebody else publishes', () => {
  it('change nothing: the orchestrator decides from its store alone', async () => {
    const nats = await createNatsServer();
    await nats.start();
    await using own = await startTestOrchestrator({ env: { NATS_URL: nats.url } });
    const stranger = await connectNats({ servers: `127.0.0.1:${nats.port}` });
    try {
      const heard: { readonly subject: string; readonly data: Uint8Array }[] = [];
      const listening = stranger.subscribe('botrunner.v1.>');
      void (async () => {
        for await (const { subject, data } of listening) heard.push({ subject, data });
      })();
      await stranger.flush();
      expect((await own.post(start('echo'))).status).toBe(202);
      await eventually(
        'its events are published',
        () => heard.length,
        (count) => count >= 2,
      );
      const list = async () => {
        const { body } = await own.post({ action: 'list' });
        return (await own.get(`/jobs/${body.job_id}`)).body.data.result;
      };
      const before = await list();
      for (const { subject, data } of [...heard]) {
        for (let n = 0; n < 5; n++) stranger.publish(subject, data);
        stranger.publish(subject, new Uint8Array(500_000).fill(0xff));
        stranger.publish(subject, new TextEncoder().encode('{"bot":{"status":"stopped"},"seq":1e309}'));
      }
      for (const subject of [
        'botrunner.v1.events.dev.other',
        'botrunner.v1.workers.w1',
        'botrunner.v1.jobs.dev.none',
      ]) {
        stranger.publish(subject, new Uint8Array(), { reply: 'botrunner.v1.events.dev.echo' });
      }
      await stranger.flush();
      expect((await own.post(start('second'))).status).toBe(202);
      await eventually(
        'what comes later is published',
        () => heard.some(({ subject }) => subject.endsWith('.second')),
        Boolean,
      );
      const after = await list();
      expect(after.bots.filter(({ bot_id }: { bot_id: string }) => bot_id !== 'second')).toEqual(before.bots);
    } finally {
      await stranger.close();
      await nats.remove();
    }
  });
});
