/** A spec with the same source as the one before it: its image is used again. On a scripted engine and a clock that the test moves. */
import { create } from '@bufbuild/protobuf';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { imageName } from '#common/ids.ts';
import { type BotSpec, BotSpecSchema } from '#gen/botrunner/v1/bot_pb.js';
import type { ContainerPlan } from '../../worker/runtime/container-runtime.ts';
import { createRegistryForTests, echo, type RegistryForTests, spec, successOf } from './kit/registry-for-tests.ts';

let bots: RegistryForTests;
let builds: string[];
let plans: ContainerPlan[];
beforeEach(async () => {
  bots = await createRegistryForTests();
  builds = [];
  plans = [];
  const { buildImage, create: createContainer } = bots.runtime;
  bots.runtime.buildImage = (build, signal) => {
    builds.push(build.image);
    return buildImage(build, signal);
  };
  bots.runtime.create = (plan, signal, say) => {
    plans.push(plan);
    return createContainer(plan, signal, say);
  };
});
afterEach(async () => {
  expect(bots.runtime.overlaps()).toBe(0);
  await bots.close();
});

const image = (revision: bigint) => imageName(echo, revision);
const configured = (env: Record<string, string>, more: Partial<BotSpec> = {}): BotSpec => ({
  ...spec(env),
  sourceRevision: 1n,
  ...more,
});
async function swap(revision: number, wanted: BotSpec) {
  const taskId = `t${revision}`;
  bots.run(revision, { taskId, spec: wanted });
  return bots.result(taskId);
}

describe('a spec with the source of an earlier revision', () => {
  beforeEach(async () => {
    bots.run(1, { taskId: 't1' });
    await bots.result('t1');
    bots.runtime.done.length = 0;
    bots.fetched.length = 0;
  });

  it('runs the image of that one after one stop: nothing is fetched or built', async () => {
    expect(successOf(await swap(2, configured({ A: '1' })))?.replaced).toBe(true);
    expect([builds, bots.fetched]).toEqual([[image(1n)], []]);
    expect(plans.map((plan) => plan.image)).toEqual([image(1n), image(1n)]);
    expect(bots.runtime.done.filter((done) => done.startsWith('stop '))).toHaveLength(1);
    // Once it has stayed up, old images go, and this one is none.
    await bots.pass(60_000);
    expect(successOf(await swap(3, configured({ A: '2' })))?.replaced).toBe(true);
    expect(builds).toEqual([image(1n)]);
  });

  it('survives a restart of the worker', async () => {
    await swap(2, configured({ A: '1' }));
    await bots.pass(60_000);
    await bots.restart();
    await swap(3, configured({ A: '2' }));
    expect([builds, bots.fetched]).toEqual([[image(1n)], []]);
  });

  it('goes back to what it had before, with the same image', async () => {
    await swap(2, configured({ A: '1' }));
    bots.run(1, { generation: 3n, spec: spec() });
    await bots.until(
      'the former one runs',
      () => bots.runtime.only().revision === 1n && bots.runtime.only().status === 'running',
    );
    expect(plans.map((plan) => plan.image)).toEqual([image(1n), image(1n), image(1n)]);
    expect(builds).toEqual([image(1n)]);
  });

  it('has its image made again under that name when it is gone', async () => {
    bots.runtime.hasImage = async () => false;
    await swap(2, configured({ A: '1' }));
    expect(builds).toEqual([image(1n), image(1n)]);
    expect(bots.fetched).toHaveLength(1);
  });

  it('is not taken for the image of another source', async () => {
    await swap(2, { ...spec({}, 'b'), sourceRevision: 1n });
    expect(builds).toEqual([image(1n), image(1n)]);
  });

  it('masks the values of both specs until the former container is gone', async () => {
    await swap(2, configured({ API_KEY: 'first-secret-value' }));
    await swap(3, configured({ API_KEY: 'second-secret-value' }));
    expect(await bots.recordText()).not.toContain('secret-value');
  });

  it('masks what the former container prints while a restart ends it for values stored since', async () => {
    await swap(2, configured({ API_KEY: 'first-secret-value' }));
    const { stop } = bots.runtime;
    bots.runtime.stop = (id, graceMs, signal) => {
      bots.runtime.print(id, 'bye first-secret-value');
      return stop(id, graceMs, signal);
    };
    const wanted = configured({ API_KEY: 'second-secret-value' });
    bots.run(2, { generation: 3n, taskId: 't3', restart: true, spec: wanted });
    expect(successOf(await bots.result('t3'))).toBeDefined();
    expect(plans.at(-1)?.env.reveal()).toEqual({ API_KEY: 'second-secret-value' });
    expect(await bots.logText()).toContain('bye [masked]');
  });

  it('gives the limits of a bot to its container', async () => {
    const limits = create(BotSpecSchema, { limits: { pids: 300, stopSignal: 'SIGINT' } }).limits;
    await swap(2, configured({}, limits === undefined ? {} : { limits }));
    expect(plans.at(-1)).toMatchObject({ pids: 300, stopSignal: 'SIGINT', asksForLimits: true });
  });
});
