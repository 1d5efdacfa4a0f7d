/** Bots through their lives, on a scripted engine and a clock that the test moves. */
import { create } from '@bufbuild/protobuf';
import { timestampFromMs, timestampMs } from '@bufbuild/protobuf/wkt';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ProblemError, problem } from '#common/problem.ts';
import { BotState, DesiredState } from '#gen/botrunner/v1/bot_pb.js';
import { LogStream } from '#gen/botrunner/v1/log_pb.js';
import { type TaskResult, TaskResultSchema } from '#gen/botrunner/v1/worker_service_pb.js';
import { EngineUnavailableError } from '../../worker/runtime/container-runtime.ts';
import { TryLaterError } from '../../worker/waiting/try-later.ts';
import { createRegistryForTests, desiredSet, echo, type RegistryForTests, spec } from './kit/registry-for-tests.ts';

let bots: RegistryForTests;
beforeEach(async () => {
  bots = await createRegistryForTests();
});
afterEach(async () => {
  expect(bots.runtime.overlaps()).toBe(0);
  await bots.close();
});

const failure = ({ outcome }: TaskResult) => (outcome.case === 'failed' ? outcome.value : undefined);
const success = ({ outcome }: TaskResult) => (outcome.case === 'succeeded' ? outcome.value : undefined);
const starts = () => bots.runtime.done.filter((call) => call.startsWith('start '));

describe('a start', () => {
  it('builds, creates, starts, watches for two seconds and reports', async () => {
    bots.runtime.buildLines = ['Step 1/2', 'Step 2/2'];
    bots.run(1, { taskId: 't1', spec: spec({ BOT_TOKEN: 'x'.repeat(10) }) });
    expect(bots.reports.accepted).toEqual(['t1']);
    const beganMs = bots.clock.monotonicMs();
    const result = await bots.result('t1');
    expect(success(result)).toMatchObject({ replaced: false, lastLines: [] });
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
    expect(bots.runtime.builds).toMatchObject([{ sourceTarPath: expect.stringMatching(/a{64}\.tar$/) }]);
  });

  it('of a bot that ends with 0 at once succeeds as exited, with its last lines', async () => {
    bots.runtime.behaviour = { prints: Array.from({ length: 30 }, (_, n) => `line ${n}`), exits: 0 };
    bots.run(1, { taskId: 't1' });
    const result = await bots.result('t1');
    expect(result.observation).toMatchObject({ state: BotState.EXITED, exitCode: 0 });
    expect(success(result)?.lastLines.map(({ text }) => text)).toEqual(
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
    expect(success(result)?.lastLines.map(({ text }) => text)).toEqual(['Traceback']);
  });

  it('whose build fails leaves nothing and says failed', async () => {
    bots.runtime.failNext('buildImage', new ProblemError(problem('BUILD_FAILED', 'pip found no such package.')));
    bots.run(1, { taskId: 't1' });
    const result = await bots.result('t1');
    expect(failure(result)).toMatchObject({ code: 'BUILD_FAILED', message: 'pip found no such package.' });
    expect(result.observation).toMatchObject({ state: BotState.FAILED, revision: 0n, containerId: '' });
    await bots.pass(30_000);
    expect(bots.runtime.done).toEqual([]);
  });

  it('whose container cannot be started leaves none', async () => {
    bots.runtime.failNext('start', new ProblemError(problem('CONTAINER_ERROR', 'The command cannot be run.')));
    bots.run(1, { taskId: 't1' });
    const result = await bots.result('t1');
    expect(failure(result)).toMatchObject({ code: 'CONTAINER_ERROR' });
    await bots.until('the container is gone', () => bots.runtime.containers.size === 0);
    await bots.until('the bot is failed', () => bots.state() === BotState.FAILED);
  });

  it('is tried again by a new task, and not by a reconcile', async () => {
    bots.runtime.failNext('buildImage', new ProblemError(problem('BUILD_FAILED', 'no')));
    bots.run(1, { taskId: 't1' });
    await bots.result('t1');
    bots.run(1);
    await bots.pass(10_000);
    expect(bots.runtime.done).toEqual([]);
    bots.run(1, { taskId: 't2' });
    expect(success(await bots.result('t2'))).toBeDefined();
  });

  it('of a spec this worker cannot run fails with the reason', async () => {
    bots.run(1, { taskId: 't1', spec: {} });
    expect(failure(await bots.result('t1'))).toMatchObject({ code: 'INVALID_MODE' });
  });

  it('waits for an orchestrator that is away when the source is needed', async () => {
    bots.artifactError = new TryLaterError('the orchestrator is not connected');
    bots.run(1, { taskId: 't1' });
    await bots.pass(8000);
    expect(bots.reports.results).toEqual([]);
    bots.artifactError = undefined;
    expect(success(await bots.result('t1'))).toBeDefined();
  });

  it('that is not done by its deadline fails with what it was at', async () => {
    bots.runtime.buildGate = new Promise(() => undefined);
    bots.run(1, { taskId: 't1', deadlineAt: timestampFromMs(bots.clock.wallMs() + 30_000) });
    const result = await bots.result('t1');
    expect(failure(result)).toMatchObject({ code: 'BUILD_TIMEOUT' });
    expect(result.observation).toMatchObject({ state: BotState.FAILED });
    await bots.pass(1000);
    expect(bots.runtime.images().length).toBe(0);
  });

  it('counts its deadline by the time that is left, whatever the wall clock does', async () => {
    bots.runtime.buildGate = new Promise(() => undefined);
    bots.run(1, { taskId: 't1', deadlineAt: timestampFromMs(bots.clock.wallMs() + 30_000) });
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
    expect(failure(await bots.result('t1'))).toMatchObject({ code: 'CANCELLED' });
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
    expect(failure(await bots.result('t1'))).toMatchObject({ code: 'CANCELLED' });
    expect(success(await bots.result('t2'))).toBeDefined();
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

describe('an update', () => {
  it('builds while the old version runs, then replaces it', async () => {
    bots.run(1, { taskId: 't1' });
    await bots.result('t1');
    let open = () => {};
    bots.runtime.buildGate = new Promise((resolve) => {
      open = resolve;
    });
    bots.run(2, { taskId: 't2' });
    await bots.until('it builds', () => bots.runtime.builds.length > 1);
    await bots.pass(5000);
    expect(bots.runtime.only()).toMatchObject({ revision: 1n, status: 'running' });
    expect(bots.observation()).toMatchObject({ state: BotState.RUNNING, revision: 1n, generation: 2n });
    open();
    const result = await bots.result('t2');
    expect(success(result)).toMatchObject({ replaced: true });
    expect(result.observation).toMatchObject({ state: BotState.RUNNING, revision: 2n });
    expect(bots.runtime.done.slice(3)).toEqual([
      'build echo g2',
      'stop echo r1 10000',
      'remove echo r1',
      'create echo r2',
      'start echo r2',
    ]);
    await bots.until('old images are removed', () => bots.runtime.images().length === 1);
  });

  it('whose build fails leaves the old version running', async () => {
    bots.run(1, { taskId: 't1' });
    await bots.result('t1');
    bots.runtime.failNext('buildImage', new ProblemError(problem('BUILD_FAILED', 'Line 3 is wrong.')));
    bots.run(2, { taskId: 't2' });
    const result = await bots.result('t2');
    expect(failure(result)).toMatchObject({ code: 'BUILD_FAILED' });
    expect(result.observation).toMatchObject({
      state: BotState.RUNNING,
      revision: 1n,
      reason: 'the update failed: Line 3 is wrong.',
    });
    // The orchestrator goes back to what it had, within the same generation or with a new one.
    bots.run(1, { generation: 2n });
    await bots.until('the bot runs without complaint', () => bots.observation()?.reason === '');
    await bots.pass(5000);
    expect(bots.runtime.done).toEqual(['build echo g1', 'create echo r1', 'start echo r1']);
  });

  it('keeps the old version going while it builds', async () => {
    bots.run(1, { taskId: 't1' });
    await bots.result('t1');
    bots.runtime.buildGate = new Promise(() => undefined);
    bots.run(2, { taskId: 't2' });
    await bots.until('it builds', () => bots.runtime.builds.length > 1);
    bots.runtime.exit(bots.runtime.only().id, 1);
    bots.registry.hint(bots.runtime.only().id);
    await bots.until('the old version runs again', () => starts().length === 2);
  });
});

describe('a stop', () => {
  it('gives the grace, keeps exit code, log and image, and is answered when nothing is left', async () => {
    bots.run(1, { taskId: 't1' });
    await bots.result('t1');
    bots.runtime.print(bots.runtime.only().id, 'last words');
    bots.stop(2, { taskId: 't2', stopGraceMs: 3000 });
    const result = await bots.result('t2');
    expect(bots.runtime.containers.size).toBe(0);
    expect(bots.runtime.done.slice(3)).toEqual(['stop echo r1 3000', 'remove echo r1']);
    expect(result.observation).toMatchObject({ state: BotState.STOPPED, exitCode: 143, containerId: '', revision: 0n });
    const log = await bots.logText();
    expect(log.indexOf('last words')).toBeGreaterThan(log.indexOf('starting'));
    expect(log.at(-1)).toBe('ended with exit code 143 (SIGTERM)');
    expect(bots.runtime.images().length).toBe(1);
  });

  it('of a bot that is not there succeeds', async () => {
    bots.stop(1, { taskId: 't1' });
    expect((await bots.result('t1')).observation).toMatchObject({ state: BotState.STOPPED });
  });

  it('of a bot in crash_loop ends its restarts', async () => {
    bots.runtime.behaviour = { exits: 1 };
    bots.run(1, { taskId: 't1' });
    await bots.result('t1');
    bots.stop(2, { taskId: 't2' });
    await bots.result('t2');
    const before = starts().length;
    await bots.pass(60_000);
    expect(starts()).toHaveLength(before);
  });

  it('goes on while the engine is away, and does not say stopped before it is true', async () => {
    bots.run(1, { taskId: 't1' });
    await bots.result('t1');
    bots.runtime.away = true;
    bots.stop(2, { taskId: 't2' });
    await bots.pass(20_000);
    expect(bots.reports.results).toHaveLength(1);
    expect(bots.state()).not.toBe(BotState.STOPPED);
    bots.runtime.away = false;
    await bots.result('t2');
    expect(bots.runtime.containers.size).toBe(0);
  });

  it('is final, also when everything restarts', async () => {
    bots.run(1, { taskId: 't1' });
    await bots.result('t1');
    bots.stop(2, { taskId: 't2' });
    await bots.result('t2');
    await bots.restart();
    bots.run(1);
    await bots.pass(10_000);
    expect(bots.runtime.containers.size).toBe(0);
    expect(bots.registry.snapshot()).toMatchObject([{ state: BotState.STOPPED, generation: 2n }]);
  });

  it('that was broken off by a restart of the worker goes on without a session', async () => {
    bots.run(1, { taskId: 't1' });
    await bots.result('t1');
    bots.runtime.failNext('stop', new EngineUnavailableError('gone'));
    bots.stop(2);
    await bots.pass(100);
    await bots.restart();
    await bots.until('the container is gone', () => bots.runtime.containers.size === 0);
  });
});

describe('a removal', () => {
  it('leaves no container, image or log', async () => {
    bots.run(1, { taskId: 't1' });
    await bots.result('t1');
    bots.ensure({ taskId: 't2', desired: DesiredState.REMOVED, generation: 2n });
    await bots.result('t2');
    expect([bots.runtime.containers.size, bots.runtime.images().length]).toEqual([0, 0]);
    expect(await bots.logText()).toEqual([]);
    bots.registry.applyDesiredSet(desiredSet(), false);
    await bots.until('nobody speaks of it', () => bots.registry.snapshot().length === 0);
  });
});

describe('supervision', () => {
  const run = async () => {
    bots.run(1, { taskId: 't1' });
    await bots.result('t1');
  };
  const die = (code: number, how = { oomKilled: false }) => {
    const { id } = bots.runtime.only();
    bots.runtime.exit(id, code, how);
    bots.registry.hint(id);
  };

  it('starts a crashed bot again in the same container, later each time, and counts', async () => {
    await run();
    const { id } = bots.runtime.only();
    const delays: number[] = [];
    for (const expected of [1, 2, 3]) {
      die(1);
      const diedMs = bots.clock.monotonicMs();
      await bots.until('it is in crash_loop', () => bots.state() === BotState.CRASH_LOOP);
      await bots.until('it is started again', () => starts().length === expected + 1);
      delays.push(Math.round((bots.clock.monotonicMs() - diedMs) / 1000));
    }
    expect(delays).toEqual([1, 2, 4]);
    expect(bots.runtime.only().id).toBe(id);
    await bots.until('it runs', () => bots.state() === BotState.RUNNING);
    expect(bots.observation()).toMatchObject({ restarts: 3 });
  });

  it('stays in crash_loop until a restarted bot has stayed up for a moment', async () => {
    await run();
    die(1);
    const crashed = await bots.until('it is in crash_loop', () =>
      bots.state() === BotState.CRASH_LOOP ? bots.reports.observations.length : undefined,
    );
    await bots.until('it was started again', () => starts().length === 2);
    die(1);
    await bots.until('it was started once more', () => starts().length === 3);
    await bots.until('it runs', () => bots.state() === BotState.RUNNING);
    const states = bots.reports.observations.slice(crashed, -1).map(({ state }) => state);
    expect(states.length).toBeGreaterThan(0);
    expect(new Set(states)).toEqual(new Set([BotState.CRASH_LOOP]));
  });

  it('begins the backoff anew after ten minutes up', async () => {
    await run();
    for (let n = 0; n < 3; n += 1) {
      die(1);
      await bots.until('it is started again', () => starts().length === n + 2);
    }
    await bots.until('it runs', () => bots.state() === BotState.RUNNING);
    await bots.pass(600_000);
    die(1);
    const diedMs = bots.clock.monotonicMs();
    await bots.until('it is started again', () => starts().length === 5);
    expect(bots.clock.monotonicMs() - diedMs).toBeLessThan(1500);
  });

  it('tells an out-of-memory kill', async () => {
    await run();
    die(137, { oomKilled: true });
    await bots.until('it is in crash_loop', () => bots.state() === BotState.CRASH_LOOP);
    expect(bots.observation()).toMatchObject({ oomKilled: true, exitCode: 137 });
    expect(bots.observation()?.reason).toContain('more memory');
  });

  it('counts a start that the engine refused as another crash', async () => {
    await run();
    bots.runtime.failNext('start', new ProblemError(problem('CONTAINER_ERROR', 'The disk is full.')));
    die(1);
    await bots.until('the refusal is told', () => bots.observation()?.reason.includes('The disk is full.'));
    await bots.until('it is started again', () => starts().length === 2);
  });

  it('makes a container anew that somebody removed', async () => {
    await run();
    bots.runtime.containers.clear();
    await bots.registry.resync();
    await bots.until('it runs again', () => starts().length === 2);
    expect(bots.runtime.builds).toHaveLength(1);
  });

  it('makes the image anew that somebody removed, once', async () => {
    await run();
    bots.runtime.containers.clear();
    bots.runtime.failNext('create', new ProblemError(problem('IMAGE_NOT_FOUND', 'no image')));
    await bots.registry.resync();
    await bots.until('it runs again', () => starts().length === 2);
  });
});

describe('calls whose answer is lost', () => {
  it.each(['create', 'start', 'remove', 'stop'] as const)('do not make %s happen twice', async (operation) => {
    const lose = () => bots.runtime.failNext(operation, new EngineUnavailableError('connection lost'), 'after');
    if (operation === 'create' || operation === 'start') lose();
    bots.run(1, { taskId: 't1' });
    await bots.result('t1');
    if (operation === 'remove' || operation === 'stop') lose();
    bots.stop(2, { taskId: 't2' });
    await bots.result('t2');
    expect(bots.runtime.done).toEqual([
      'build echo g1',
      'create echo r1',
      'start echo r1',
      'stop echo r1 10000',
      'remove echo r1',
    ]);
  });

  it('give up a start that fails in a way nobody expects', async () => {
    for (let n = 0; n < 5; n += 1) bots.runtime.failNext('create', new TypeError('bug'));
    bots.run(1, { taskId: 't1' });
    expect(failure(await bots.result('t1'))).toMatchObject({ code: 'INTERNAL' });
  });
});

describe('after a restart of the worker', () => {
  const run = async () => {
    bots.run(1, { taskId: 't1' });
    await bots.result('t1');
  };

  it('a running bot is adopted untouched and supervised without a session', async () => {
    await run();
    const { id } = bots.runtime.only();
    await bots.restart();
    await bots.until('it is seen', () => bots.registry.snapshot()[0]?.state === BotState.RUNNING);
    expect(bots.registry.snapshot()).toMatchObject([{ containerId: id, revision: 1n, generation: 1n }]);
    bots.runtime.exit(id, 1);
    bots.registry.hint(id);
    await bots.until('it is started again', () => starts().length === 2);
  });

  it('the true exit code of a bot that ended meanwhile is told', async () => {
    await run();
    const restarting = bots.restart();
    bots.runtime.exit(bots.runtime.only().id, 7);
    await restarting;
    await bots.until('it is told', () => bots.observation()?.exitCode === 7);
    expect(bots.observation()).toMatchObject({ state: BotState.CRASH_LOOP });
  });

  it('the backoff goes on where it was', async () => {
    await run();
    for (let n = 0; n < 4; n += 1) {
      bots.runtime.exit(bots.runtime.only().id, 1);
      bots.registry.hint(bots.runtime.only().id);
      const seen = bots.reports.observations.length;
      await bots.until('the crash is seen', () =>
        bots.reports.observations.slice(seen).some(({ nextTryAt }) => nextTryAt !== undefined),
      );
      if (n < 3) await bots.until('it is started again', () => starts().length === n + 2);
    }
    const nextTryAt = bots.observation()?.nextTryAt;
    await bots.pass(2000);
    await bots.restart();
    await bots.until('it is started again', () => starts().length === 5);
    expect(Math.abs(bots.clock.wallMs() - (nextTryAt ? timestampMs(nextTryAt) : 0))).toBeLessThan(500);
    await bots.until('it runs', () => bots.state() === BotState.RUNNING);
    expect(bots.observation()).toMatchObject({ restarts: 4 });
  });

  it('a failed build is not tried again', async () => {
    bots.runtime.failNext('buildImage', new ProblemError(problem('BUILD_FAILED', 'no')));
    bots.run(1, { taskId: 't1' });
    await bots.result('t1');
    await bots.restart();
    bots.registry.applyDesiredSet(
      desiredSet({ ...echo, desired: DesiredState.RUNNING, generation: 1n, epoch: 1n, revision: 1n, spec: spec() }),
      true,
    );
    await bots.pass(5000);
    expect(bots.runtime.builds).toEqual([]);
    expect(bots.registry.snapshot()).toMatchObject([{ state: BotState.FAILED, reason: 'no' }]);
  });

  it('a task that was under way is taken up again and takes effect once', async () => {
    bots.run(1, { taskId: 't1' });
    await bots.until('it was started', () => starts().length === 1);
    await bots.restart();
    bots.run(1, { taskId: 't1' });
    await bots.result('t1');
    expect(starts()).toHaveLength(1);
    expect(bots.runtime.builds).toHaveLength(1);
  });

  it('a bot of the process runtime comes back, whatever code it ended with', async () => {
    await bots.close();
    bots = await createRegistryForTests({ kind: 'process' });
    await run();
    await bots.restart(true);
    await bots.until('it is started again', () => starts().length === 2);
    await bots.until('it runs', () => bots.state() === BotState.RUNNING);
  });

  it('lines a bot printed meanwhile are in its log, once, with its secrets masked', async () => {
    bots.run(1, { taskId: 't1', spec: spec({ API_KEY: 'very-secret-value' }) });
    await bots.result('t1');
    const { id } = bots.runtime.only();
    bots.runtime.print(id, 'before');
    await bots.until('the line is stored', async () => (await bots.logText()).includes('before'));
    await bots.registry.close(false);
    bots.runtime.print(id, 'meanwhile very-secret-value');
    await bots.restart();
    bots.runtime.print(id, 'after');
    await bots.until('the line is stored', async () => (await bots.logText()).includes('after'));
    expect(await bots.logText()).toEqual(['starting', 'before', 'meanwhile [masked]', 'after']);
  });
});

describe('the desired set', () => {
  it('ends what it does not name, but only once it was heard', async () => {
    bots.run(1, { taskId: 't1' });
    await bots.result('t1');
    await bots.restart();
    await bots.pass(10_000);
    expect(bots.runtime.only().status).toBe('running');
    bots.registry.applyDesiredSet(desiredSet(), true);
    await bots.until('the container is gone', () => bots.runtime.containers.size === 0);
    await bots.until('nobody speaks of it', () => bots.registry.snapshot().length === 0);
    expect((await bots.logText()).at(-1)).toContain('SIGTERM');
  });

  it('finds a stray container that appeared late', async () => {
    bots.run(1, { taskId: 't1' });
    await bots.result('t1');
    const stray = [...bots.runtime.containers.entries()];
    bots.registry.applyDesiredSet(desiredSet(), true);
    await bots.until('the container is gone', () => bots.runtime.containers.size === 0);
    await bots.until('nobody speaks of it', () => bots.registry.snapshot().length === 0);
    for (const [id, held] of stray) bots.runtime.containers.set(id, held);
    await bots.registry.resync();
    await bots.until('the stray is gone', () => bots.runtime.containers.size === 0);
  });

  it('of a new session is the truth even when its numbers are lower than those seen', async () => {
    bots.run(7, { taskId: 't7' });
    await bots.result('t7');
    const set = desiredSet({
      ...echo,
      desired: DesiredState.RUNNING,
      generation: 1n,
      epoch: 1n,
      revision: 1n,
      spec: spec({}, 'b'),
    });
    bots.registry.applyDesiredSet(set, false);
    await bots.pass(3000);
    expect(bots.runtime.only().revision).toBe(7n);
    bots.registry.applyDesiredSet(set, true);
    await bots.until('the other revision runs', () => bots.runtime.only().revision === 1n);
  });

  it('answers a command it cannot understand with a failure', () => {
    bots.ensure({ taskId: 't1', desired: 77 as DesiredState });
    expect(failure(bots.reports.results[0] ?? create(TaskResultSchema, {}))).toMatchObject({ code: 'INVALID_WORKER' });
  });
});

describe('whatever happens in whatever order', () => {
  type Happening =
    | { readonly run: number }
    | { readonly lose: 'create' | 'start' | 'stop' | 'remove' | 'inspect' | 'list' }
    | { readonly pass: number }
    | 'stop'
    | 'die'
    | 'restart'
    | 'vanish'
    | 'away'
    | 'back';
  const happening: fc.Arbitrary<Happening> = fc.oneof(
    { weight: 3, arbitrary: fc.integer({ min: 1, max: 4000 }).map((pass) => ({ pass })) },
    { weight: 2, arbitrary: fc.nat(2).map((run) => ({ run })) },
    fc
      .constantFrom<'create' | 'start' | 'stop' | 'remove' | 'inspect' | 'list'>(
        'create',
        'start',
        'stop',
        'remove',
        'inspect',
        'list',
      )
      .map((lose) => ({ lose })),
    fc.constantFrom<Happening>('stop', 'die', 'restart', 'vanish', 'away', 'back'),
  );

  it('the bot ends as it shall be, with one container at most', { timeout: 120_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(happening, { maxLength: 25 }), fc.boolean(), async (happenings, atLast) => {
        const world = await createRegistryForTests();
        try {
          let generation = 0;
          const run = (revision: number) => {
            generation += 1;
            world.run(revision, { generation: BigInt(generation) });
          };
          for (const next of happenings) {
            const [first] = world.runtime.containers.values();
            if (next === 'stop') {
              generation += 1;
              world.stop(generation);
            } else if (next === 'die') {
              if (first?.status === 'running') world.runtime.exit(first.id, 1);
            } else if (next === 'restart') await world.restart();
            else if (next === 'vanish') world.runtime.containers.clear();
            else if (next === 'away' || next === 'back') world.runtime.away = next === 'away';
            else if ('pass' in next) await world.pass(next.pass);
            else if ('lose' in next) {
              world.runtime.failNext(
                next.lose,
                new EngineUnavailableError('lost'),
                generation % 2 === 0 ? 'after' : 'before',
              );
            } else run(next.run + 1);
            expect(world.runtime.containers.size).toBeLessThanOrEqual(1);
          }
          world.runtime.away = false;
          await world.restart();
          if (atLast) run(9);
          else world.stop(generation + 1);
          await world.registry.resync();
          await world.until(atLast ? 'it runs' : 'it is stopped', () => {
            const [first] = world.runtime.containers.values();
            return atLast ? first?.plan.revision === 9n && first.status === 'running' : !first;
          });
          const wanted = atLast ? BotState.RUNNING : BotState.STOPPED;
          await world.until('and says so', () => world.registry.snapshot()[0]?.state === wanted);
          expect(world.runtime.overlaps()).toBe(0);
        } finally {
          await world.close();
        }
      }),
      { numRuns: 30 },
    );
  });
});

describe('builds', () => {
  it('take turns, and a stop does not wait for them', async () => {
    bots.runtime.buildGate = new Promise(() => undefined);
    bots.run(1, { taskId: 'a' });
    await bots.until('one builds', () => bots.runtime.builds.length === 1);
    bots.run(1, { taskId: 'b', botId: 'other' });
    await bots.until('the other waits', () =>
      bots.reports.progress.some(
        ({ taskId, message }) => taskId === 'b' && message.includes('waits for another build'),
      ),
    );
    expect(bots.runtime.builds).toHaveLength(1);
    expect(bots.registry.builds).toBe(2);
    bots.stop(1, { taskId: 'c', botId: 'third' });
    expect(success(await bots.result('c'))).toBeDefined();
    bots.runtime.buildGate = undefined;
    bots.stop(2, { taskId: 'd' });
    expect(success(await bots.result('b'))).toBeDefined();
  });

  it('that flood lose lines with a mark, not memory', async () => {
    bots.runtime.buildLines = Array.from({ length: 3000 }, (_, n) => `${n} ${'x'.repeat(1000)}`);
    bots.run(1, { taskId: 't1' });
    await bots.result('t1');
    expect(bots.reports.output.length).toBeLessThan(2000);
    expect(bots.reports.output.some(({ text }) => text.includes('lines of build output were left out'))).toBe(true);
  });
});

describe('an engine that went down', () => {
  it('brings back a bot that ended in good order with it, once it returns', async () => {
    let covered = false;
    await bots.close();
    bots = await createRegistryForTests({ interrupted: () => covered });
    bots.run(1, { taskId: 't1' });
    await bots.result('t1');
    const { id } = bots.runtime.only();
    bots.runtime.exit(id, 0);
    bots.registry.hint(id);
    await bots.until('it is exited', () => bots.state() === BotState.EXITED);
    covered = true;
    bots.registry.engineReturned();
    await bots.until('it is started again', () => starts().length === 2);
    await bots.until('it runs', () => bots.state() === BotState.RUNNING);
  });
});
