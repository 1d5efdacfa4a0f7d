/** What the gate of the safety checks lets a worker do, on a scripted engine and a clock that the test moves. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BotState } from '#gen/botrunner/v1/bot_pb.js';
import { settingsLabel } from '../../worker/runtime/settings-digest.ts';
import type { GateState } from '../../worker/safety/start-gate.ts';
import { createRegistryForTests, failureOf, type RegistryForTests, successOf } from './kit/registry-for-tests.ts';

let bots: RegistryForTests;
let gate: GateState;
beforeEach(async () => {
  gate = 'open';
  bots = await createRegistryForTests({ startGate: () => gate });
});
afterEach(async () => {
  expect(bots.runtime.overlaps()).toBe(0);
  await bots.close();
});

const set = (state: GateState) => {
  gate = state;
  bots.registry.gateMoved();
};
const running = async () => {
  bots.run(1, { taskId: 't1' });
  await bots.result('t1');
  bots.runtime.done.length = 0;
};
const refused = { code: 'SAFETY_CHECK_FAILED' };

describe('while the gate is not open', () => {
  it('a start waits for it, and says so', async () => {
    set('waits');
    bots.run(1, { taskId: 't1' });
    await bots.pass(30_000);
    expect(bots.runtime.done).toEqual([]);
    expect(bots.observation()).toMatchObject({
      state: BotState.PENDING,
      reason: 'waiting for the safety checks of its worker',
    });
    set('open');
    expect(successOf(await bots.result('t1'))).toBeDefined();
  });

  it('a start is refused when it is closed, and succeeds the next time, when it is open', async () => {
    set('closed');
    bots.run(1, { taskId: 't1' });
    expect(failureOf(await bots.result('t1'))).toMatchObject(refused);
    expect(bots.runtime.done).toEqual([]);
    set('open');
    bots.run(2, { taskId: 't2' });
    expect(successOf(await bots.result('t2'))).toBeDefined();
  });

  it('an image that is being made is made to its end while the gate waits, and given up when it closes', async () => {
    bots.runtime.buildGate = new Promise(() => undefined);
    bots.run(1, { taskId: 't1' });
    await bots.until('it builds', () => bots.runtime.builds.length > 0);
    set('waits');
    await bots.pass(30_000);
    expect(bots.registry.builds).toBe(1);
    set('closed');
    expect(failureOf(await bots.result('t1'))).toMatchObject(refused);
    await bots.until('nothing is built', () => bots.registry.builds === 0);
  });

  it('an update leaves the old version running, whenever the gate closes before the old one was stopped', async () => {
    await running();
    set('closed');
    bots.run(2, { taskId: 't2' });
    expect(failureOf(await bots.result('t2'))).toMatchObject(refused);
    set('open');
    let built = () => {};
    bots.runtime.buildGate = new Promise((resolve) => {
      built = resolve;
    });
    bots.run(3, { taskId: 't3' });
    await bots.until('it builds', () => bots.runtime.builds.length > 1);
    set('waits');
    built();
    await bots.pass(30_000);
    expect(bots.runtime.only()).toMatchObject({ revision: 1n, status: 'running' });
    set('closed');
    expect(failureOf(await bots.result('t3'))).toMatchObject(refused);
    expect(bots.runtime.only()).toMatchObject({ revision: 1n, status: 'running' });
  });

  it('a version that was stopped to make way for another is followed by it all the same', async () => {
    await running();
    const stop = bots.runtime.stop;
    bots.runtime.stop = async (...given) => {
      const report = await stop(...given);
      set('closed');
      return report;
    };
    bots.run(2, { taskId: 't2' });
    await bots.until(
      'the new container is there',
      () => [...bots.runtime.containers.values()][0]?.plan.revision === 2n,
    );
  });

  it('what crashes is started again, and what is restarted takes the same container', async () => {
    await running();
    set('closed');
    const { id } = bots.runtime.only();
    bots.runtime.exit(id, 1);
    bots.registry.happened({ containerId: id, kind: 'ended' });
    await bots.until('it is started again', () => bots.runtime.done.includes('start echo r1'));
    bots.run(1, { generation: 2n, taskId: 't2', restart: true });
    expect(successOf(await bots.result('t2'))).toBeDefined();
    expect(bots.runtime.only().revision).toBe(1n);
  });

  it('a restart that would need another container is refused, and the bot runs on', async () => {
    await running();
    const [container] = bots.runtime.containers.values();
    if (container)
      Object.assign(container, { labels: { ...container.labels, [settingsLabel]: 'of an older release' } });
    await bots.restart();
    set('closed');
    const before = bots.runtime.only();
    bots.run(1, { generation: 2n, taskId: 't2', restart: true });
    expect(failureOf(await bots.result('t2'))).toMatchObject(refused);
    await bots.pass(10_000);
    expect(bots.runtime.only()).toEqual(before);
  });

  it('a container that is gone is made again when the gate opens, without anybody asking', async () => {
    await running();
    set('closed');
    await bots.runtime.remove(bots.runtime.only().id, AbortSignal.timeout(5_000));
    await bots.registry.resync();
    await bots.pass(10_000);
    expect([...bots.runtime.containers.values()]).toEqual([]);
    set('open');
    await bots.until('it is there', () => bots.runtime.done.includes('start echo r1'));
  });

  it('a bot stops and is removed as ever', async () => {
    await running();
    set('closed');
    bots.stop(2, { taskId: 't2' });
    expect(successOf(await bots.result('t2'))).toBeDefined();
    expect([...bots.runtime.containers.values()]).toEqual([]);
  });
});
