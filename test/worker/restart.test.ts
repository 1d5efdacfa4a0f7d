/** A restart in the same container, on a scripted engine and a clock that the test moves. */
import { create } from '@bufbuild/protobuf';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ProblemError, problem } from '#common/problem.ts';
import { BotState, ResourceLimitsSchema } from '#gen/botrunner/v1/bot_pb.js';
import { EngineUnavailableError } from '../../worker/runtime/container-runtime.ts';
import { settingsLabel } from '../../worker/runtime/settings-digest.ts';
import { createRegistryForTests, failureOf, type RegistryForTests, spec, successOf } from './kit/registry-for-tests.ts';

let bots: RegistryForTests;
beforeEach(async () => {
  bots = await createRegistryForTests();
  bots.run(1, { taskId: 'first' });
  await bots.result('first');
  bots.runtime.done.length = 0;
});
afterEach(async () => {
  expect(bots.runtime.overlaps()).toBe(0);
  await bots.close();
});

const restart = (generation: number, taskId: string) =>
  bots.run(1, { generation: BigInt(generation), taskId, restart: true });
const inPlace = ['stop echo r1 10000', 'start echo r1'];
const exit = (code: number) => {
  const { id } = bots.runtime.only();
  bots.runtime.exit(id, code);
  bots.registry.happened({ containerId: id, kind: 'ended' });
};
/** Makes the container as an older release would have. */
const outdate = async () => {
  const [container] = bots.runtime.containers.values();
  if (container) Object.assign(container, { labels: { ...container.labels, [settingsLabel]: 'other' } });
  await bots.restart();
};

it('in a new container tells the user what is not as its image would have it', async () => {
  bots.runtime.createLines = ['on this worker no bot is root'];
  await outdate();
  restart(2, 't2');
  const result = await bots.result('t2');
  expect(successOf(result)?.notices).toEqual([
    expect.stringContaining('container settings have changed'),
    'on this worker no bot is root',
  ]);
});

describe('a restart', () => {
  it('ends the process and starts it again in the same container, without index or artifacts', async () => {
    const before = bots.runtime.only();
    bots.artifactError = new ProblemError(problem('ARTIFACT_NOT_FOUND', 'gone'));
    restart(2, 't2');
    const result = await bots.result('t2');
    expect(successOf(result)).toMatchObject({ replaced: false, notices: [] });
    expect(result.observation).toMatchObject({ state: BotState.RUNNING, generation: 2n, revision: 1n, restarts: 0 });
    expect(bots.runtime.only()).toEqual(before);
    expect(bots.runtime.done).toEqual(inPlace);
  });

  it('does nothing more when it is repeated, with its task or without, also after a restart of the worker', async () => {
    restart(2, 't2');
    await bots.result('t2');
    restart(2, 't2');
    bots.run(1, { generation: 2n });
    await bots.pass(3000);
    await bots.restart();
    restart(2, '');
    bots.run(1, { generation: 2n });
    await bots.pass(3000);
    expect(bots.runtime.done).toEqual(inPlace);
  });

  it('starts what has exited or crashed, with counters started over', async () => {
    exit(1);
    await bots.until('it crashed and came back', () => bots.observation()?.restarts === 1);
    exit(0);
    await bots.until('it has exited', () => bots.state() === BotState.EXITED);
    bots.runtime.done.length = 0;
    restart(2, 't2');
    const result = await bots.result('t2');
    expect(result.observation).toMatchObject({ state: BotState.RUNNING, restarts: 0 });
    expect(bots.runtime.done).toEqual(['start echo r1']);
  });

  it('is never reported as a crash or an end of the bot', async () => {
    bots.reports.observations.length = 0;
    restart(2, 't2');
    await bots.result('t2');
    const states = new Set(bots.reports.observations.map(({ state }) => BotState[state]));
    expect([...states].filter((state) => state !== 'RUNNING' && state !== 'STARTING')).toEqual([]);
  });

  it('continues the log without a gap or a double', async () => {
    const { id } = bots.runtime.only();
    bots.runtime.print(id, 'before');
    bots.runtime.behaviour = { prints: ['again'] };
    restart(2, 't2');
    await bots.result('t2');
    bots.runtime.print(id, 'after');
    await bots.until('all is stored', async () => (await bots.logText()).includes('after'));
    expect((await bots.logText()).slice(-6)).toEqual([
      'before',
      'stopping, to be restarted',
      'ended with exit code 143 (SIGTERM)',
      'starting',
      'again',
      'after',
    ]);
  });

  it('is finished by the next worker when this one ends between stop and start, whatever the exit code was', async () => {
    bots.runtime.failNext('start', new EngineUnavailableError('away'));
    bots.runtime.failNext('start', new EngineUnavailableError('away'));
    restart(2, 't2');
    await bots.until('it was stopped', () => bots.runtime.only().status === 'exited');
    const [container] = bots.runtime.containers.values();
    if (container) container.exitCode = 0;
    await bots.restart();
    // No orchestrator has spoken yet: what is on disk is enough.
    await bots.until('it runs again', () => bots.runtime.only().status === 'running');
    restart(2, 't2');
    expect((await bots.result('t2')).observation?.state).toBe(BotState.RUNNING);
    expect(bots.runtime.done).toEqual(inPlace);
  });

  it('that is given up when the bot has been stopped for it leaves the bot running', async () => {
    bots.runtime.failNext('start', new EngineUnavailableError('away'));
    restart(2, 't2');
    await bots.until('it was stopped', () => bots.runtime.only().status === 'exited');
    bots.run(1, { generation: 3n });
    await bots.until('it runs again', () => bots.runtime.only().status === 'running');
    expect(bots.runtime.done).toEqual(inPlace);
  });

  it('of a stopped bot takes the image that is there', async () => {
    bots.stop(2, { taskId: 't2' });
    await bots.result('t2');
    bots.artifactError = new ProblemError(problem('ARTIFACT_NOT_FOUND', 'gone'));
    restart(3, 't3');
    await bots.result('t3');
    expect(bots.runtime.done).toEqual(['stop echo r1 10000', 'remove echo r1', 'create echo r1', 'start echo r1']);
  });

  it('makes the image again when it is gone', async () => {
    bots.stop(2, { taskId: 't2' });
    await bots.result('t2');
    await bots.runtime.removeImages({ userId: 'dev', botId: 'echo' }, [], new AbortController().signal);
    restart(3, 't3');
    expect(failureOf(await bots.result('t3'))).toBeUndefined();
    expect(bots.runtime.done.slice(2)).toEqual(['build echo g1', 'create echo r1', 'start echo r1']);
  });
});

describe('a restart after the settings for containers have changed', () => {
  it('makes a new container from the same image, and says so', async () => {
    await outdate();
    restart(2, 't2');
    const result = await bots.result('t2');
    expect(successOf(result)?.notices).toEqual([expect.stringContaining('container settings have changed')]);
    expect(bots.runtime.done).toEqual(['stop echo r1 10000', 'remove echo r1', 'create echo r1', 'start echo r1']);
    expect(await bots.logText()).toContainEqual(expect.stringContaining('container settings have changed'));
    bots.runtime.done.length = 0;
    restart(3, 't3');
    await bots.result('t3');
    expect(bots.runtime.done).toEqual(inPlace);
  });

  it('makes a new one when the operator gives bots more memory', async () => {
    bots.ensure({
      desired: 1,
      generation: 2n,
      revision: 1n,
      restart: true,
      taskId: 't2',
      spec: {
        ...spec(),
        limits: create(ResourceLimitsSchema, { memoryBytes: 512n * 1024n ** 2n }),
      },
    });
    expect(successOf(await bots.result('t2'))?.notices).toHaveLength(1);
  });
});

describe('a stop', () => {
  it('that had to kill the bot says so', async () => {
    const [container] = bots.runtime.containers.values();
    if (container) container.terminate = () => undefined;
    bots.stop(2, { taskId: 't2', stopGraceMs: 3000 });
    const result = await bots.result('t2');
    expect(successOf(result)?.notices).toEqual([
      'it did not end within 3 s of being asked to, and was killed; unsaved data is lost',
    ]);
    expect(result.observation).toMatchObject({
      state: BotState.STOPPED,
      reason: expect.stringContaining('was killed'),
      exitCode: 137,
    });
  });

  it('that the bot followed, with whatever code, does not', async () => {
    bots.runtime.exit(bots.runtime.only().id, 137);
    bots.stop(2, { taskId: 't2' });
    const result = await bots.result('t2');
    expect(successOf(result)?.notices).toEqual([]);
    expect(result.observation?.reason).toBe('');
  });
});
