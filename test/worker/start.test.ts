/** A start of a bot, and commands that come twice or late. On a scripted engine and a clock that the test moves. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ProblemError, problem } from '#common/problem.ts';
import { TransientError } from '#common/waiting/transient.ts';
import { BotState } from '#gen/botrunner/v1/bot_pb.js';
import { LogStream } from '#gen/botrunner/v1/log_pb.js';
import {
  createRegistryForTests,
  echo,
  failureOf,
  type RegistryForTests,
  spec,
  successOf,
} from './kit/registry-for-tests.ts';

let bots: RegistryForTests;
beforeEach(async () => {
  bots = await createRegistryForTests();
});
afterEach(async () => {
  expect(bots.runtime.overlaps()).toBe(0);
  await bots.close();
});

const starts = () => bots.runtime.done.filter((what) => what.startsWith('start '));

describe('a start', () => {
  it('builds, creates, starts, watches for two seconds and reports', async () => {
    bots.runtime.buildLines = ['Step 1/2', 'Step 2/2'];
    bots.run(1, { taskId: 't1', spec: spec({ BOT_TOKEN: 'x'.repeat(10) }) });
    expect(bots.reports.accepted).toEqual(['t1']);
    const beganMs = bots.clock.monotonicMs();
    const result = await bots.result('t1');
    expect(successOf(result)).toMatchObject({ replaced: false, lastLines: [] });
    expect(bots.clock.monotonicMs() - beganMs).toBeGreaterThanOrEqual(2000);
    const facts = bots.runtime.only();
    expect(result.observation).toMatchObject({
      ...echo,
      state: BotState.RUNNING,
      generation: 1n,
      epoch: 1n,
      revision: 1n,
      containerId: facts.id,
      containerName: facts.name,
      restarts: 0,
    });
    expect(bots.runtime.done).toEqual(['build echo g1', 'create echo r1', 'start echo r1']);
    expect(bots.reports.output.map(({ text, stream }) => [text, stream])).toEqual([
      ['Step 1/2', LogStream.BUILD],
      ['Step 2/2', LogStream.BUILD],
    ]);
    expect(await bots.logText()).toEqual(['Step 1/2', 'Step 2/2', 'starting']);
    const told = bots.reports.progress.map(({ state }) => state);
    expect(told).toContain(BotState.BUILDING);
    expect(told).toContain(BotState.STARTING);
  });

  it('gives the container what the spec and the worker say', async () => {
    bots.run(1, { taskId: 't1', spec: spec({ A: 'b' }) });
    await bots.result('t1');
    const plan = [...bots.runtime.containers.values()][0]?.plan;
    expect(plan).toMatchObject({
      workerId: 'w1',
      revision: 1n,
      epoch: 1n,
      memoryBytes: 256 * 1024 ** 2,
      cpuMillis: 500,
    });
    expect(plan?.env.reveal()).toEqual({ A: 'b' });
    expect(bots.runtime.builds).toHaveLength(1);
    expect(bots.fetched).toEqual(['a'.repeat(64)]);
  });

  it('of a bot that ends with 0 at once succeeds as exited, with its last lines', async () => {
    bots.runtime.behaviour = { prints: Array.from({ length: 30 }, (_, n) => `line ${n}`), exits: 0 };
    bots.run(1, { taskId: 't1' });
    const result = await bots.result('t1');
    expect(result.observation).toMatchObject({ state: BotState.EXITED, exitCode: 0 });
    expect(successOf(result)?.lastLines.map(({ text }) => text)).toEqual(
      Array.from({ length: 20 }, (_, n) => `line ${n + 10}`),
    );
    await bots.pass(60_000);
    expect(starts()).toHaveLength(1);
    expect(bots.state()).toBe(BotState.EXITED);
  });

  it('of a bot that fails at once succeeds as crash_loop, with its last lines and the time of the next try', async () => {
    bots.runtime.behaviour = { prints: ['Traceback'], exits: 1 };
    bots.run(1, { taskId: 't1' });
    const result = await bots.result('t1');
    expect(result.observation).toMatchObject({
      state: BotState.CRASH_LOOP,
      exitCode: 1,
      reason: 'ended with exit code 1',
    });
    expect(result.observation?.nextTryAt).toBeDefined();
    expect(successOf(result)?.lastLines.map(({ text }) => text)).toEqual(['Traceback']);
  });

  it('whose build fails leaves nothing and says failed', async () => {
    bots.runtime.failNext('buildImage', new ProblemError(problem('BUILD_FAILED', 'pip found no such package.')));
    bots.run(1, { taskId: 't1' });
    const result = await bots.result('t1');
    expect(failureOf(result)).toMatchObject({ code: 'BUILD_FAILED', message: 'pip found no such package.' });
    expect(result.observation).toMatchObject({ state: BotState.FAILED, revision: 0n, containerId: '' });
    await bots.pass(30_000);
    expect(bots.runtime.done).toEqual([]);
  });

  it('whose container cannot be started leaves none', async () => {
    bots.runtime.failNext('start', new ProblemError(problem('CONTAINER_ERROR', 'The command cannot be run.')));
    bots.run(1, { taskId: 't1' });
    const result = await bots.result('t1');
    expect(failureOf(result)).toMatchObject({ code: 'CONTAINER_ERROR' });
    await bots.until('the container is gone', () => bots.runtime.containers.size === 0);
    await bots.until('the bot is failed', () => bots.state() === BotState.FAILED);
  });

  it('is retried by a new task, and not by a reconcile', async () => {
    bots.runtime.failNext('buildImage', new ProblemError(problem('BUILD_FAILED', 'no')));
    bots.run(1, { taskId: 't1' });
    await bots.result('t1');
    bots.run(1);
    await bots.pass(10_000);
    expect(bots.runtime.done).toEqual([]);
    bots.run(1, { taskId: 't2' });
    expect(successOf(await bots.result('t2'))).toBeDefined();
  });

  it('is on disk as done before it is, so that a crash of the worker cannot do it twice', async () => {
    const kept: string[] = [];
    const { start } = bots.runtime;
    bots.runtime.start = async (id, signal) => {
      kept.push(await bots.recordText());
      return start(id, signal);
    };
    bots.run(3, { taskId: 't3' });
    await bots.result('t3');
    expect(kept).toHaveLength(1);
    expect(JSON.parse(kept[0] ?? '')).toMatchObject({ startedGeneration: { int64: '3' } });
  });

  it('of a container that vanishes before is made again', async () => {
    const { start } = bots.runtime;
    let once = true;
    bots.runtime.start = async (id, signal) => {
      if (once) bots.runtime.containers.clear();
      once = false;
      return start(id, signal);
    };
    bots.run(1, { taskId: 't1' });
    expect(successOf(await bots.result('t1'))).toBeDefined();
  });

  it('of a spec this worker cannot run fails with the reason', async () => {
    bots.run(1, { taskId: 't1', spec: {} });
    expect(failureOf(await bots.result('t1'))).toMatchObject({ code: 'INVALID_MODE' });
  });

  it('waits for an orchestrator that is away when the source is needed', async () => {
    bots.artifactError = new TransientError('the orchestrator is not connected');
    bots.run(1, { taskId: 't1' });
    await bots.pass(8000);
    expect(bots.reports.results).toEqual([]);
    bots.artifactError = undefined;
    expect(successOf(await bots.result('t1'))).toBeDefined();
  });

  it('that is not done by its deadline fails with what it was at', async () => {
    bots.runtime.buildGate = new Promise(() => undefined);
    bots.run(1, { taskId: 't1', remainingMs: 30_000n });
    const result = await bots.result('t1');
    expect(failureOf(result)).toMatchObject({ code: 'BUILD_TIMEOUT' });
    expect(result.observation).toMatchObject({ state: BotState.FAILED });
    await bots.pass(1000);
    expect(bots.runtime.images().length).toBe(0);
  });

  it('counts its deadline by the time that is left, whatever the wall clock does', async () => {
    bots.runtime.buildGate = new Promise(() => undefined);
    bots.run(1, { taskId: 't1', remainingMs: 30_000n });
    bots.clock.setWall(bots.clock.wallMs() + 3600_000);
    await bots.pass(20_000);
    expect(bots.reports.results).toEqual([]);
    await bots.result('t1');
  });

  it('whose task is cancelled stops building and starts nothing', async () => {
    bots.runtime.buildGate = new Promise(() => undefined);
    bots.run(1, { taskId: 't1' });
    await bots.until('it builds', () => bots.runtime.builds.length > 0);
    bots.registry.cancelTask('t1');
    expect(failureOf(await bots.result('t1'))).toMatchObject({ code: 'CANCELLED' });
    await bots.pass(10_000);
    expect(bots.runtime.done).toEqual(['build echo g1']);
  });
});

describe('commands', () => {
  it('delivered twice have one effect and one result each time', async () => {
    bots.run(1, { taskId: 't1' });
    bots.run(1, { taskId: 't1' });
    await bots.result('t1');
    bots.run(1, { taskId: 't1' });
    expect(bots.reports.results.map(({ taskId }) => taskId)).toEqual(['t1', 't1']);
    await bots.pass(5000);
    expect(starts()).toHaveLength(1);
  });

  it('that are older than one seen before are ignored', async () => {
    bots.stop(5, { taskId: 't5' });
    await bots.result('t5');
    bots.run(4, { taskId: 't4' });
    bots.run(9, { taskId: 't9', epoch: 0n });
    await bots.pass(5000);
    expect(bots.runtime.done).toEqual([]);
    expect(bots.state()).toBe(BotState.STOPPED);
  });

  it('that arrive during a build make it pointless', async () => {
    bots.runtime.buildGate = new Promise(() => undefined);
    bots.run(1, { taskId: 't1' });
    await bots.until('it builds', () => bots.runtime.builds.length > 0);
    bots.runtime.buildGate = undefined;
    bots.stop(2, { taskId: 't2' });
    expect(failureOf(await bots.result('t1'))).toMatchObject({ code: 'CANCELLED' });
    expect(successOf(await bots.result('t2'))).toBeDefined();
    expect(bots.runtime.done).toEqual(['build echo g1']);
  });

  it('of a running bot that ask for what there is are answered at once', async () => {
    bots.run(1, { taskId: 't1' });
    await bots.result('t1');
    bots.run(1, { taskId: 't2', generation: 2n });
    const result = await bots.result('t2');
    expect(result.observation).toMatchObject({ generation: 2n, state: BotState.RUNNING });
    expect(starts()).toHaveLength(1);
  });

  it('that ask an exited bot to run start it again', async () => {
    bots.runtime.behaviour = { exits: 0 };
    bots.run(1, { taskId: 't1' });
    await bots.result('t1');
    bots.run(1, { generation: 2n });
    await bots.pass(3000);
    expect(starts()).toHaveLength(1);
    bots.runtime.behaviour = {};
    bots.run(1, { taskId: 't2', generation: 2n });
    expect((await bots.result('t2')).observation).toMatchObject({ state: BotState.RUNNING });
    expect(starts()).toHaveLength(2);
  });
});

describe('a start of a source with a token in it', () => {
  const warning = expect.stringMatching(/^there is a GitHub token in bot\.py:1: /);
  const shown = () => bots.reports.output.map(({ text }) => text);
  beforeEach(async () => {
    await bots.close();
    // In two parts, so that nobody takes it for one of ours.
    bots = await createRegistryForTests({ code: `key = '${'ghp'}_${'aB3dE5gH7j'.repeat(3)}K1m2N3'\n` });
  });

  it('says so once, in its result, and in the log', async () => {
    bots.run(1, { taskId: 't1' });
    expect(successOf(await bots.result('t1'))).toMatchObject({ warnings: [warning] });
    expect(shown()).not.toContainEqual(warning);
    expect(await bots.logText()).toContainEqual(warning);
  });

  it('says so also if it fails', async () => {
    bots.runtime.failNext('buildImage', new ProblemError(problem('BUILD_FAILED', 'no')));
    bots.run(1, { taskId: 't1' });
    expect(failureOf(await bots.result('t1'))).toMatchObject({ code: 'BUILD_FAILED' });
    expect(shown()).toEqual([warning]);
  });
});
