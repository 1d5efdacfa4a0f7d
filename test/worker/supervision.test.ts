/** What the worker does on its own: restarts, calls whose answer is lost, builds in turn, an engine that went down. */
import { timestampFromMs, timestampMs } from '@bufbuild/protobuf/wkt';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ProblemError, problem } from '#common/problem.ts';
import { BotState } from '#gen/botrunner/v1/bot_pb.js';
import { asFailure } from '../../worker/failures/chances.ts';
import { EngineUnavailableError } from '../../worker/runtime/container-runtime.ts';
import { eventually } from '../kit/eventually.ts';
import { createRegistryForTests, echo, failureOf, type RegistryForTests, successOf } from './kit/registry-for-tests.ts';

let bots: RegistryForTests;
beforeEach(async () => {
  bots = await createRegistryForTests();
});
afterEach(async () => {
  expect(bots.runtime.overlaps()).toBe(0);
  await bots.close();
});

const starts = () => bots.runtime.done.filter((what) => what.startsWith('start '));

describe('supervision', () => {
  const run = async () => {
    bots.run(1, { taskId: 't1' });
    await bots.result('t1');
  };
  const die = (code: number, how = { oomKilled: false }) => {
    const { id } = bots.runtime.only();
    bots.runtime.exit(id, code, how);
    bots.registry.happened({ containerId: id, kind: 'ended' });
  };
  /** When it is due. No time passes meanwhile, however long the files take. */
  const nextTry = () =>
    eventually(
      'the next try is reported',
      () => timestampMs(bots.observation()?.nextTryAt ?? timestampFromMs(0)),
      (timeMs) => timeMs > bots.clock.wallMs(),
    );

  it('starts a crashed bot again in the same container, later each time, and counts', async () => {
    await run();
    const { id } = bots.runtime.only();
    const delays: number[] = [];
    for (const expected of [1, 2, 3]) {
      die(1);
      const dueMs = await nextTry();
      delays.push(Math.round((dueMs - bots.clock.wallMs()) / 1000));
      await bots.until('the next try is due', () => bots.clock.wallMs() >= dueMs - 50);
      expect(starts()).toHaveLength(expected);
      await bots.until('it is started again', () => starts().length === expected + 1);
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

  it('leaves its bots as they are while another process is this worker, and continues when that one is gone', async () => {
    await run();
    bots.registry.hold(true);
    die(1);
    await bots.pass(60_000);
    bots.run(2, { taskId: 't2' });
    await bots.pass(60_000);
    expect(starts()).toHaveLength(1);
    expect(bots.runtime.done.filter((what) => what.startsWith('build '))).toHaveLength(1);
    bots.registry.hold(false);
    expect(successOf(await bots.result('t2'))).toBeDefined();
    expect(starts()).toEqual(['start echo r1', 'start echo r2']);
  });

  it('begins the backoff again after ten minutes up', async () => {
    await run();
    for (let n = 0; n < 3; n += 1) {
      die(1);
      await bots.until('it is started again', () => starts().length === n + 2);
    }
    await bots.until('it runs', () => bots.state() === BotState.RUNNING);
    await bots.pass(600_000);
    die(1);
    expect((await nextTry()) - bots.clock.wallMs()).toBeLessThan(1500);
    await bots.until('it is started again', () => starts().length === 5);
  });

  it('reports an out-of-memory kill', async () => {
    await run();
    die(137, { oomKilled: true });
    await bots.until('it is in crash_loop', () => bots.state() === BotState.CRASH_LOOP);
    expect(bots.observation()).toMatchObject({ oomKilled: true, exitCode: 137 });
    expect(bots.observation()?.reason).toContain(
      'exceeded its memory limit of 256 MB; give it more, for example with --memory 512m',
    );
  });

  it('counts a start that the engine refused as another crash', async () => {
    await run();
    bots.runtime.failNext('start', new ProblemError(problem('CONTAINER_ERROR', 'The disk is full.')));
    die(1);
    await bots.until('the refusal is reported', () => bots.observation()?.reason.includes('The disk is full.'));
    await bots.until('it is started again', () => starts().length === 2);
  });

  it('says why a crashed bot is not started again yet, for as long as that is so', async () => {
    await run();
    const isFull = () => asFailure(problem('CONTAINER_ERROR', 'The disk has 900 MiB free.'), 'again');
    for (let n = 0; n < 6; n += 1) bots.runtime.failNext('start', isFull());
    die(1);
    await bots.until('it says so', () => bots.observation()?.reason.includes('900 MiB free'));
    const before = bots.reports.observations.length;
    await bots.until('it is started again', () => starts().length === 2);
    const meanwhile = bots.reports.observations.slice(before - 1).filter(({ state }) => state === BotState.CRASH_LOOP);
    expect(meanwhile.map(({ reason }) => reason).filter((reason) => !reason.startsWith('was restarted'))).toEqual([
      expect.stringMatching(/^ended with exit code 1; its restart waits: the disk has 900 MiB free$/),
    ]);
    await bots.until('it runs', () => bots.state() === BotState.RUNNING);
    expect(bots.observation()?.reason).toBe('');
  });

  it('makes a container again that somebody removed', async () => {
    await run();
    bots.runtime.containers.clear();
    await bots.registry.resync();
    await bots.until('it runs again', () => starts().length === 2);
    expect(bots.runtime.builds).toHaveLength(1);
  });

  it('makes the image again that somebody removed, once', async () => {
    await run();
    bots.runtime.containers.clear();
    bots.runtime.failNext('create', new ProblemError(problem('IMAGE_NOT_FOUND', 'no image')));
    await bots.registry.resync();
    await bots.until('it runs again', () => starts().length === 2);
  });

  it.each([0, 2])(
    'makes the image again that went with an ended container, after %i failures of the engine',
    async (n) => {
      await run();
      die(1);
      await nextTry();
      // As `docker system prune --all` does.
      bots.runtime.containers.clear();
      await bots.runtime.removeImages(echo, [], AbortSignal.timeout(1000));
      for (let k = 0; k < n; k += 1) bots.runtime.failNext('create', new EngineUnavailableError('away'));
      await bots.until('it runs again', () => starts().length === 2);
      expect(bots.runtime.builds).toHaveLength(2);
    },
  );

  it('gives up a bot whose image is gone again as soon as it is made', async () => {
    await run();
    bots.runtime.containers.clear();
    for (let n = 0; n < 3; n += 1) {
      bots.runtime.failNext('create', new ProblemError(problem('IMAGE_NOT_FOUND', 'no image')));
    }
    await bots.registry.resync();
    await bots.until('it has failed', () => bots.state() === BotState.FAILED);
    expect(starts()).toHaveLength(1);
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
    expect(failureOf(await bots.result('t1'))).toMatchObject({ code: 'INTERNAL' });
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
        ({ taskId, message }) => taskId === 'b' && message.includes('waiting for another build'),
      ),
    );
    expect(bots.runtime.builds).toHaveLength(1);
    expect(bots.registry.builds).toBe(2);
    bots.stop(1, { taskId: 'c', botId: 'third' });
    expect(successOf(await bots.result('c'))).toBeDefined();
    bots.runtime.buildGate = undefined;
    bots.stop(2, { taskId: 'd' });
    expect(successOf(await bots.result('b'))).toBeDefined();
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
  it('brings back a bot that ended cleanly with it, once it returns', async () => {
    let covered = false;
    await bots.close();
    bots = await createRegistryForTests({ interrupted: () => covered });
    bots.run(1, { taskId: 't1' });
    await bots.result('t1');
    const { id } = bots.runtime.only();
    bots.runtime.exit(id, 0);
    bots.registry.happened({ containerId: id, kind: 'ended' });
    await bots.until('it is exited', () => bots.state() === BotState.EXITED);
    covered = true;
    bots.registry.engineReturned();
    await bots.until('it is started again', () => starts().length === 2);
    await bots.until('it runs', () => bots.state() === BotState.RUNNING);
  });
});
