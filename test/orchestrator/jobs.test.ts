/** The life of jobs, seen from both ends: REST on one side, a worker played over grpc-js on the other. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BotState, DesiredState } from '#gen/botrunner/v1/bot_pb.js';
import { ErrorReason } from '#gen/botrunner/v1/error_pb.js';
import { LogStream } from '#gen/botrunner/v1/log_pb.js';
import { eventually } from '../kit/eventually.ts';
import { createManualClock } from '../kit/manual-clock.ts';
import { type JsonBody, startTestOrchestrator, type TestOrchestrator } from '../kit/orchestrator-for-tests.ts';
import { connectScriptedWorker, observed, type ScriptedWorker } from '../kit/scripted-worker.ts';

let orchestrator: TestOrchestrator;
const workers: ScriptedWorker[] = [];

beforeEach(async () => {
  orchestrator = await startTestOrchestrator();
});
afterEach(async () => {
  for (const worker of workers.splice(0)) worker.close();
  await orchestrator[Symbol.asyncDispose]();
});

const connect = async (hello = {}) => {
  const worker = await connectScriptedWorker(orchestrator.address, hello);
  workers.push(worker);
  return worker;
};
const start = (botId: string, extra = {}) => ({
  action: 'start',
  bot_id: botId,
  deployment_mode: 'simple',
  code: 'print(1)',
  ...extra,
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
const failed = (taskId: string, code: string, extra = {}) => ({
  case: 'result' as const,
  value: {
    taskId,
    outcome: { case: 'failed' as const, value: { code, message: 'it broke', hint: 'mend it' } },
    ...extra,
  },
});

describe('a start', () => {
  it('goes to the worker with its spec, and is completed by the worker’s result', async () => {
    const worker = await connect();
    await worker.take('welcome');
    const id = await accepted(start('echo', { env_vars: { BOT_TOKEN: '123:ABC' }, requirements: ['aiogram>=3.0'] }));
    const ensure = await worker.take('ensure');
    expect(ensure).toMatchObject({
      userId: 'dev',
      botId: 'echo',
      generation: 1n,
      epoch: 1n,
      revision: 1n,
      desired: DesiredState.RUNNING,
    });
    expect(ensure.spec?.env).toEqual({ BOT_TOKEN: '123:ABC' });
    expect(ensure.spec?.source).toMatchObject({
      case: 'simple',
      value: { entrypoint: 'bot.py', requirements: ['aiogram>=3.0'] },
    });
    worker.send({ case: 'accepted', value: { taskId: ensure.taskId } });
    worker.send({
      case: 'progress',
      value: { taskId: ensure.taskId, state: BotState.BUILDING, message: 'building the image' },
    });
    await eventually(
      'the progress shows',
      () => job(id),
      ({ reason }) => reason === 'building the image',
    );
    worker.succeed(ensure);
    const done = await untilFinal(id);
    expect(done).toMatchObject({
      state: 'completed',
      status: 'completed',
      data: { result: { status: 'started', bot_id: 'echo', container_id: 'c-echo-1', container_name: 'bot_echo' } },
      state_history: { status: 'started' },
    });
    expect((await worker.take('resultAck')).taskId).toBe(ensure.taskId);
    expect(await bot('echo')).toMatchObject({ exists: true, status: 'running', worker_id: 'w1', runtime: 'docker' });
  });

  it('waits for a worker with the reason shown, and goes out as soon as one joins', async () => {
    const id = await accepted(start('echo'));
    expect(await job(id)).toMatchObject({ status: 'waiting_for_worker', reason: 'no worker is connected' });
    const worker = await connect();
    worker.succeed(await worker.take('ensure'));
    expect(await untilFinal(id)).toMatchObject({ status: 'completed' });
  });

  it('waits for a worker that is not ready', async () => {
    const worker = await connect({ ready: false, notReadyReason: 'engine_unavailable' });
    await worker.take('welcome');
    const id = await accepted(start('echo'));
    expect(await job(id)).toMatchObject({
      status: 'waiting_for_worker',
      reason: 'w1 is not ready (engine_unavailable)',
    });
    worker.send({ case: 'heartbeat', value: { ready: true } });
    expect((await worker.take('ensure')).botId).toBe('echo');
  });

  it('is answered with the exit code and last lines when the bot ended at once', async () => {
    const worker = await connect();
    const id = await accepted(start('echo'));
    const ensure = await worker.take('ensure');
    worker.send({
      case: 'result',
      value: {
        taskId: ensure.taskId,
        outcome: { case: 'succeeded', value: { lastLines: [{ text: 'Traceback', stream: LogStream.STDERR }] } },
        observation: observed(ensure, { state: BotState.CRASH_LOOP, exitCode: 1 }),
      },
    });
    expect((await untilFinal(id)).data.result).toMatchObject({
      status: 'crash_loop',
      exit_code: 1,
      last_lines: ['Traceback'],
    });
  });

  it('that fails leaves a failed bot that frees its place and tells why', async () => {
    const worker = await connect();
    const id = await accepted(start('echo'));
    const ensure = await worker.take('ensure');
    worker.send(
      failed(ensure.taskId, 'BUILD_FAILED', {
        observation: observed(ensure, { state: BotState.FAILED, revision: 0n, containerId: '', containerName: '' }),
      }),
    );
    expect(await untilFinal(id)).toMatchObject({
      state: 'failed',
      status: 'failed',
      data: { error: { code: 'BUILD_FAILED', hint: 'mend it' } },
    });
    const stop = await worker.take('ensure');
    expect(stop).toMatchObject({ taskId: '', desired: DesiredState.STOPPED, generation: 2n });
    worker.send({
      case: 'observations',
      value: { bots: [observed(stop, { state: BotState.STOPPED, revision: 0n, containerId: '', containerName: '' })] },
    });
    expect(await bot('echo')).toMatchObject({ status: 'failed', reason: 'it broke' });
    expect((await job(await accepted({ action: 'list' }))).data.result.count).toBe(0);
  });

  it('of a running bot is an update, and one that fails brings the old wish back', async () => {
    const worker = await connect();
    const first = await accepted(start('echo', { env_vars: { V: '1' } }));
    worker.succeed(await worker.take('ensure'));
    await untilFinal(first);
    const second = await accepted(start('echo', { env_vars: { V: '2' } }));
    const update = await worker.take('ensure');
    expect(update).toMatchObject({ generation: 2n, revision: 2n, epoch: 1n });
    worker.send(failed(update.taskId, 'BUILD_FAILED', { observation: observed({ ...update, revision: 1n }) }));
    expect((await untilFinal(second)).status).toBe('failed');
    const back = await worker.take('ensure');
    expect(back).toMatchObject({ generation: 3n, revision: 1n, desired: DesiredState.RUNNING });
    expect(back.spec?.env).toEqual({ V: '1' });
    expect(await bot('echo')).toMatchObject({ status: 'running', desired: 'running' });
  });

  it('counts a result only once, and only from the worker that has the task', async () => {
    const worker = await connect();
    const other = await connect({ workerId: 'w2', capacity: { memoryBytes: 1n, cpuMillis: 1 } });
    const id = await accepted(start('echo'));
    const ensure = await worker.take('ensure');
    other.succeed(ensure);
    await other.take('resultAck');
    expect((await job(id)).status).toBe('running');
    worker.succeed(ensure);
    worker.send(failed(ensure.taskId, 'BUILD_FAILED'));
    await worker.take('resultAck');
    await worker.take('resultAck');
    expect(await untilFinal(id)).toMatchObject({ status: 'completed' });
  });
});

describe('jobs of one bot', () => {
  it('run one after the other, in order', async () => {
    const worker = await connect();
    const first = await accepted(start('echo', { env_vars: { V: '1' } }));
    const one = await worker.take('ensure');
    const second = await accepted(start('echo', { env_vars: { V: '2' } }));
    const third = await accepted(start('echo', { env_vars: { V: '3' } }));
    expect((await job(second)).status).toBe('pending');
    worker.succeed(one);
    await untilFinal(first);
    const two = await worker.take('ensure');
    expect(two.spec?.env).toEqual({ V: '2' });
    expect((await job(third)).status).toBe('pending');
    worker.succeed(two);
    const three = await worker.take('ensure');
    expect(three.spec?.env).toEqual({ V: '3' });
    worker.succeed(three);
    await Promise.all([untilFinal(second), untilFinal(third)]);
  });

  it('are ended by a stop, which does not wait for a build', async () => {
    const worker = await connect();
    const first = await accepted(start('echo'));
    const build = await worker.take('ensure');
    const second = await accepted(start('echo', { env_vars: { V: '2' } }));
    const stop = await accepted({ action: 'stop', bot_id: 'echo' });
    expect((await worker.take('cancelTask')).taskId).toBe(build.taskId);
    for (const id of [first, second]) {
      expect(await job(id)).toMatchObject({ status: 'cancelled', data: { error: { code: 'CANCELLED' } } });
    }
    const commands = await eventually(
      'the stop is sent',
      () => worker.heard.filter((message) => message.body.case === 'ensure').map((message) => message.body.value),
      (ensures) => ensures.length === 3,
    );
    const last = commands.at(-1) as typeof build; // filtered to ensures
    expect(last).toMatchObject({ desired: DesiredState.STOPPED });
    expect(last.taskId).not.toBe('');
    worker.send({
      case: 'result',
      value: {
        taskId: last.taskId,
        outcome: { case: 'succeeded', value: {} },
        observation: observed(last, { state: BotState.STOPPED, revision: 0n, containerId: '', containerName: '' }),
      },
    });
    expect(await untilFinal(stop)).toMatchObject({ status: 'completed', data: { result: { status: 'stopped' } } });
    expect(await bot('echo')).toMatchObject({ status: 'stopped' });
  });
});

describe('the quota', () => {
  it('lets exactly 3 of 100 concurrent starts in, and a stop frees exactly one place', async () => {
    const worker = await connect();
    const answers = await Promise.all(Array.from({ length: 100 }, (_, n) => orchestrator.post(start(`bot-${n}`))));
    const refused = answers.filter(({ status }) => status === 429);
    expect([answers.filter(({ status }) => status === 202).length, refused.length]).toEqual([3, 97]);
    expect(refused[0]?.body.error).toMatchObject({
      code: 'QUOTA_EXCEEDED',
      details: { current_bots: 3, max_bots: 3, active_bots: expect.any(Array) },
    });
    const [ensure] = [await worker.take('ensure')];
    worker.succeed(ensure);
    const stop = await accepted({ action: 'stop', bot_id: ensure.botId });
    const again = await Promise.all(Array.from({ length: 20 }, (_, n) => orchestrator.post(start(`again-${n}`))));
    expect(again.filter(({ status }) => status === 202)).toHaveLength(1);
    expect(stop).toBeTruthy();
  });
});

describe('a restart of the orchestrator', () => {
  it('forgets nothing it has answered: the job goes on with the worker’s next session', async () => {
    const id = await accepted(start('echo', { env_vars: { BOT_TOKEN: 'canary-9d1f' } }));
    const worker = await connect();
    const before = await worker.take('ensure');
    await orchestrator.restart();
    expect(await job(id)).toMatchObject({ status: 'running', state: 'start_bot' });
    const again = await connect();
    const welcome = await again.take('welcome');
    const ensure = welcome.desiredSet?.bots[0];
    expect(ensure).toMatchObject({
      taskId: before.taskId,
      generation: before.generation,
      spec: { env: { BOT_TOKEN: 'canary-9d1f' } },
    });
    if (ensure) again.succeed(ensure);
    expect(await untilFinal(id)).toMatchObject({ status: 'completed' });
  });
});

describe('a worker session', () => {
  it('of the same worker that is newer ends the older one', async () => {
    const older = await connect();
    await older.take('welcome');
    const newer = await connect();
    await newer.take('welcome');
    const error = await eventually(
      'the older session has ended',
      () => older.ended(),
      (ended) => ended !== undefined,
    );
    expect(error?.code).toBe(10); // ABORTED
    await accepted(start('echo'));
    expect((await newer.take('ensure')).botId).toBe('echo');
  });

  it.each([
    ['a bad id', { workerId: 'a b' }],
    ['no common protocol', { protocolMin: 2, protocolMax: 3 }],
  ])('with %s is refused', async (_name, hello) => {
    const worker = await connect(hello);
    const error = await eventually(
      'the session has ended',
      () => worker.ended(),
      (ended) => ended !== undefined,
    );
    expect(error?.code).toBe(3); // INVALID_ARGUMENT
  });

  it('with a client’s token is refused', async () => {
    const worker = await connectScriptedWorker(orchestrator.address, {}, 'test-client-token');
    workers.push(worker);
    const error = await eventually(
      'the session has ended',
      () => worker.ended(),
      (ended) => ended !== undefined,
    );
    expect(error?.code).toBe(7); // PERMISSION_DENIED
  });

  it('may not speak of a bot that is placed elsewhere', async () => {
    const worker = await connect();
    const id = await accepted(start('echo'));
    const ensure = await worker.take('ensure');
    worker.succeed(ensure);
    await untilFinal(id);
    const liar = await connect({ workerId: 'w2' });
    liar.send({ case: 'observations', value: { bots: [observed(ensure, { state: BotState.FAILED })] } });
    liar.send({ case: 'result', value: { taskId: 'none' } });
    await liar.take('resultAck');
    expect(await bot('echo')).toMatchObject({ status: 'running', worker_id: 'w1' });
  });
});

describe('logs through REST', () => {
  it('come from the worker on a stream of their own', async () => {
    const worker = await connect();
    const id = await accepted(start('echo'));
    worker.succeed(await worker.take('ensure'));
    await untilFinal(id);
    const logs = await accepted({ action: 'logs', bot_id: 'echo', lines: 5 });
    const open = await worker.take('openTail');
    expect(open).toMatchObject({ botId: 'echo', lines: 5, follow: false });
    worker.tail([{ tailId: open.tailId }, { entries: [{ text: 'one' }, { text: 'two' }] }]);
    expect((await untilFinal(logs)).data.result).toEqual({
      status: 'success',
      logs: 'one\ntwo\n',
      container_status: 'running',
      container_name: 'bot_echo',
    });
  });

  it('fail clearly when the worker is away or cannot read them', async () => {
    const worker = await connect();
    const id = await accepted(start('echo'));
    worker.succeed(await worker.take('ensure'));
    await untilFinal(id);
    const broken = await accepted({ action: 'logs', bot_id: 'echo' });
    const open = await worker.take('openTail');
    worker.tail([
      { tailId: open.tailId, error: { reason: ErrorReason.CONTAINER_ERROR, code: 'CONTAINER_ERROR', message: 'no' } },
    ]);
    expect((await untilFinal(broken)).data.error.code).toBe('CONTAINER_ERROR');
    worker.close();
    await eventually(
      'the worker is gone',
      async () => (await untilFinal(await accepted({ action: 'logs', bot_id: 'echo' }))).data.error?.code,
      (code) => code === 'UNAVAILABLE',
    );
  });
});

describe('deadlines', () => {
  it('end a job that nobody does, and say why', async () => {
    const clock = createManualClock();
    await using slow = await startTestOrchestrator({ clock });
    const { body } = await slow.post(start('echo'));
    clock.advance(599_000);
    expect((await slow.get(`/jobs/${body.job_id}`)).body.status).toBe('waiting_for_worker');
    clock.advance(1_000);
    const ended = await eventually(
      'the job has ended',
      async () => (await slow.get(`/jobs/${body.job_id}`)).body,
      ({ status }) => status === 'failed',
    );
    expect(ended.data.error).toMatchObject({
      code: 'NO_WORKER',
      message: 'No worker could take the bot within 600 s: no worker is connected.',
    });
    const list = (await slow.get(`/jobs/${(await slow.post({ action: 'list' })).body.job_id}`)).body.data.result;
    expect(list).toMatchObject({ count: 0, bots: [{ bot_id: 'echo', status: 'failed' }] });
  });

  it('turn the state of a silent worker’s bots into unknown, and back', async () => {
    const clock = createManualClock();
    await using slow = await startTestOrchestrator({ clock });
    const worker = await connectScriptedWorker(slow.address);
    const stateOf = async () =>
      (await slow.get(`/jobs/${(await slow.post({ action: 'status', bot_id: 'echo' })).body.job_id}`)).body.data.result
        .status;
    try {
      await slow.post(start('echo'));
      worker.succeed(await worker.take('ensure'));
      await eventually('the bot runs', stateOf, (state) => state === 'running');
      clock.advance(9_000);
      expect(await stateOf()).toBe('running');
      clock.advance(1_000);
      expect(await stateOf()).toBe('unknown');
      worker.send({ case: 'heartbeat', value: { ready: true } });
      await eventually('the bot runs again', stateOf, (state) => state === 'running');
    } finally {
      worker.close();
    }
  });
});
