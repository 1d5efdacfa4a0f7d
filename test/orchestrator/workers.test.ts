/** Several workers: where bots are placed, who may speak as whom, silence, and moving bots away. Workers are played. */
import { createHash } from 'node:crypto';
import { Code, ConnectError, createClient, type Transport } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AdminService, DrainOutcome, WorkerState } from '#gen/botrunner/v1/admin_service_pb.js';
import { BotState, DesiredState } from '#gen/botrunner/v1/bot_pb.js';
import { BotService } from '#gen/botrunner/v1/bot_service_pb.js';
import { ErrorDetailSchema } from '#gen/botrunner/v1/error_pb.js';
import { type Ensure, WorkerService } from '#gen/botrunner/v1/worker_service_pb.js';
import { eventually } from '../kit/eventually.ts';
import { createManualClock } from '../kit/manual-clock.ts';
import { type JsonBody, startTestOrchestrator, type TestOrchestrator } from '../kit/orchestrator-for-tests.ts';
import {
  connectScriptedWorker,
  credentialOf,
  joinScriptedWorker,
  observed,
  type ScriptedWorker,
} from '../kit/scripted-worker.ts';

let orchestrator: TestOrchestrator;
const workers: ScriptedWorker[] = [];
const begin = async (options: Parameters<typeof startTestOrchestrator>[0] = {}) => {
  orchestrator = await startTestOrchestrator(options);
};
beforeEach(() => begin({ env: { MAX_BOTS_PER_USER: '10' } }));
afterEach(async () => {
  for (const worker of workers.splice(0)) worker.close();
  await orchestrator[Symbol.asyncDispose]();
});

const mib = 1024n * 1024n;
type HelloInit = NonNullable<Parameters<typeof connectScriptedWorker>[1]>;
const plain = { runtime: 'process', capabilities: ['mode.simple', 'language.python', 'language.node'] };

async function connect(workerId: string, hello: HelloInit = {}): Promise<ScriptedWorker> {
  const worker = await connectScriptedWorker(orchestrator.address, { workerId, bootId: `boot-${workerId}`, ...hello });
  workers.push(worker);
  await worker.take('welcome');
  return worker;
}
const transport = (token: string): Transport =>
  createGrpcTransport({
    baseUrl: orchestrator.url,
    interceptors: [
      (next) => (request) => {
        request.header.set('authorization', `Bearer ${token}`);
        return next(request);
      },
    ],
  });
const admin = () => createClient(AdminService, transport('test-admin-token'));
const as = (workerId: string) => createClient(WorkerService, transport(credentialOf(workerId)));
const detailOf = async (call: Promise<unknown>) => {
  const error = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof ConnectError)) throw new Error(`it was not refused: ${String(error)}`);
  return { code: Code[error.code], message: error.rawMessage, hint: error.findDetails(ErrorDetailSchema)[0]?.hint };
};
const simple = (botId: string, extra = {}) => ({
  action: 'start',
  bot_id: botId,
  deployment_mode: 'simple',
  code: 'print(1)',
  ...extra,
});
const image = (botId: string) => ({
  action: 'start',
  bot_id: botId,
  deployment_mode: 'image',
  docker_image: 'ghcr.io/me/bot:1',
});
const accepted = async (data: unknown): Promise<string> => {
  const { status, body } = await orchestrator.post(data);
  expect({ status, body }).toMatchObject({ status: 202 });
  return body.job_id;
};
const job = async (jobId: string): Promise<JsonBody> => (await orchestrator.get(`/jobs/${jobId}`)).body;
const untilFinal = (jobId: string): Promise<JsonBody> =>
  eventually(
    'the job is final',
    () => job(jobId),
    ({ status }) => ['completed', 'failed', 'cancelled'].includes(status),
  );
const bot = async (botId: string): Promise<JsonBody> =>
  (await job(await accepted({ action: 'status', bot_id: botId }))).data.result;
/** Starts a bot that the given worker gets and runs. */
async function run(worker: ScriptedWorker, botId: string, extra = {}): Promise<Ensure> {
  const id = await accepted(simple(botId, extra));
  const ensure = await worker.take('ensure');
  worker.succeed(ensure);
  expect(await untilFinal(id)).toMatchObject({ status: 'completed' });
  return ensure;
}
const stopped = (ensure: Ensure) => observed(ensure, { state: BotState.STOPPED, containerId: '', containerName: '' });
const stop = async (worker: ScriptedWorker, botId: string): Promise<void> => {
  const id = await accepted({ action: 'stop', bot_id: botId });
  const ensure = await worker.take('ensure');
  worker.succeed(ensure, stopped(ensure));
  await untilFinal(id);
};
const listed = async (workerId: string) =>
  (await admin().listWorkers({})).workers.find((worker) => worker.workerId === workerId);

describe('placement', () => {
  it('never gives a custom bot or an image to a worker of plain processes, however full the others are', async () => {
    const process = await connect('p', { ...plain, capacity: { memoryBytes: 300n * mib, cpuMillis: 1000 } });
    const id = await accepted(image('img'));
    expect(await job(id)).toMatchObject({ status: 'waiting_for_worker', reason: 'p cannot do mode.image' });
    const docker = await connect('d');
    expect((await docker.take('ensure')).botId).toBe('img');
    await run(process, 'small');
    expect(process.heard.filter(({ body }) => body.case === 'ensure')).toHaveLength(1);
  });

  it('gives a bot only to a worker with the labels it asks for, by REST and by gRPC, and an update keeps them', async () => {
    const eu = await connect('eu', { labels: { zone: 'eu' } });
    const us = await connect('us', { labels: { zone: 'us' } });
    await run(us, 'a', { on: { zone: 'us' } });
    await run(eu, 'b', { on: { zone: 'eu' } });
    const bots = createClient(BotService, transport('test-client-token'));
    const source = { case: 'image' as const, value: { image: 'ghcr.io/me/bot:1' } };
    await bots.startBot({ botId: 'c', spec: { source, on: { zone: 'eu' } } });
    const third = await eu.take('ensure');
    eu.succeed(third);
    await bots.updateBot({ botId: 'c', spec: { source }, keepEnv: true });
    const update = await eventually(
      'the update goes out',
      () => eu.heard.flatMap(({ body }) => (body.case === 'ensure' && body.value.botId === 'c' ? [body.value] : [])),
      (found) => found.length === 2,
    );
    expect(update[1]?.spec?.on).toEqual({ zone: 'eu' });
    const id = await accepted(simple('d', { on: { zone: 'mars' } }));
    expect((await job(id)).reason).toBe('eu is not labelled zone=mars; us is not labelled zone=mars');
    expect((await orchestrator.post(simple('e', { on: { zone: 'a b' } }))).body.error).toMatchObject({
      code: 'INVALID_LABELS',
      details: { field: 'on' },
    });
  });

  it('reckons with what other bots have reserved, and places what waits as soon as there is room', async () => {
    const small = await connect('small', { capacity: { memoryBytes: 600n * mib, cpuMillis: 1000 } });
    await run(small, 'one');
    await run(small, 'two');
    const id = await accepted(simple('three'));
    expect(await job(id)).toMatchObject({
      status: 'waiting_for_worker',
      reason: 'small has 88 of 600 MiB free, 256 are needed',
    });
    await stop(small, 'one');
    expect((await small.take('ensure')).botId).toBe('three');
  });

  it('waits with an update that does not fit, and leaves the old version as it is meanwhile', async () => {
    const small = await connect('small', { capacity: { memoryBytes: 600n * mib, cpuMillis: 1000 } });
    const first = await run(small, 'grows');
    const id = await accepted(simple('grows', { resource_limits: { memory_mb: 1000 } }));
    expect(await job(id)).toMatchObject({ status: 'waiting_for_worker' });
    small.close();
    const again = await connectScriptedWorker(orchestrator.address, {
      workerId: 'small',
      capacity: { memoryBytes: 600n * mib, cpuMillis: 1000 },
      snapshot: [observed(first)],
    });
    workers.push(again);
    const { desiredSet } = await again.take('welcome');
    expect(desiredSet?.bots).toMatchObject([{ generation: 1n, revision: 1n, desired: DesiredState.RUNNING }]);
    expect((await job(id)).status).toBe('waiting_for_worker');
  });

  it('takes a stopped bot back to its data, but not to a cordoned worker, and never while its container may be there', async () => {
    const one = await connect('one', { capacity: { memoryBytes: 1000n * mib, cpuMillis: 1000 } });
    await run(one, 'a');
    const two = await connect('two', { capacity: { memoryBytes: 500n * mib, cpuMillis: 1000 } });
    await stop(one, 'a');
    // Bin-packing alone would choose two.
    await accepted({ action: 'restart', bot_id: 'a' });
    const second = await one.take('ensure');
    one.succeed(second);
    await eventually(
      'it runs',
      () => bot('a'),
      ({ status }) => status === 'running',
    );
    await admin().cordonWorker({ workerId: 'one' });
    // Cordoned, but it runs there: it stays.
    await accepted({ action: 'restart', bot_id: 'a' });
    one.succeed(await one.take('ensure'));
    await stop(one, 'a');
    const moved = await accepted({ action: 'restart', bot_id: 'a' });
    const ensure = await two.take('ensure');
    expect(ensure).toMatchObject({ botId: 'a', epoch: 2n });
    two.succeed(ensure);
    expect(await untilFinal(moved)).toMatchObject({ status: 'completed' });
    expect(await bot('a')).toMatchObject({ worker_id: 'two' });
    // A stop that was never confirmed says nothing about the container.
    two.close();
    await eventually(
      'two is gone',
      () => listed('two'),
      (worker) => worker?.state === WorkerState.AWAY,
    );
    const unconfirmed = await accepted({ action: 'stop', bot_id: 'a' });
    await accepted({ action: 'restart', bot_id: 'a' });
    const waiting = await eventually(
      'it waits',
      () => job(unconfirmed),
      ({ status }) => status !== 'running',
    );
    expect(waiting.reason).toBe('worker two, which has the bot, is not connected');
  });

  it('ends a start that no worker can take with NO_WORKER and the reason, at its deadline', async () => {
    const clock = createManualClock();
    await orchestrator[Symbol.asyncDispose]();
    await begin({ clock });
    await connect('p', plain);
    const id = await accepted(image('img'));
    clock.advance(600_000);
    expect((await untilFinal(id)).data.error).toMatchObject({
      code: 'NO_WORKER',
      message: 'No worker could take the bot within 600 s: p cannot do mode.image.',
    });
  });
});

describe('quota and views', () => {
  it('are those of the user on all workers together, and stop reaches the bot where it is', async () => {
    await orchestrator[Symbol.asyncDispose]();
    await begin();
    const one = await connect('one', { labels: { n: '1' } });
    const two = await connect('two', { labels: { n: '2' } });
    await run(one, 'a', { on: { n: '1' } });
    await run(two, 'b', { on: { n: '2' } });
    await run(one, 'c', { on: { n: '1' } });
    expect((await orchestrator.post(simple('d', { on: { n: '2' } }))).body.error).toMatchObject({
      code: 'QUOTA_EXCEEDED',
      details: { current_bots: 3, max_bots: 3, active_bots: ['a', 'b', 'c'] },
    });
    const list = (await job(await accepted({ action: 'list' }))).data.result;
    expect(list.bots.map((each: JsonBody) => [each.bot_id, each.worker_id])).toEqual([
      ['a', 'one'],
      ['b', 'two'],
      ['c', 'one'],
    ]);
    await stop(two, 'b');
    expect((await orchestrator.post(simple('d', { on: { n: '2' } }))).status).toBe(202);
  });
});

describe('100 starts at once', () => {
  it('on two workers make exactly as many bots as the quota allows', async () => {
    await orchestrator[Symbol.asyncDispose]();
    await begin();
    await connect('one');
    await connect('two');
    const answers = await Promise.all(
      Array.from({ length: 100 }, (_, n) => orchestrator.post(simple(`b${n}`, { resource_limits: { memory_mb: 16 } }))),
    );
    expect(answers.filter(({ status }) => status === 202)).toHaveLength(3);
    expect(answers.filter(({ status }) => status === 429)).toHaveLength(97);
  });
});

describe('a silent worker', () => {
  it('is suspect at 6 s and gets nothing new, its bots are unknown at 10 s, and both are true again with its next word', async () => {
    const clock = createManualClock();
    await orchestrator[Symbol.asyncDispose]();
    await begin({ clock });
    const worker = await connect('w1');
    await run(worker, 'a');
    clock.advance(5_900);
    expect(await listed('w1')).toMatchObject({ state: WorkerState.READY });
    clock.advance(200);
    expect(await listed('w1')).toMatchObject({ state: WorkerState.SUSPECT, reason: 'not heard of for 6 s' });
    expect(await bot('a')).toMatchObject({ status: 'running' });
    const waiting = await accepted(simple('b'));
    expect((await job(waiting)).reason).toBe('w1 has not been heard of for 6 s');
    clock.advance(4_000);
    expect(await listed('w1')).toMatchObject({ state: WorkerState.AWAY });
    expect(await bot('a')).toMatchObject({
      status: 'unknown',
      worker_id: 'w1',
      reason: 'its worker w1 has not been heard of for 10 s; it may well run on',
    });
    const before = worker.heard.filter(({ body }) => body.case === 'ensure' || body.case === 'cancelTask').length;
    worker.send({ case: 'heartbeat', value: { ready: true } });
    expect((await worker.take('ensure')).botId).toBe('b');
    expect(await bot('a')).toMatchObject({ status: 'running', reason: '' });
    expect(await listed('w1')).toMatchObject({ state: WorkerState.READY });
    expect(before).toBe(1);
  });
});

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
      for await (const { botId, outcome, workerId, reason } of admin().drainWorker({ workerId: 'old' })) {
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
      ['a', 'MOVING', 'old', ''],
      ['a', 'MOVED', 'fresh', ''],
      ['b', 'MOVING', 'old', ''],
      ['b', 'MOVED', 'fresh', ''],
      ['idle', 'STAYS', 'old', 'it does not run; when it is started again it goes to another worker'],
    ]);
    expect(await bot('a')).toMatchObject({ status: 'running', worker_id: 'fresh' });
    expect(await listed('old')).toMatchObject({ cordoned: true, runningBots: 0, bots: 1 });
  });

  it('a drain tells what stays and why, and brings back a bot that cannot be started elsewhere', async () => {
    const old = await connect('old', { labels: { zone: 'eu' } });
    await run(old, 'bound', { on: { zone: 'eu' } });
    await run(old, 'picky');
    const fresh = await connect('fresh');
    const steps: unknown[] = [];
    const draining = (async () => {
      for await (const { botId, outcome, workerId, reason } of admin().drainWorker({ workerId: 'old' })) {
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
      ['picky', 'MOVING', 'old', ''],
      ['picky', 'STAYS', 'old', 'The image could not be built.'],
    ]);
    fresh.close();
    await eventually(
      'it is gone',
      () => listed('fresh'),
      (worker) => worker?.state === WorkerState.AWAY,
    );
    for await (const { botId, reason } of admin().drainWorker({ workerId: 'old' })) {
      expect([botId, reason]).toEqual([botId, 'no other worker is connected']);
    }
  });

  it('a stop in the middle of a move ends it, and the bot is stopped where it is', async () => {
    const old = await connect('old');
    await run(old, 'a');
    await connect('fresh');
    const draining = (async () => {
      const outcomes = [];
      for await (const { outcome } of admin().drainWorker({ workerId: 'old' })) outcomes.push(DrainOutcome[outcome]);
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

describe('identity', () => {
  const sourceOf = (ensure: Ensure): string =>
    ensure.spec?.source.case === 'simple' ? ensure.spec.source.value.artifactSha256 : '';
  const fetch = async (workerId: string, sha256: string): Promise<number> => {
    let bytes = 0;
    for await (const { chunk } of as(workerId).fetchArtifact({ sha256 })) bytes += chunk.length;
    return bytes;
  };

  it('is a credential of one id: it opens no session as another worker, joins nobody and does nothing over REST', async () => {
    const one = await connect('one');
    const two = await connectScriptedWorker(
      orchestrator.address,
      { workerId: 'two' },
      'test-worker-token',
      credentialOf('one'),
    );
    workers.push(two);
    const error = await eventually(
      'it is refused',
      () => two.ended(),
      (ended) => ended !== undefined,
    );
    expect(error?.details).toBe('The credential is that of another worker id.');
    const stolen = credentialOf('one');
    const joined = await joinScriptedWorker(orchestrator.address, 'three', stolen, credentialOf('three'));
    expect(joined?.code).toBe(7); // PERMISSION_DENIED
    expect((await orchestrator.get('/workers/one/tasks', stolen)).status).toBe(403);
    expect(one.ended()).toBeUndefined();
  });

  it('is not had by the join token: it opens no session, reads no artifact and answers no tail', async () => {
    const one = await connect('one');
    const ensure = await run(one, 'a');
    const joinOnly = createClient(WorkerService, transport('test-worker-token'));
    const hint = 'Call WorkerService.Join first, and use the credential from then on.';
    expect(
      await detailOf(
        (async () => {
          for await (const _ of joinOnly.fetchArtifact({ sha256: sourceOf(ensure) })) return;
        })(),
      ),
    ).toMatchObject({ code: 'PermissionDenied', hint });
  });

  it('lets a worker fetch the sources of its own bots alone', async () => {
    const one = await connect('one', { labels: { n: '1' } });
    const two = await connect('two', { labels: { n: '2' } });
    const first = sourceOf(await run(one, 'a', { on: { n: '1' } }));
    const second = sourceOf(await run(two, 'b', { on: { n: '2' }, code: 'print(2)' }));
    expect(await fetch('one', first)).toBeGreaterThan(0);
    expect(await fetch('two', second)).toBeGreaterThan(0);
    expect((await detailOf(fetch('two', first))).message).toBe('There is no artifact with that sha256.');
    expect((await detailOf(fetch('one', second))).code).toBe('NotFound');
  });

  it('does not let another worker answer a tail', async () => {
    const one = await connect('one');
    await run(one, 'a');
    const two = await connect('two');
    const logs = await accepted({ action: 'logs', bot_id: 'a', lines: 5 });
    const open = await one.take('openTail');
    two.tail([{ tailId: open.tailId }, { entries: [{ text: 'forged' }] }]);
    one.tail([{ tailId: open.tailId }, { entries: [{ text: 'true' }], end: {} }]);
    expect((await untilFinal(logs)).data.result.logs).toBe('true\n');
  });

  it('belongs to whoever joined first; a lost credential is cured by readmit, and says so', async () => {
    const one = await connect('one');
    const lost = await joinScriptedWorker(orchestrator.address, 'one', 'test-worker-token', 'another-credential');
    expect(lost?.code).toBe(7); // PERMISSION_DENIED
    expect(lost?.details).toBe('The worker id one belongs to a worker with another credential.');
    await admin().readmitWorker({ workerId: 'one' });
    expect(
      (
        await eventually(
          'it ended',
          () => one.ended(),
          (ended) => ended !== undefined,
        )
      )?.code,
    ).toBe(16);
    expect(
      await joinScriptedWorker(orchestrator.address, 'one', 'test-worker-token', 'another-credential'),
    ).toBeUndefined();
    const old = await joinScriptedWorker(orchestrator.address, 'one');
    expect(old?.code).toBe(7);
  });

  it('is revoked at once and for good, over restarts, until it is readmitted', async () => {
    const one = await connect('one');
    await admin().revokeWorker({ workerId: 'one' });
    expect(
      (
        await eventually(
          'it ended',
          () => one.ended(),
          (ended) => ended !== undefined,
        )
      )?.code,
    ).toBe(16);
    expect(await listed('one')).toMatchObject({ revoked: true, state: WorkerState.AWAY });
    await orchestrator.restart();
    const refused = await joinScriptedWorker(orchestrator.address, 'one');
    expect(refused?.details).toBe('The worker one was revoked.');
    await admin().readmitWorker({ workerId: 'one' });
    await connect('one');
    expect(await listed('one')).toMatchObject({ revoked: false, state: WorkerState.READY });
  });

  it('is kept as a hash alone, and over a restart', async () => {
    const one = await connect('one');
    one.close();
    await orchestrator.restart();
    const session = await connectScriptedWorker(orchestrator.address, { workerId: 'one' }, 'not-a-join-token');
    workers.push(session);
    expect((await session.take('welcome')).sessionId).not.toBe('');
    const { readFileSync, readdirSync } = await import('node:fs');
    const folder = `${orchestrator.dir}/orchestrator`;
    const files = readdirSync(folder).map((name) => readFileSync(`${folder}/${name}`));
    const sha256 = createHash('sha256').update(credentialOf('one')).digest('hex');
    expect(files.some((bytes) => bytes.includes(sha256))).toBe(true);
    expect(files.some((bytes) => bytes.includes(credentialOf('one')))).toBe(false);
  });

  it('two processes of one id do not take the session from each other in turn', async () => {
    const first = await connect('one', { bootId: 'first' });
    const ensure = await run(first, 'a');
    const second = await connect('one', { bootId: 'second', snapshot: [observed(ensure)] });
    const fenced = await eventually(
      'the first is fenced',
      () => first.ended(),
      (ended) => ended !== undefined,
    );
    expect(fenced).toMatchObject({
      code: 10, // ABORTED
      details: 'another process has connected as worker one',
    });
    const again = await connectScriptedWorker(orchestrator.address, { workerId: 'one', bootId: 'first' });
    workers.push(again);
    expect(
      (
        await eventually(
          'it is refused',
          () => again.ended(),
          (ended) => ended !== undefined,
        )
      )?.code,
    ).toBe(10);
    second.send({ case: 'heartbeat', value: { ready: true } });
    expect(second.ended()).toBeUndefined();
    expect(await bot('a')).toMatchObject({ status: 'running' });
    // Once the second is gone, the first may be the worker again.
    second.close();
    await eventually(
      'it is gone',
      () => listed('one'),
      (worker) => worker?.state === WorkerState.AWAY,
    );
    await connect('one', { bootId: 'first' });
  });
});
