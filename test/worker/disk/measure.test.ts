/** What is measured of bots on a real engine, whatever they do to hide it; and what an engine without space refuses. */
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { systemClock } from '#common/clock.ts';
import { volumeName } from '#common/ids.ts';
import type { ContainerPlan, ContainerRuntime, DiskMeasure } from '../../../worker/runtime/container-runtime.ts';
import { list, record, text } from '../../../worker/runtime/docker/answers.ts';
import type { FreeSpace } from '../../../worker/runtime/docker/disk/engine-space.ts';
import { saysNoStorageOpt } from '../../../worker/runtime/docker/disk/storage-opt.ts';
import { patience, untilPrinted } from '../../contract/harness.ts';
import { buildContext } from '../../contract/images.ts';
import { botImage, type DiskWorld, mib, startDiskWorld, userId, workerId } from './disk-world.ts';

const given = inject('docker');
const limitMs = 60_000;

describe.skipIf('skip' in given)('the disk of an engine', { timeout: 120_000 }, () => {
  let world: DiskWorld;
  beforeAll(async () => {
    world = await startDiskWorld();
  }, 120_000);
  afterAll(() => world?.close(), 60_000);

  async function started(runtime: ContainerRuntime, plan: ContainerPlan): Promise<string> {
    const id = await runtime.create(plan, patience());
    await runtime.start(id, patience());
    await untilPrinted(runtime, id, 'written');
    return id;
  }

  it('is measured bot by bot: in /data, elsewhere, in deleted files that are open, without the holes in files', async () => {
    const runtime = world.runtime('watch');
    const wait = 'echo written; sleep 600';
    const zeros = (path: string, count: number) => `dd if=/dev/zero of=${path} bs=1M count=${count} 2>/dev/null`;
    const scripts: Record<string, string> = {
      data: `${zeros('/data/a', 5)}; ${wait}`,
      layer: `${zeros('/a', 3)}; ${zeros('/tmp/b', 4)}; ${wait}`,
      open: `exec 5>/tmp/open 6>/data/open; ${zeros('/proc/self/fd/5', 6)}; ${zeros('/proc/self/fd/6', 7)}; rm /tmp/open /data/open; ${wait}`,
      holes: `dd if=/dev/zero of=/data/holes bs=1 count=1 seek=8000000000 2>/dev/null; cp /data/holes /dev/null & ${wait}`,
      memory: `exec 5>/dev/shm/x; ${zeros('/proc/self/fd/5', 9)}; rm /dev/shm/x; ${wait}`,
      many: `seq 18001 | sed s,^,/tmp/f, | xargs touch; ${wait}`,
    };
    const starts = Object.entries(scripts).map(
      async ([name, script]) => [name, await started(runtime, world.plan(name, script))] as const,
    );
    const ids = new Map<string, string>(await Promise.all(starts));
    const measures = await runtime.measureDisk([...ids.values(), 'f'.repeat(64)], limitMs, patience());
    expect(measures).toHaveLength(ids.size);
    const of = (name: string): DiskMeasure => {
      const found = measures.find(({ containerId }) => containerId === ids.get(name));
      if (found === undefined) throw new Error(name);
      return found;
    };
    const inMib = (name: string) => [Math.floor(of(name).dataBytes / mib), Math.floor(of(name).layerBytes / mib)];
    expect(Object.fromEntries([...ids.keys()].map((name) => [name, inMib(name)]))).toEqual({
      data: [5, 0],
      layer: [0, 7],
      open: [7, 6],
      holes: [0, 0],
      memory: [0, 0],
      many: [0, expect.any(Number)],
    });
    expect(of('many').layerFiles).toBeGreaterThan(18_000);
    expect(of('data')).toMatchObject({ isSized: false, isOld: false, uncountable: undefined });
    expect(await runtime.freeDisk(patience())).toBeGreaterThan(0);
    // Measuring makes no volume of a bot that has just been purged, and leaves no container.
    const before = list(await world.raw.get('/containers/json', { all: true })).length;
    expect(before).toBe(ids.size);
    for (const id of ids.values()) await runtime.remove(id, patience());
    expect(await runtime.measureDisk([...ids.values()], limitMs, patience())).toEqual([]);
  });

  it('knows volumes from before there were limits', async () => {
    const name = volumeName({ userId, botId: 'older' });
    await world.raw.post('/volumes/create', {}, { Name: name, Driver: 'local' });
    const runtime = world.runtime('watch');
    const id = await started(runtime, world.plan('older', 'echo written; sleep 600'));
    expect(await runtime.measureDisk([id], limitMs, patience())).toMatchObject([{ isOld: true }]);
    expect(await runtime.inspect(id, patience())).toMatchObject({
      disk: { dataBytes: 32 * mib, layerBytes: 32 * mib },
    });
    await runtime.remove(id, patience());
  });

  it('refuses to limit a container itself where it cannot, in words that are understood', async () => {
    const body = { Image: botImage, HostConfig: { StorageOpt: { size: '1000000000' } } };
    const error = await world.raw.post('/containers/create', {}, body).catch((failure: unknown) => failure);
    expect(saysNoStorageOpt(error)).toBe(true);
  });

  it('takes no more when it is nearly full, after unused images of bots were removed; what runs is left alone', async () => {
    const key = { userId, botId: 'unused' };
    let free: FreeSpace = { bytes: 50 * 1024 * mib, filesPerMille: 900 };
    let laterMs = 0;
    const clock = { ...systemClock, monotonicMs: () => systemClock.monotonicMs() + laterMs };
    const runtime = world.runtime('watch', { space: async () => free, clock });
    const isThere = (name: string) =>
      world.raw.get(`/images/${name}/json`).then(
        () => true,
        () => false,
      );
    const image = await buildContext(runtime, { key, workerId, dockerfile: 'FROM busybox:stable\nRUN echo x > /x\n' });
    const id = await started(runtime, world.plan('runs', 'echo written; sleep 600'));
    free = { bytes: 900 * mib, filesPerMille: 900 };
    const refusal = { problem: { code: 'CONTAINER_ERROR', message: expect.stringContaining('900 MiB free') } };
    await expect(runtime.create(world.plan('late', 'true'), patience())).rejects.toMatchObject(refusal);
    // Just built, it may be about to be used: it is no unused image until a while has passed.
    expect(await isThere(image)).toBe(true);
    laterMs += 900_000;
    await expect(runtime.create(world.plan('late', 'true'), patience())).rejects.toMatchObject(refusal);
    expect(await isThere(image)).toBe(false);
    await expect(buildContext(runtime, { key, workerId })).rejects.toMatchObject(refusal);
    const pull = { userId, reference: 'busybox:stable', pull: false, onOutput: () => {} };
    await expect(runtime.pullImage(pull, patience())).rejects.toMatchObject(refusal);
    free = { bytes: 50 * 1024 * mib, filesPerMille: 3 };
    await expect(runtime.create(world.plan('late', 'true'), patience())).rejects.toMatchObject({
      problem: { message: expect.stringContaining('hardly any files') },
    });
    expect(await runtime.inspect(id, patience())).toMatchObject({ status: 'running' });
    // A build that fills it is ended.
    free = { bytes: 50 * 1024 * mib, filesPerMille: 900 };
    const dockerfile = 'FROM busybox:stable\nRUN sleep 300\n';
    const onOutput = () => {
      free = { bytes: 400 * mib, filesPerMille: 900 };
    };
    await expect(buildContext(runtime, { key, workerId, dockerfile, onOutput })).rejects.toMatchObject({
      problem: { code: 'CONTAINER_ERROR', message: expect.stringContaining('400 MiB free') },
    });
    await runtime.remove(id, patience());
  });

  it('hostile 75: refuses an image that is too large, with its size, and keeps nothing of it', async () => {
    const key = { userId, botId: 'fat' };
    const runtime = world.runtime('watch', { imageBytes: 16 * mib });
    const dockerfile = 'FROM busybox:stable\nRUN dd if=/dev/zero of=/fat bs=1M count=20\n';
    await expect(buildContext(runtime, { key, workerId, dockerfile })).rejects.toMatchObject({
      problem: { code: 'BUILD_FAILED', message: 'The image takes 22 MiB; at most 16 MiB are allowed on this worker.' },
    });
    const images = list(await world.raw.get('/images/json')).map((image) => list(record(image)['RepoTags']).map(text));
    expect(images.flat().filter((name) => name.startsWith('bot_image'))).toEqual([]);
    const small = world.runtime('watch', { imageBytes: mib });
    const pull = { userId, reference: 'busybox:stable', pull: false, onOutput: () => {} };
    await expect(small.pullImage(pull, patience())).rejects.toMatchObject({ problem: { code: 'IMAGE_PULL_FAILED' } });
    // It was there before.
    expect(await small.hasImage('busybox:stable', patience())).toBe(true);
  });
});
