/** An engine that is killed in the middle of a start does not know that the bot runs. The worker ends that run before it does anything else with the container. */
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import type { ContainerPlan, ContainerRuntime } from '../../worker/runtime/container-runtime.ts';
import { patience } from '../contract/harness.ts';
import { eventually } from '../kit/eventually.ts';
import { killInStart, processesOf } from '../kit/private-engine/kill-in-start.ts';
import { type DiskWorld, startDiskWorld } from './disk/disk-world.ts';

const given = inject('docker');

describe.skipIf('skip' in given)('a start that the engine is killed in', { timeout: 120_000 }, () => {
  let world: DiskWorld;
  beforeAll(async () => {
    world = await startDiskWorld();
  }, 120_000);
  afterAll(() => world?.close(), 60_000);

  /** A container whose program runs, while the engine says that it does not. */
  async function lost(runtime: ContainerRuntime, plan: ContainerPlan, before: (id: string) => Promise<void>) {
    for (let tries = 1; ; tries++) {
      const id = await runtime.create(plan, patience());
      await before(id);
      const isRunning = async () => (await runtime.inspect(id, patience()))?.status === 'running';
      if (await killInStart(world.engine, id, () => runtime.start(id, patience()), isRunning)) return id;
      if (tries === 8) throw new Error('the engine always writes down in time that the program runs');
      await runtime.remove(id, patience());
    }
  }

  it('is ended before its container is removed, by a worker that was restarted as well', async () => {
    const id = await lost(world.runtime('watch'), world.plan('gone', 'sleep 1000'), async () => {});
    expect(processesOf(id)).not.toEqual([]);
    await world.runtime('watch').remove(id, patience());
    expect(processesOf(id)).toEqual([]);
  });

  it('is ended before the bot is started again, which then succeeds in the same container', async () => {
    const runtime = world.runtime('watch');
    const plan = world.plan('again', 'echo $$ >> /data/runs; sleep 1000');
    const id = await lost(runtime, plan, async (made) => {
      await runtime.start(made, patience());
      await runtime.stop(made, 0, patience());
    });
    const before = processesOf(id);
    expect(before).not.toEqual([]);
    await runtime.start(id, patience());
    expect((await runtime.inspect(id, patience()))?.status).toBe('running');
    // One run, and not the lost one.
    const hasBegun = (found: readonly string[]) => found.length === before.length;
    await eventually('there is one run', () => processesOf(id), hasBegun);
    await runtime.remove(id, patience());
    expect(processesOf(id)).toEqual([]);
  });
});
