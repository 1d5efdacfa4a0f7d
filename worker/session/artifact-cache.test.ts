import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '#common/clock.ts';
import { silentLogger } from '#common/log.ts';
import { ProblemError } from '#common/problem.ts';
import { Secret } from '#common/secret.ts';
import { TransientError } from '#common/waiting/transient.ts';
import { eventually } from '../../test/kit/eventually.ts';
import { mountSmallDisk, type SmallDisk } from '../../test/kit/small-disk.ts';
import { type ScriptedOrchestrator, startScriptedOrchestrator } from '../../test/worker/kit/scripted-orchestrator.ts';
import { ArtifactCache } from './artifact-cache.ts';
import { type Channel, createChannel } from './channel.ts';

let dir = '';
let orchestrator: ScriptedOrchestrator;
let channel: Channel;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'artifacts-'));
  orchestrator = await startScriptedOrchestrator();
  const endpoint = { url: orchestrator.url, target: orchestrator.address, tls: false, loopback: true };
  channel = createChannel(endpoint, new Secret('a-token'), () => null);
});
afterEach(async () => {
  channel.close();
  orchestrator.kill();
  await rm(dir, { recursive: true, force: true });
});

const never = new AbortController().signal;
const open = (parts: { cacheMaxBytes?: number; cacheMaxFiles?: number; channel?: () => Channel | undefined } = {}) =>
  ArtifactCache.open({
    dir,
    sealKey: new Secret<Uint8Array>(new Uint8Array(32).fill(7)),
    clock: systemClock,
    logger: silentLogger,
    cacheMaxBytes: 1e9,
    channel: () => channel,
    ...parts,
  });
const offer = (fill: number, size = 5000): string => {
  const bytes = new Uint8Array(size).fill(fill);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  orchestrator.artifacts.set(sha256, bytes);
  return sha256;
};

describe('artifacts', () => {
  it('are fetched once, checked, and kept', async () => {
    const cache = await open();
    const sha256 = offer(1);
    const { tar, release } = await cache.fetch(sha256, never);
    expect(await buffer(tar.open())).toEqual(Buffer.alloc(5000, 1));
    release();
    (await cache.fetch(sha256, never)).release();
    (await (await open()).fetch(sha256, never)).release();
    expect(orchestrator.fetches).toEqual([sha256]);
  });

  it('of a session that ends right then are fetched later, like those of one that broke', async () => {
    const sha256 = offer(2);
    const cache = await open();
    // The look at the session and the call are two moments: it can end in between.
    const fetching = cache.fetch(sha256, never);
    channel.close();
    await expect(fetching).rejects.toBeInstanceOf(TransientError);
    await expect(cache.fetch(sha256, never)).rejects.toBeInstanceOf(TransientError);
    expect(await readdir(dir)).toEqual([]);
  });

  it('are fetched once for many who ask at the same time', async () => {
    const cache = await open();
    const sha256 = offer(2);
    const got = await Promise.all(Array.from({ length: 10 }, () => cache.fetch(sha256, never)));
    for (const { release } of got) release();
    expect(orchestrator.fetches).toHaveLength(1);
  });

  it('continue for the others when one gives up', async () => {
    const cache = await open();
    const sha256 = offer(3, 200_000);
    const controller = new AbortController();
    const givenUp = cache.fetch(sha256, controller.signal);
    const kept = cache.fetch(sha256, never);
    await Promise.resolve();
    controller.abort(new Error('not wanted'));
    await expect(givenUp).rejects.toThrow('not wanted');
    (await kept).release();
  });

  it('that arrive damaged are not kept, and may be asked for again', async () => {
    const cache = await open();
    const sha256 = offer(4);
    orchestrator.artifacts.set(sha256, new Uint8Array([9]));
    await expect(cache.fetch(sha256, never)).rejects.toThrow(TransientError);
    expect(await readdir(dir)).toEqual([]);
  });

  it('that the orchestrator does not have are a problem, an orchestrator that is away is none', async () => {
    const missing = (await open()).fetch('0'.repeat(64), never);
    await expect(missing).rejects.toThrow(ProblemError);
    await expect(missing).rejects.toMatchObject({ problem: { code: 'ARTIFACT_NOT_FOUND' } });
    const away = await open({ channel: () => undefined });
    await expect(away.fetch(offer(5), never)).rejects.toThrow(TransientError);
    const sha256 = offer(6);
    orchestrator.kill();
    await expect((await open()).fetch(sha256, never)).rejects.toThrow(TransientError);
  });

  const contentOf = async (cache: ArtifactCache, sha256: string): Promise<Buffer> => {
    const { tar, release } = await cache.fetch(sha256, never);
    const bytes = await buffer(tar.open());
    release();
    return bytes;
  };

  it('are sealed, those that an earlier version has left too, and fetched again when they cannot be opened', async () => {
    const [fresh, former] = [offer(7), offer(8)];
    await writeFile(join(dir, `${former}.tar`), new Uint8Array(5000).fill(8));
    const cache = await open();
    expect(await contentOf(cache, former)).toEqual(Buffer.alloc(5000, 8));
    expect(await contentOf(cache, fresh)).toEqual(Buffer.alloc(5000, 7));
    expect((await readFile(join(dir, `${fresh}.tar`))).includes(Buffer.alloc(20, 7))).toBe(false);
    await eventually(
      'it is sealed',
      () => readFile(join(dir, `${former}.tar`)),
      (bytes) => !bytes.includes(Buffer.alloc(20, 8)),
    );
    expect(await contentOf(cache, former)).toEqual(Buffer.alloc(5000, 8));
    expect(orchestrator.fetches).toEqual([fresh]);
    const sealed = await readFile(join(dir, `${fresh}.tar`));
    await writeFile(join(dir, `${fresh}.tar`), sealed.fill(1, 100, 101));
    const damaged = await cache.fetch(fresh, never);
    await expect(buffer(damaged.tar.open())).rejects.toBeInstanceOf(TransientError);
    damaged.release();
    await eventually(
      'it is removed',
      () => readdir(dir),
      (names) => names.length === 1,
    );
    expect(await contentOf(cache, fresh)).toEqual(Buffer.alloc(5000, 7));
  });

  it('are read as they are then when they are sealed between a fetch and a read, and stay when a reader gives up', async () => {
    const sha256 = offer(9, 500_000);
    const cache = await open();
    const path = join(dir, `${sha256}.tar`);
    await writeFile(path, new Uint8Array(500_000).fill(9));
    const held = await cache.fetch(sha256, never);
    await open();
    await eventually(
      'it is sealed',
      () => readFile(path),
      (bytes) => !bytes.includes(Buffer.alloc(20, 9)),
    );
    expect((await buffer(held.tar.open())).equals(Buffer.alloc(500_000, 9))).toBe(true);
    const reader = held.tar.open();
    for await (const _ of reader) break;
    const ended = held.tar.open().on('error', () => undefined);
    ended.destroy(new Error('the build was cancelled'));
    await eventually(
      'it has ended',
      async () => ended.closed,
      (closed) => closed,
    );
    held.release();
    expect(await contentOf(cache, sha256)).toHaveLength(500_000);
    expect(orchestrator.fetches).toEqual([]);
  });

  const untilWhole = async (cache: ArtifactCache, sha256: string, most: number) => {
    for (let tries = 1; ; tries += 1) {
      const error = await cache.fetch(sha256, never).then(
        ({ release }) => release(),
        (reason: unknown) => reason,
      );
      if (error === undefined) return tries;
      expect(error).toBeInstanceOf(TransientError);
      if (tries === most) throw new Error(`not whole after ${most} tries`);
    }
  };

  it('that are cut continue where they were cut, and are sent once altogether', async () => {
    const bytes = randomBytes(50_000);
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    orchestrator.artifacts.set(sha256, bytes);
    orchestrator.fetchCutAfter = 12_500;
    const cache = await open();
    expect(await untilWhole(cache, sha256, 10)).toBe(4);
    expect(orchestrator.fetchedFrom).toEqual([0, 12_500, 25_000, 37_500]);
    expect(await contentOf(cache, sha256)).toEqual(bytes);
    expect(await readdir(dir)).toEqual([`${sha256}.tar`]);
  });

  it('start over with an orchestrator that knows no offsets, and after bytes that were wrong', async () => {
    const bytes = randomBytes(20_000);
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    const cache = await open();
    orchestrator.artifacts.set(
      sha256,
      bytes.map((byte, index) => (index === 5 ? byte ^ 1 : byte)),
    );
    orchestrator.fetchCutAfter = 12_000;
    await expect(cache.fetch(sha256, never)).rejects.toThrow(TransientError);
    orchestrator.fetchCutAfter = Number.POSITIVE_INFINITY;
    await expect(cache.fetch(sha256, never)).rejects.toThrow(/damaged/);
    orchestrator.artifacts.set(sha256, bytes);
    orchestrator.fetchCutAfter = 12_000;
    await expect(cache.fetch(sha256, never)).rejects.toThrow(TransientError);
    orchestrator.knowsOffsets = false;
    orchestrator.fetchCutAfter = Number.POSITIVE_INFINITY;
    expect(await untilWhole(cache, sha256, 1)).toBe(1);
    expect(await contentOf(cache, sha256)).toEqual(bytes);
  });

  it('that were cut are kept in small numbers, and not when nobody wants them any more', async () => {
    const cache = await open();
    orchestrator.fetchCutAfter = 2000;
    for (let fill = 100; fill < 110; fill += 1)
      await expect(cache.fetch(offer(fill), never)).rejects.toThrow(TransientError);
    expect(await readdir(dir)).toHaveLength(4);
    orchestrator.fetchCutAfter = Number.POSITIVE_INFINITY;
    const given = new AbortController();
    const fetching = cache.fetch(offer(120, 3_000_000), given.signal);
    given.abort(new Error('not wanted'));
    await expect(fetching).rejects.toThrow('not wanted');
    await eventually(
      'its bytes are gone',
      () => readdir(dir),
      (names) => names.length === 4,
    );
  });

  it('make room, oldest first, but not those in use', async () => {
    const cache = await open({ cacheMaxBytes: 11_000 });
    const [first, second, third, fourth] = [offer(10), offer(11), offer(12), offer(13)] as const;
    const held = await cache.fetch(first, never);
    (await cache.fetch(second, never)).release();
    (await cache.fetch(third, never)).release();
    (await cache.fetch(fourth, never)).release();
    const kept = await readdir(dir);
    expect(kept).toContain(`${first}.tar`);
    expect(kept).not.toContain(`${second}.tar`);
    held.release();
  });

  it('are no more than a number, however small they are', async () => {
    const cache = await open({ cacheMaxFiles: 3 });
    const held = await cache.fetch(offer(20, 10), never);
    for (let n = 21; n < 40; n += 1) (await cache.fetch(offer(n, 10), never)).release();
    expect((await readdir(dir)).sort()).toEqual(
      [offer(20, 10), offer(38, 10), offer(39, 10)].map((sha) => `${sha}.tar`).sort(),
    );
    held.release();
  });

  it('left half-done by an earlier process are removed', async () => {
    await writeFile(join(dir, `${'a'.repeat(64)}.tar.part`), 'half');
    await open();
    expect(await readdir(dir)).toEqual([]);
  });
});

describe('on a small disk', () => {
  let disk: SmallDisk | undefined;
  beforeEach(async ({ skip }) => {
    disk = mountSmallDisk(1);
    if (disk === undefined) return skip('no file system can be mounted here');
    await rm(dir, { recursive: true });
    dir = join(disk.path, 'artifacts');
  });
  afterEach(() => disk?.[Symbol.dispose]());

  it('artifacts that nobody reads make room for the one that is needed, and one that is read stays', async () => {
    const cache = await open();
    const [old, read, next] = [offer(1, 200_000), offer(2, 200_000), offer(3, 200_000)];
    (await cache.fetch(old, never)).release();
    const held = await cache.fetch(read, never);
    disk?.fill();
    await expect(cache.fetch(next, never)).rejects.toMatchObject({
      message: expect.stringMatching(/disk of the worker is full.*older ones were removed/),
    });
    const { tar, release } = await cache.fetch(next, never);
    expect(await buffer(tar.open())).toEqual(Buffer.alloc(200_000, 3));
    release();
    expect(await buffer(held.tar.open())).toEqual(Buffer.alloc(200_000, 2));
    held.release();
    disk?.fill();
    const more = offer(4, 900_000);
    // The first try removes what nobody reads any more.
    for (let n = 0; n < 3; n += 1) await expect(cache.fetch(more, never)).rejects.toBeInstanceOf(TransientError);
    expect(await readdir(dir)).toEqual([]);
    disk?.empty();
    (await cache.fetch(more, never)).release();
  });

  it('the bound holds once a download has ended, whatever was there before it', async () => {
    const cache = await open({ cacheMaxBytes: 250_000 });
    for (let n = 1; n < 6; n += 1) (await cache.fetch(offer(n, 100_000 + n), never)).release();
    const sizes = await Promise.all((await readdir(dir)).map(async (name) => (await stat(join(dir, name))).size));
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThanOrEqual(250_000);
    expect(sizes).toHaveLength(2);
  });
});
