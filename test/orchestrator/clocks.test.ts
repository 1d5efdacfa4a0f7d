/** Clocks that are set while jobs are open: a deadline is a duration, whatever the wall clock says meanwhile. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { defaultFleetTimes } from '../../orchestrator/fleet/fleet.ts';
import { eventually } from '../kit/eventually.ts';
import { createManualClock, type ManualClock } from '../kit/manual-clock.ts';
import { type JsonBody, startTestOrchestrator, type TestOrchestrator } from '../kit/orchestrator-for-tests.ts';
import { connectScriptedWorker, type ScriptedWorker } from '../kit/scripted-worker.ts';
import { start } from './job-bench.ts';

const minute = 60_000;
const hour = 60 * minute;
const remaining = 'deadline.remaining';
const modes = ['mode.simple', 'language.python'];

// The played workers send no heartbeats while the clock is moved.
const heardOfAlways = { ...defaultFleetTimes, suspectAfterMs: 100 * hour, unknownAfterMs: 100 * hour };

let clock: ManualClock;
let orchestrator: TestOrchestrator;
const workers: ScriptedWorker[] = [];

const begin = async (options: { bootId?: string; env?: Record<string, string> } = {}) => {
  clock = createManualClock(options.bootId === undefined ? {} : { bootId: options.bootId });
  orchestrator = await startTestOrchestrator({ clock, env: options.env ?? {}, fleetTimes: heardOfAlways });
};
const connect = async (hello: object = {}) => {
  const worker = await connectScriptedWorker(orchestrator.address, { capabilities: [...modes, remaining], ...hello });
  workers.push(worker);
  await worker.take('welcome');
  return worker;
};
const job = async (jobId: string): Promise<JsonBody> => (await orchestrator.get(`/jobs/${jobId}`)).body;
const accepted = async (data: unknown): Promise<string> => (await orchestrator.post(data)).body.job_id;
const untilStatus = (jobId: string, ...wanted: string[]) =>
  eventually(
    `the job is ${wanted.join(' or ')}`,
    () => job(jobId),
    ({ status }) => wanted.includes(status),
  );
const step = (ms: number) => clock.setWall(clock.wallMs() + ms);
/** A running bot, whose worker then does nothing any more. */
const runningBot = async () => {
  const worker = await connect();
  const id = await accepted(start('echo'));
  worker.succeed(await worker.take('ensure'));
  await untilStatus(id, 'completed');
  return worker;
};

beforeEach(() => begin());
afterEach(async () => {
  for (const worker of workers.splice(0)) worker.close();
  await orchestrator[Symbol.asyncDispose]();
});

describe('a clock that is set while a job is open', () => {
  it.each([
    ['back', -hour],
    ['forward', hour],
  ])('%s an hour does not change when it ends', async (_, ms) => {
    await runningBot();
    const stop = await accepted({ action: 'stop', bot_id: 'echo' });
    clock.advance(10_000);
    step(ms);
    // What others do meanwhile looks at the deadlines too.
    await accepted({ action: 'list' });
    clock.advance(49_000);
    await accepted({ action: 'list' });
    expect((await job(stop)).status).toBe('running');
    clock.advance(1_000);
    const ended = await untilStatus(stop, 'failed');
    expect(ended.data.error).toMatchObject({
      code: 'DEADLINE_EXCEEDED',
      message: 'The job did not end within 60 s.',
    });
  });

  it('keeps what is left of it in its times', async () => {
    const id = await accepted(start('echo'));
    step(hour);
    await accepted({ action: 'list' });
    const { created_at, deadline_at } = await job(id);
    expect(Date.parse(deadline_at) - clock.wallMs()).toBe(600_000);
    expect(Date.parse(deadline_at) - Date.parse(created_at)).toBe(600_000);
  });

  it('back in between two starts keeps the order of a bot’s jobs', async () => {
    const worker = await connect();
    const first = await accepted(start('echo', { env_vars: { V: '1' } }));
    const one = await worker.take('ensure');
    step(-hour);
    await orchestrator.restart();
    const again = await connect({ bootId: 'b' });
    const second = await accepted(start('echo', { env_vars: { V: '2' } }));
    expect(await job(second)).toMatchObject({ status: 'pending' });
    again.succeed(one);
    await untilStatus(first, 'completed');
    expect((await again.take('ensure')).spec?.env).toEqual({ V: '2' });
  });
});

describe('a restart of the orchestrator', () => {
  it.each([
    ['back', -5 * hour],
    ['forward', 5 * hour],
  ])('on the same boot leaves a job its time, though the clock was set %s', async (_, ms) => {
    await orchestrator[Symbol.asyncDispose]();
    await begin({ bootId: 'boot-1' });
    const id = await accepted(start('echo'));
    clock.advance(100_000);
    step(ms);
    await orchestrator.restart();
    expect((await job(id)).status).toBe('waiting_for_worker');
    clock.advance(499_000);
    expect((await job(id)).status).toBe('waiting_for_worker');
    clock.advance(1_000);
    await untilStatus(id, 'failed');
  });

  it('with a clock that went back gives no job more time than it was given', async () => {
    const id = await accepted(start('echo'));
    clock.advance(100_000);
    // As a step between two runs looks where monotonic times cannot be compared.
    step(-5 * hour);
    await orchestrator.restart();
    const { created_at, deadline_at } = await job(id);
    expect(Date.parse(deadline_at) - clock.wallMs()).toBe(600_000);
    expect(Date.parse(created_at)).toBe(clock.wallMs());
    clock.advance(600_000);
    await untilStatus(id, 'failed');
  });
});

describe('what a worker is sent of a deadline', () => {
  it('is the time that is left, and no instant of another clock', async () => {
    const worker = await connect();
    await accepted(start('echo'));
    const ensure = await worker.take('ensure');
    expect(ensure).toMatchObject({ remainingMs: 600_000n });
    expect(ensure.deadlineAt).toBeUndefined();
    clock.advance(100_000);
    step(-hour);
    // A new session gets what is left by then.
    const again = await connectScriptedWorker(orchestrator.address, { capabilities: [...modes, remaining] });
    workers.push(again);
    const [bot] = (await again.take('welcome')).desiredSet?.bots ?? [];
    expect(bot).toMatchObject({ remainingMs: 500_000n });
    expect(bot?.deadlineAt).toBeUndefined();
  });

  it('is nothing for one that would compare an instant with its own clock; the orchestrator ends the job', async () => {
    const worker = await connect({ capabilities: modes });
    const id = await accepted(start('echo'));
    const ensure = await worker.take('ensure');
    expect([ensure.deadlineAt, ensure.remainingMs]).toEqual([undefined, undefined]);
    clock.advance(600_000);
    await untilStatus(id, 'failed');
    expect((await worker.take('cancelTask')).taskId).toBe(ensure.taskId);
  });
});

it('stops no bot for its age because the clock was set forward', async () => {
  await orchestrator[Symbol.asyncDispose]();
  await begin({ env: { MAX_RUNTIME_HOURS: '1' } });
  await runningBot();
  step(30 * hour);
  await accepted({ action: 'list' });
  const bot = async () => (await job(await accepted({ action: 'status', bot_id: 'echo' }))).data.result;
  expect(await bot()).toMatchObject({ desired: 'running', notice: '' });
  clock.advance(49 * minute);
  expect(await bot()).toMatchObject({ desired: 'running', notice: '' });
  clock.advance(minute);
  await eventually('its owner is warned', bot, ({ notice }) => notice !== '');
});
