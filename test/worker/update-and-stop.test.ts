/** Updates, stops and removals. On a scripted engine and a clock that the test moves. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { sleep } from '#common/clock.ts';
import { ProblemError, problem } from '#common/problem.ts';
import { BotState, DesiredState } from '#gen/botrunner/v1/bot_pb.js';
import { EngineUnavailableError } from '../../worker/runtime/container-runtime.ts';
import {
  createRegistryForTests,
  desiredSet,
  failureOf,
  type RegistryForTests,
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
    expect(successOf(result)).toMatchObject({ replaced: true });
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

  it('of a bot in crash_loop says nothing of how the former version ended', async () => {
    bots.runtime.behaviour = { exits: 1 };
    bots.run(1, { taskId: 't1' });
    await bots.result('t1');
    await bots.until('its end is known', () => bots.state() === BotState.CRASH_LOOP);
    bots.runtime.behaviour = {};
    bots.run(2, { taskId: 't2' });
    await bots.result('t2');
    const messages = bots.reports.progress.filter(({ taskId }) => taskId === 't2').map(({ message }) => message);
    expect(messages).not.toHaveLength(0);
    expect(messages.filter((message) => message.includes('exit code'))).toEqual([]);
  });

  it('whose build fails leaves the old version running', async () => {
    bots.run(1, { taskId: 't1' });
    await bots.result('t1');
    bots.runtime.failNext('buildImage', new ProblemError(problem('BUILD_FAILED', 'Line 3 is wrong.')));
    bots.run(2, { taskId: 't2' });
    const result = await bots.result('t2');
    expect(failureOf(result)).toMatchObject({ code: 'BUILD_FAILED' });
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
    expect(await bots.logText()).toContain(
      'the update did not succeed; the previous version is still the one that runs',
    );
  });

  it('that does not stay up makes way for the old version, whose image is still there', async () => {
    bots.run(1, { taskId: 't1' });
    await bots.result('t1');
    bots.runtime.behaviour = { prints: ['Traceback'], exits: 1 };
    bots.run(2, { taskId: 't2' });
    const result = await bots.result('t2');
    expect(result.observation?.state).toBe(BotState.CRASH_LOOP);
    expect(bots.runtime.images()).toHaveLength(2);
    // The orchestrator goes back: the old spec, by a new decision.
    bots.runtime.behaviour = {};
    bots.run(1, { generation: 3n });
    await bots.until(
      'the old version runs',
      () => bots.observation()?.revision === 1n && bots.state() === BotState.RUNNING,
    );
    expect(bots.runtime.done.filter((what) => what.startsWith('build'))).toEqual(['build echo g1', 'build echo g2']);
    await bots.until('the image of the new one is removed', () => bots.runtime.images().length === 1);
    expect(bots.runtime.images()[0]).toContain(':g1');
    const log = await bots.logText();
    const back = log.indexOf('the update did not stay up: the previous version is back and is started again');
    expect(back).toBeGreaterThan(log.indexOf('Traceback'));
    expect(log.indexOf('starting', back)).toBeGreaterThan(back);
    // Once, however often it is commanded.
    bots.run(1, { generation: 3n });
    await bots.pass(5000);
    expect(await bots.logText()).toEqual(log);
  });

  it('right after another one builds only when the images of the one before are removed', async () => {
    bots.run(1, { taskId: 't1' });
    await bots.result('t1');
    const { removeImages, buildImage } = bots.runtime;
    let removing = 0;
    let buildsBeside = 0;
    bots.runtime.removeImages = async (...words) => {
      removing += 1;
      await sleep(bots.clock, 10_000);
      await removeImages(...words);
      removing -= 1;
    };
    bots.runtime.buildImage = (...words) => {
      buildsBeside += removing;
      return buildImage(...words);
    };
    bots.run(2, { taskId: 't2' });
    await bots.result('t2');
    await bots.until('old images are being removed', () => removing === 1);
    bots.run(3, { taskId: 't3' });
    await bots.result('t3');
    expect([bots.runtime.builds.length, buildsBeside]).toEqual([3, 0]);
  });

  it('keeps the old version going while it builds', async () => {
    bots.run(1, { taskId: 't1' });
    await bots.result('t1');
    bots.runtime.buildGate = new Promise(() => undefined);
    bots.run(2, { taskId: 't2' });
    await bots.until('it builds', () => bots.runtime.builds.length > 1);
    bots.runtime.exit(bots.runtime.only().id, 1);
    bots.registry.happened({ containerId: bots.runtime.only().id, kind: 'ended' });
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

  it('stores the last words of a bot before its container goes', async () => {
    // Nothing wakes the pump, so that only the last look finds them.
    bots.runtime.watchOutput = () => new Promise(() => undefined);
    bots.run(1, { taskId: 't1' });
    await bots.result('t1');
    await bots.pass(10_000);
    bots.runtime.print(bots.runtime.only().id, 'goodbye');
    bots.stop(2, { taskId: 't2' });
    await bots.result('t2');
    expect((await bots.logText()).slice(-3)).toEqual(['stopping', 'goodbye', 'ended with exit code 143 (SIGTERM)']);
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

  it('continues while the engine is away, and does not say stopped before it is true', async () => {
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

  it('that was broken off by a restart of the worker continues without a session', async () => {
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
