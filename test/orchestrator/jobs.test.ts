/** The life of jobs, seen from both ends: REST on one side, a worker played over grpc-js on the other. */
import { describe, expect, it } from 'vitest';
import { BotState, DesiredState } from '#gen/botrunner/v1/bot_pb.js';
import { LogStream } from '#gen/botrunner/v1/log_pb.js';
import { eventually } from '../kit/eventually.ts';
import { observed } from '../kit/scripted-worker.ts';
import { failed, openJobBench, start } from './job-bench.ts';

const bench = openJobBench();
const { accepted, bot, connect, job, untilFinal } = bench;

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

  it.each([
    ['its memory limit of 256 MB; give it more, for example with --memory 512m', true],
    ['its memory limit; give it more with --memory', false],
  ])('is answered with what killed a bot that exceeded %s', async (limit, said) => {
    const worker = await connect();
    const id = await accepted(start('hungry'));
    const ensure = await worker.take('ensure');
    const reason = said ? `killed because it exceeded ${limit}` : 'was started again (restart 1)';
    const end = { state: BotState.CRASH_LOOP, exitCode: 137, oomKilled: true, reason, diagnosis: 'what it printed' };
    worker.send({
      case: 'result',
      value: {
        taskId: ensure.taskId,
        outcome: { case: 'succeeded', value: {} },
        observation: observed(ensure, end),
      },
    });
    expect((await untilFinal(id)).data.result).toMatchObject({
      status: 'crash_loop',
      exit_code: 137,
      oom_killed: true,
      diagnosis: `killed because it exceeded ${limit}`,
    });
  });

  it('hostile 111: that fails leaves a failed bot that frees its place and tells why', async () => {
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
      data: { error: { code: 'BUILD_FAILED', hint: 'fix it' } },
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
    expect(await untilFinal(second)).toMatchObject({
      status: 'failed',
      data: {
        error: {
          message: expect.stringMatching(/\. The previous version is still running\.$/),
          details: { former_version: 'running' },
        },
      },
    });
    const back = await worker.take('ensure');
    expect(back).toMatchObject({ generation: 3n, revision: 1n, desired: DesiredState.RUNNING });
    expect(back.spec?.env).toEqual({ V: '1' });
    expect(await bot('echo')).toMatchObject({ status: 'running', desired: 'running' });
  });

  it('hostile 102: counts a result only once, and only from the worker that has the task', async () => {
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
  it('hostile 111: lets exactly 3 of 100 concurrent starts in, and a stop frees exactly one place', async () => {
    const worker = await connect();
    const answers = await Promise.all(
      Array.from({ length: 100 }, (_, n) => bench.orchestrator.post(start(`bot-${n}`))),
    );
    const refused = answers.filter(({ status }) => status === 429);
    expect([answers.filter(({ status }) => status === 202).length, refused.length]).toEqual([3, 97]);
    expect(refused[0]?.body.error).toMatchObject({
      code: 'QUOTA_EXCEEDED',
      details: { current_bots: 3, max_bots: 3, active_bots: expect.any(Array) },
    });
    const [ensure] = [await worker.take('ensure')];
    worker.succeed(ensure);
    const stop = await accepted({ action: 'stop', bot_id: ensure.botId });
    const again = await Promise.all(Array.from({ length: 20 }, (_, n) => bench.orchestrator.post(start(`again-${n}`))));
    expect(again.filter(({ status }) => status === 202)).toHaveLength(1);
    expect(stop).toBeTruthy();
  });
});

describe('a restart of the orchestrator', () => {
  it('forgets nothing it has answered: the job continues with the worker’s next session', async () => {
    const id = await accepted(start('echo', { env_vars: { BOT_TOKEN: 'canary-9d1f' } }));
    const worker = await connect();
    const before = await worker.take('ensure');
    await bench.orchestrator.restart();
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
