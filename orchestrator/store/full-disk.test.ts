/** A store on a disk that somebody else fills: a small file system of its own, where one can be mounted. */
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { mountSmallDisk, type SmallDisk } from '../../test/kit/small-disk.ts';
import { openSqliteStore } from './sqlite.ts';
import type { Store } from './store.ts';
import { codeOf } from './testing/codes.ts';
import { aBot, anEvent } from './testing/rows.ts';

// Larger ones only take longer: the store keeps the same share of them.
describe.each([24])('on a disk of %d MiB', (mebibytes) => {
  let disk: SmallDisk | undefined;
  let store: Store;
  const answered = new Set<string>();
  const open = () => openSqliteStore(join(disk?.path ?? '', 'store'));

  beforeEach(async ({ skip }) => {
    disk = mountSmallDisk(mebibytes);
    if (disk === undefined) return skip('no file system can be mounted here');
    answered.clear();
    store = open();
    await store.upkeep.keepReserve();
  });
  afterEach(async () => {
    if (disk === undefined) return;
    await store.close();
    disk[Symbol.dispose]();
  });

  /** As a stop or a report of a worker. */
  async function small(name: string): Promise<string> {
    const code = await codeOf(
      store.change([], (tx) => {
        tx.bots.put(aBot(name, { specSealed: new Uint8Array(500) }));
        tx.outbox.add(anEvent(name, name));
      }),
    );
    if (code === 'ok') answered.add(name);
    return code;
  }
  /** As a piece of an upload. */
  async function large(name: string): Promise<string> {
    return codeOf(
      (async () => {
        await store.assertRoom();
        await store.change([], (tx) => tx.artifacts.addChunk(name, 0, new Uint8Array(256 * 1024).fill(1)));
      })(),
    );
  }
  const kept = () => store.look([], (tx) => new Set(tx.bots.ofUser('ann').map(({ botId }) => botId)));
  async function untilRefused(work: (name: string) => Promise<string>): Promise<number> {
    for (let n = 0; ; n++) if ((await work(`n${n}`)) !== 'ok') return n;
  }
  const smallOnes = async (prefix: string, count: number) => {
    const codes = new Set<string>();
    for (let n = 0; n < count; n++) codes.add(await small(`${prefix}${n}`));
    return [...codes];
  };

  it('stores what is small after what is large has taken all there was, and everything again when there is space', async () => {
    if (disk === undefined) return;
    expect(await untilRefused(large)).toBeGreaterThan(10);
    expect(await smallOnes('full', 200)).toEqual(['ok']);
    expect(await large('more')).toBe('STORAGE_FULL');
    const uploads = await store.upkeep.unfinishedUploads();
    for (const upload of uploads) while ((await store.upkeep.removeChunks(upload, 32)) > 0);
    while (await store.upkeep.shrink(64));
    expect(await large('again')).toBe('ok');
    expect(await kept()).toEqual(answered);
  });

  it('stores what is small while somebody else has all of it, also after it was stopped, and recovers without a restart', async () => {
    if (disk === undefined) return;
    await smallOnes('before', 300);
    disk.fill();
    expect(await large('refused')).toBe('STORAGE_FULL');
    expect(await smallOnes('full', 50)).toEqual(['ok']);
    expect(store.trouble()).toContain('almost full');
    await store.close();
    disk.fill();
    store = open();
    expect(await kept()).toEqual(answered);
    expect(await smallOnes('stopped', 20)).toEqual(['ok']);
    expect(await large('refused')).toBe('STORAGE_FULL');
    disk.empty();
    expect(await large('again')).toBe('ok');
    expect(store.trouble()).toBeUndefined();
    expect(await kept()).toEqual(answered);
  });

  it('is full at any moment, while much is being written, and loses nothing that was answered', async () => {
    if (disk === undefined) return;
    for (let round = 0; round < 3; round++) {
      let over = false;
      const writers = Array.from({ length: 6 }, async (_, writer) => {
        for (let n = 0; !over; n++) {
          const name = `r${round}-w${writer}-${n}`;
          if ((await (writer < 3 ? small(name) : large(name))) !== 'ok') break;
        }
      });
      for (let n = 0; n < 20 * (round + 1); n++) await small(`r${round}-${n}`);
      disk.fill();
      over = true;
      await Promise.all(writers);
      expect(await smallOnes(`r${round}-full`, 50)).toEqual(['ok']);
      for (const upload of await store.upkeep.unfinishedUploads()) {
        while ((await store.upkeep.removeChunks(upload, 32)) > 0);
      }
      disk.empty();
      while (await store.upkeep.shrink(64));
      expect(await large(`r${round}-again`)).toBe('ok');
      await store.upkeep.keepReserve();
    }
    expect(await kept()).toEqual(answered);
    await store.close();
    store = open();
    expect(await kept()).toEqual(answered);
  });
});
