/** A worker that finds containers of its bots which it does not own. On a scripted engine and a clock that the test moves. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BotState, DesiredState } from '#gen/botrunner/v1/bot_pb.js';
import { labelNames } from '../../worker/runtime/labels.ts';
import { createRegistryForTests, desiredSet, failureOf, type RegistryForTests } from './kit/registry-for-tests.ts';

let bots: RegistryForTests;
/** A bot runs, and its worker loses its folder and its key: the signature is not its own any more. */
beforeEach(async () => {
  bots = await createRegistryForTests();
  bots.run(1, { taskId: 'first' });
  await bots.result('first');
  const [container] = bots.runtime.containers.values();
  if (container) Object.assign(container, { labels: { ...container.labels, [labelNames.signature]: '00' } });
  await bots.restart();
  bots.runtime.done.length = 0;
});
afterEach(async () => {
  expect(bots.runtime.overlaps()).toBe(0);
  await bots.close();
});

const only = () => bots.runtime.only();
const signal = new AbortController().signal;

describe("a bot whose container is not its worker's own any more", () => {
  it('is reported as such, and nothing is made or removed beside it', async () => {
    bots.registry.applyDesiredSet(
      desiredSet({
        userId: 'dev',
        botId: 'echo',
        epoch: 1n,
        generation: 1n,
        revision: 1n,
        desired: DesiredState.RUNNING,
      }),
      true,
    );
    await bots.pass(3000);
    expect(bots.observation()).toMatchObject({
      state: BotState.UNKNOWN,
      reason: expect.stringMatching(/^it runs, but .*worker adopt w1 --list$/),
    });
    expect(bots.reports.strays).toMatchObject([
      { id: only().id, key: { botId: 'echo' }, workerId: 'w1', running: true },
    ]);
    expect(bots.runtime.done).toEqual([]);
  });

  it.each([
    ['stopped', { desired: DesiredState.STOPPED }],
    ['deleted', { desired: DesiredState.REMOVED }],
  ])('is never said to be %s', async (_what, ensure) => {
    bots.ensure({ ...ensure, generation: 2n, taskId: 't2' });
    const result = await bots.result('t2');
    expect(failureOf(result)).toMatchObject({
      code: 'CONTAINER_NOT_OWNED',
      message: expect.stringMatching(/^Nothing was done to the bot: it runs, but .* worker adopt w1 --list$/),
    });
    expect(result.observation?.state).toBe(BotState.UNKNOWN);
    expect(only().status).toBe('running');
    expect(bots.runtime.images()).toHaveLength(1);
  });

  it('is not started a second time', async () => {
    bots.run(2, { taskId: 't2' });
    expect(failureOf(await bots.result('t2'))).toMatchObject({ code: 'CONTAINER_NOT_OWNED' });
    expect(bots.runtime.done).toEqual([]);
  });

  it('is stopped when it has ended, and in the way of a start', async () => {
    const [container] = bots.runtime.containers.values();
    if (container) container.status = 'exited';
    bots.stop(2, { taskId: 't2' });
    expect(failureOf(await bots.result('t2'))).toBeUndefined();
    bots.run(3, { taskId: 't3' });
    expect(failureOf(await bots.result('t3'))).toMatchObject({ code: 'CONTAINER_NOT_OWNED' });
    // As the orchestrator takes back a start that was refused: why the next one will be, too, is still said.
    bots.stop(4);
    await bots.until('it is stopped', () => bots.state() === BotState.STOPPED);
    expect(bots.observation()?.reason).toMatch(
      /^its container has ended, and is no longer recognised .*worker adopt w1/,
    );
  });

  it('is supervised again once it was taken, as the same process', async () => {
    bots.run(1);
    await bots.until('it is reported', () => bots.state() === BotState.UNKNOWN);
    await bots.runtime.takeStray(only().id, signal);
    await bots.registry.resync();
    await bots.until('it runs', () => bots.state() === BotState.RUNNING);
    expect(bots.runtime.done).toEqual([]);
    expect(bots.reports.strays).toEqual([]);
    bots.stop(2, { taskId: 't2' });
    expect(failureOf(await bots.result('t2'))).toBeUndefined();
    expect(bots.runtime.containers.size).toBe(0);
  });

  it('that was to be stopped is stopped once it was taken', async () => {
    bots.stop(2, { taskId: 't2' });
    await bots.result('t2');
    await bots.runtime.takeStray(only().id, signal);
    await bots.registry.resync();
    await bots.until('it is stopped', () => bots.state() === BotState.STOPPED);
    expect(bots.runtime.containers.size).toBe(0);
  });

  it('that should run runs again, as a new one, once the operator had the old one removed', async () => {
    bots.run(1);
    await bots.until('it is reported', () => bots.state() === BotState.UNKNOWN);
    await bots.runtime.removeStray(only().id, signal);
    await bots.registry.resync();
    await bots.until('it runs', () => bots.state() === BotState.RUNNING);
    expect(bots.runtime.done).toEqual(['create echo r1', 'start echo r1']);
  });
});
