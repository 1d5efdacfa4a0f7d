/** What becomes of a bot that has written more than it may, on an engine that says what the test wants. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BotState, DiskKind } from '#gen/botrunner/v1/bot_pb.js';
import type { DiskMeasure } from '../../../worker/runtime/container-runtime.ts';
import { createRegistryForTests, type RegistryForTests, spec } from '../kit/registry-for-tests.ts';

const mib = 1024 * 1024;
const disk = { dataBytes: 64 * mib, layerBytes: 32 * mib };

let bots: RegistryForTests;
beforeEach(async () => {
  bots = await createRegistryForTests({ disk });
});
afterEach(() => bots.close());

async function run(revision = 1, taskId = `t${revision}`, extra = {}): Promise<string> {
  bots.run(revision, { taskId, ...extra });
  await bots.result(taskId);
  return bots.runtime.only().id;
}
const measured = (containerId: string, measure: Partial<DiskMeasure>) =>
  bots.registry.measured({
    containerId,
    dataBytes: 0,
    layerBytes: 0,
    dataFiles: 0,
    layerFiles: 0,
    isSized: false,
    isOld: false,
    uncountable: undefined,
    tookMs: 0,
    ...measure,
  });
const limited = (diskMib: bigint) => ({
  ...spec(),
  limits: {
    $typeName: 'botrunner.v1.ResourceLimits' as const,
    memoryBytes: 0n,
    cpuMillis: 0,
    diskBytes: diskMib * 1024n ** 2n,
  },
});
const exited = () => bots.until('it is stopped', () => bots.state() === BotState.EXITED && bots.observation());

describe('a bot that has written too much', () => {
  it('hostile 83: is stopped, says why and how much, and is started again by its user alone', async () => {
    const id = await run();
    measured(id, { dataBytes: 65 * mib, layerBytes: mib });
    const { reason, disk: shown } = await exited();
    expect(reason).toBe(
      'stopped because it has written 65 MiB of 64 MiB in /data: delete what it does not need, or give it more, for example with --disk 128m',
    );
    expect(shown).toMatchObject({ dataLimitBytes: 64n * 1024n ** 2n, layerLimitBytes: 32n * 1024n ** 2n });
    await bots.pass(400_000);
    expect(bots.state()).toBe(BotState.EXITED);
    expect(await bots.logText()).toContainEqual(expect.stringContaining('65 MiB of 64 MiB'));
    // A restart of the worker changes nothing about it.
    await bots.restart();
    bots.run(1, {});
    await bots.pass(400_000);
    expect(bots.state()).toBe(BotState.EXITED);
    bots.run(1, { generation: 2n, taskId: 'again', restart: true });
    await bots.result('again');
    // What it wrote is kept: the same container.
    expect(bots.runtime.only()).toMatchObject({ id, status: 'running' });
  });

  it('begins with a new container when it was the container that was full', async () => {
    const id = await run();
    measured(id, { layerBytes: 33 * mib });
    expect((await exited()).reason).toMatch(/^stopped because it has written 33 MiB of 32 MiB outside \/data/);
    bots.run(1, { generation: 2n, taskId: 'again', restart: true });
    await bots.result('again');
    expect(bots.runtime.only().id).not.toBe(id);
  });

  it.each<[string, Partial<DiskMeasure>]>([
    ['files in /data', { dataFiles: 20_000 }],
    ['files elsewhere', { layerFiles: 20_000 }],
    ['so many elsewhere that nobody can count them', { uncountable: 'layer' }],
    ['so many in /data that nobody can count them', { uncountable: 'data' }],
    ['a sized volume that was larger before', { isSized: true, dataBytes: 100 * mib }],
  ])('is stopped for %s', async (_what, measure) => {
    measured(await run(), measure);
    await exited();
  });

  it.each<[string, Partial<DiskMeasure>]>([
    ['what fits', { dataBytes: 64 * mib, layerBytes: 32 * mib, dataFiles: 10_000, layerFiles: 10_000 }],
    ['a full volume of a fixed size', { isSized: true, dataBytes: 70 * mib }],
    ['a volume from before there were limits', { isOld: true, dataBytes: 900 * mib }],
  ])('runs on with %s', async (_what, measure) => {
    const id = await run();
    measured(id, measure);
    measured(id, measure);
    await bots.pass(5_000);
    expect(bots.runtime.only()).toMatchObject({ id, status: 'running' });
    const warnings = (await bots.logText()).filter((line) => line.includes('it is not stopped'));
    expect(warnings).toHaveLength(measure.isOld ? 1 : 0);
  });

  it('has the limit of its spec, and an update with a larger one helps', async () => {
    const id = await run(1, 't1', { spec: limited(100n) });
    measured(id, { dataBytes: 99 * mib });
    await bots.pass(3_000);
    expect(bots.runtime.only().status).toBe('running');
    measured(id, { dataBytes: 101 * mib });
    await exited();
    const next = await run(2, 't2', { generation: 2n, spec: limited(200n) });
    measured(next, { dataBytes: 101 * mib });
    await bots.pass(3_000);
    expect(bots.runtime.only()).toMatchObject({ id: next, status: 'running' });
  });

  it('does not concern a later run, nor a measurement of another container', async () => {
    const id = await run();
    measured('f'.repeat(64), { dataBytes: 900 * mib });
    await bots.pass(2_000);
    expect(bots.runtime.only()).toMatchObject({ id, status: 'running' });
  });

  it('does not keep a stop that is asked for meanwhile waiting', async () => {
    const id = await run();
    measured(id, { dataBytes: 900 * mib });
    bots.stop(2, { taskId: 'stop' });
    await bots.result('stop');
    expect(bots.state()).toBe(BotState.STOPPED);
  });
});

describe('what limits the disk space of a bot', () => {
  const kind = () => bots.observation()?.protection?.disk;

  it('is reported as it was found, and not before', async () => {
    const id = await run();
    expect(bots.observation()?.protection).toMatchObject({
      readOnly: false,
      user: '10001:10001',
      runtimeClass: 'runc',
    });
    expect(kind()).toBe(DiskKind.UNSPECIFIED);
    measured(id, {});
    await bots.until('it is only measured', () => kind() === DiskKind.WATCH);
    measured(id, { isSized: true });
    await bots.until('it has a size of its own', () => kind() === DiskKind.SIZED);
    bots.stop(2, { taskId: 'stop' });
    expect((await bots.result('stop')).observation?.protection).toBeUndefined();
  });

  it('is nothing with DISK_LIMITS=off', async () => {
    await bots.close();
    bots = await createRegistryForTests();
    await run();
    expect(kind()).toBe(DiskKind.OFF);
  });
});
