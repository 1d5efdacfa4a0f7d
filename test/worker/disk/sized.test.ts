/** Volumes of a fixed size on a real engine: what bots cannot do to them, and what they survive. */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmdirSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { volumeName } from '#common/ids.ts';
import type { ContainerPlan, ContainerRuntime } from '../../../worker/runtime/container-runtime.ts';
import { record, text } from '../../../worker/runtime/docker/answers.ts';
import { storeVolume } from '../../../worker/runtime/docker/disk/sized-names.ts';
import { patience, readAll, textsOf, untilExited } from '../../contract/harness.ts';
import { type DiskWorld, mib, run, startDiskWorld, userId, workerId } from './disk-world.ts';

const given = inject('docker');

describe.skipIf('skip' in given)('/data of a fixed size', { timeout: 120_000 }, () => {
  let world: DiskWorld;
  beforeAll(async () => {
    world = await startDiskWorld();
  }, 120_000);
  afterAll(() => world?.close(), 60_000);

  const fileOf = async (botId: string) =>
    join(await world.folderOf(storeVolume), `${volumeName({ userId, botId })}.img`);

  /** What the bot prints until it ends; its container is gone then. */
  async function printed(runtime: ContainerRuntime, plan: ContainerPlan): Promise<string> {
    const id = await runtime.create(plan, patience());
    try {
      await runtime.start(id, patience());
      await untilExited(runtime, id);
      return textsOf((await readAll(runtime, id)).lines).join('\n');
    } finally {
      await runtime.remove(id, patience());
    }
  }

  it('hostile 83: is full when its size is reached, in bytes and in files, and takes no more of the host', async () => {
    const runtime = world.runtime('sized');
    const script =
      'ls -a /data | wc -l; dd if=/dev/zero of=/data/a bs=1M count=200 2>&1 | grep -c "No space"; ls -l /data/a; ' +
      'rm /data/a; sync; i=0; while true > /data/f$i; do i=$((i+1)); done 2>/dev/null; echo files $i';
    const output = await printed(runtime, world.plan('full', script));
    const [entries, refused, file, files] = output.split('\n');
    // Empty, so that the engine fills it from the image.
    expect(entries).toBe('2');
    expect(refused).toBe('1');
    const bytes = Number(/\s(\d+)\s\S+\s+\d+ [\d:]+ \/data/.exec(file ?? '')?.[1]);
    expect(bytes).toBeGreaterThanOrEqual(32 * mib);
    expect(bytes).toBeLessThan(48 * mib);
    expect(Number(files?.split(' ')[1])).toBeGreaterThan(1000);
    expect(Number(files?.split(' ')[1])).toBeLessThan(20_000);
    const { size, blocks } = statSync(await fileOf('full'));
    expect(size).toBeLessThan(80 * mib);
    // What the bot has deleted is the host's again.
    expect(blocks * 512).toBeLessThan(24 * mib);
  });

  it('keeps what is in it when it grows, when the engine is killed, and when its device is gone as after a restart of the machine', async () => {
    const runtime = world.runtime('sized');
    const show = 'cat /data/kept; stat -f -c "%b %S" /data';
    const sizeOf = (output: string) => {
      const [, blocks = 0, size = 0] = /kept\n(\d+) (\d+)/.exec(output)?.map(Number) ?? [];
      return blocks * size;
    };
    expect(await printed(runtime, world.plan('keeper', 'echo kept > /data/kept; sync'))).toBe('');
    expect(sizeOf(await printed(runtime, world.plan('keeper', show)))).toBeGreaterThan(32 * mib);
    expect(sizeOf(await printed(runtime, world.plan('keeper', show, 128)))).toBeGreaterThan(128 * mib);

    const id = await runtime.create(world.plan('keeper', `${show}; sleep 0.1`), patience());
    await runtime.start(id, patience());
    await untilExited(runtime, id);
    expect((await world.devices()).length).toBeGreaterThan(0);
    for (const device of await world.devices()) await run('losetup', ['-d', device]);
    expect(await world.devices()).toEqual([]);
    // With the mode switched off, what was made before works still.
    await world.runtime('watch').start(id, patience());
    await untilExited(runtime, id);
    expect(textsOf((await readAll(runtime, id)).lines).filter((line) => line === 'kept')).toHaveLength(2);

    await world.engine.kill();
    await world.engine.start();
    await runtime.start(id, patience());
    await untilExited(runtime, id);
    expect(textsOf((await readAll(runtime, id)).lines).filter((line) => line === 'kept')).toHaveLength(3);
    await runtime.remove(id, patience());
  });

  it('outlives the pruning of all that is unused, and says so when its file is gone all the same', async () => {
    const runtime = world.runtime('sized');
    expect(await printed(runtime, world.plan('pruned', 'echo kept > /data/kept; sync'))).toBe('');
    await world.raw.post('/containers/prune', {});
    // Engines of today prune volumes with a name only if they are asked to.
    await world.raw
      .post('/volumes/prune', { filters: '{"all":["true"]}' })
      .catch(() => world.raw.post('/volumes/prune', {}));
    expect(existsSync(await fileOf('pruned'))).toBe(true);
    // Or somebody removes the volume by hand.
    await world.raw.remove(`/volumes/${volumeName({ userId, botId: 'pruned' })}`);
    expect(await printed(runtime, world.plan('pruned', 'cat /data/kept'))).toBe('kept');

    const id = await runtime.create(world.plan('pruned', 'cat /data/kept'), patience());
    for (const device of await world.devices()) await run('losetup', ['-d', device]);
    renameSync(await fileOf('pruned'), `${await fileOf('pruned')}.away`);
    const refused = {
      problem: { code: 'CONTAINER_ERROR', message: expect.stringContaining('What the bot kept is gone') },
    };
    await expect(runtime.start(id, patience())).rejects.toMatchObject(refused);
    await runtime.remove(id, patience());
    await expect(runtime.create(world.plan('pruned', 'true'), patience())).rejects.toMatchObject(refused);
    expect(existsSync(await fileOf('pruned'))).toBe(false);
    renameSync(`${await fileOf('pruned')}.away`, await fileOf('pruned'));
    expect(await printed(runtime, world.plan('pruned', 'cat /data/kept'))).toBe('kept');
  });

  it('takes over what is in a volume from before, and leaves one alone that holds more than the size, in bytes or in files', async () => {
    const plain = world.runtime('watch');
    const fill =
      'mkdir -p /data/d; echo old > /data/d/f; ln -s d/f /data/l; ln /data/d/f /data/h; chmod 640 /data/d/f; chown 7:8 /data/d/f; ' +
      'chown 10:20 /data; chmod 750 /data; touch -d "2020-01-02 03:04:05" /data/d/f';
    const show = 'cd /data; ls -lan . d | grep -v total | cut -c1-60; cat l; stat -f -c %t .';
    const before = await printed(plain, world.plan('older', `${fill}; ${show}`));
    const after = await printed(world.runtime('sized'), world.plan('older', show));
    const tree = (output: string) =>
      output
        .split('\n')
        .filter((line) => !/ \.\.$/.test(line))
        .map((line) => line.replace(/^(d\S+\s+\d+\s+\d+\s+\d+)\s+\d+/, '$1'))
        .slice(0, -1)
        // The folder itself is a new one.
        .map((line) => line.replace(/ \w{3} +\d+ +[\d:]+ \.$/, ' .'));
    expect(tree(after)).toEqual(tree(before));
    expect(
      record(record(await world.raw.get(`/volumes/${volumeName({ userId, botId: 'older' })}`))['Options'])['type'],
    ).toBe('ext4');

    await printed(plain, world.plan('larger', 'dd if=/dev/urandom of=/data/f bs=1M count=40 2>/dev/null'));
    const kept = await printed(world.runtime('sized'), world.plan('larger', 'stat -c %s /data/f'));
    expect(kept).toBe(String(40 * mib));
    expect(record(await world.raw.get(`/volumes/${volumeName({ userId, botId: 'larger' })}`))['Options']).toBeNull();

    const many = 'i=0; while [ $i -lt 12000 ]; do : > /data/f$i; i=$((i+1)); done';
    await printed(plain, world.plan('many', many));
    expect(await printed(world.runtime('sized'), world.plan('many', 'ls /data | wc -l'))).toBe('12000');
  });

  it('is made anew where a worker was killed while it was making it, and leaves nothing when the bot is gone', async () => {
    const key = { userId, botId: 'halfway' };
    const name = volumeName(key);
    await printed(world.runtime('sized'), world.plan('first', 'true'));
    const file = await fileOf('halfway');
    writeFileSync(`${file}.new`, 'half a file system');
    const labels = { 'bot_runner.disk': workerId };
    const body = { Image: 'busybox:stable', Cmd: ['sleep', '600'], Labels: labels };
    const left = text(record(await world.raw.post('/containers/create', {}, body))['Id']);
    await world.raw.post(`/containers/${left}/start`, {});

    const runtime = world.runtime('sized');
    expect(await printed(runtime, world.plan('halfway', 'echo fine > /data/x; cat /data/x'))).toBe('fine');
    await expect(world.raw.get(`/containers/${left}/json`)).rejects.toMatchObject({ status: 404 });
    expect(existsSync(`${file}.new`)).toBe(false);

    const devices = await world.devices();
    await runtime.removeVolumes(key, patience());
    expect(existsSync(file)).toBe(false);
    expect((await world.devices()).length).toBe(devices.length - 1);
    await expect(world.raw.get(`/volumes/${name}`)).rejects.toMatchObject({ status: 404 });
    // A file without a volume stays, whatever became of the volume.
    for (const [orphan, age] of [
      ['gone', 7200],
      ['recent', 0],
      ['only', 7200],
    ] as const) {
      const path = join(await world.folderOf(storeVolume), `${orphan}.img`);
      await run('mke2fs', ['-q', '-F', path, '1024K']);
      await run('touch', ['-d', `@${Math.floor(Date.now() / 1000) - age}`, path]);
      if (orphan === 'only') writeFileSync(path.replace('.img', '.only'), '');
    }
    await printed(world.runtime('sized'), world.plan('next', 'true'));
    const stays = async (orphan: string) => existsSync(join(await world.folderOf(storeVolume), `${orphan}.img`));
    expect([await stays('gone'), await stays('recent'), await stays('only')]).toEqual([true, true, true]);
  });

  it('starts all other bots while the file of one cannot be attached, and says why that one is not started', async () => {
    const runtime = world.runtime('sized');
    expect(await printed(runtime, world.plan('damaged', 'echo kept > /data/kept; sync'))).toBe('');
    const file = await fileOf('damaged');
    for (const device of await world.devices()) await run('losetup', ['-d', device]);
    renameSync(file, `${file}.away`);
    mkdirSync(file);
    const after = world.runtime('sized');
    expect(await printed(after, world.plan('other', 'echo fine > /data/x; cat /data/x'))).toBe('fine');
    await expect(after.create(world.plan('damaged', 'true'), patience())).rejects.toMatchObject({
      problem: {
        code: 'CONTAINER_ERROR',
        message: expect.stringContaining(`${volumeName({ userId, botId: 'damaged' })}.img`),
      },
    });
    rmdirSync(file);
    renameSync(`${file}.away`, file);
    expect(await printed(after, world.plan('damaged', 'cat /data/kept'))).toBe('kept');
  });

  it('does not hold the check while the programs that make file systems fail, and bots that have theirs still start', async () => {
    expect(await printed(world.runtime('sized'), world.plan('earlier', 'echo kept > /data/kept; sync'))).toBe('');
    const bin = mkdtempSync(join(world.dir, 'bin-'));
    symlinkSync('/bin/false', join(bin, 'mke2fs'));
    const runtime = world.runtime('sized', { programs: { ...process.env, PATH: `${bin}:${process.env['PATH']}` } });
    await runtime.info(patience());
    const disk = async () => (await runtime.safety(patience())).find(({ name }) => name === 'disk');
    await runtime.measureDisk([], 1000, patience());
    await expect
      .poll(disk, { timeout: 60_000 })
      .toMatchObject({ ok: false, message: expect.stringContaining('mke2fs') });
    expect(await printed(runtime, world.plan('earlier', 'cat /data/kept'))).toBe('kept');
  });

  it('says so where it cannot be made, and starts no bot that was to have it', async () => {
    const before = world.runtime('sized');
    expect(await before.safety(patience())).toContainEqual(expect.objectContaining({ name: 'disk', ok: false }));
    const programs = { PATH: '/nonexistent' };
    const runtime = world.runtime('sized', { programs });
    await expect(runtime.create(world.plan('refused', 'true'), patience())).rejects.toMatchObject({
      problem: { code: 'CONTAINER_ERROR' },
    });
  });
});
