/** Worker sessions as the orchestrator holds them, the logs that come through them, and what happens when nothing comes. */
import { describe, expect, it } from 'vitest';
import { BotState } from '#gen/botrunner/v1/bot_pb.js';
import { ErrorReason } from '#gen/botrunner/v1/error_pb.js';
import { eventually } from '../kit/eventually.ts';
import { createManualClock } from '../kit/manual-clock.ts';
import { startTestOrchestrator } from '../kit/orchestrator-for-tests.ts';
import { connectScriptedWorker, observed } from '../kit/scripted-worker.ts';
import { openJobBench, start } from './job-bench.ts';

const bench = openJobBench();
const { accepted, bot, connect, untilFinal } = bench;

describe('a worker session', () => {
  it('hostile 101: of the same worker that is newer ends the older one', async () => {
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
    const worker = await connectScriptedWorker(bench.orchestrator.address, {}, 'test-client-token');
    bench.keep(worker);
    const error = await eventually(
      'the session has ended',
      () => worker.ended(),
      (ended) => ended !== undefined,
    );
    expect(error?.code).toBe(7); // PERMISSION_DENIED
  });

  it('hostile 102: may not speak of a bot that is placed elsewhere', async () => {
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
    const cursor = `${'0'.repeat(16)}-2`;
    worker.tail([
      { tailId: open.tailId },
      { entries: [{ text: 'one' }, { text: 'two' }], end: { cursor, newestCursor: cursor } },
    ]);
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
