/** What the store says while a commit is on its way to the disk, and after the disk has failed. */
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { eventually } from '../../test/kit/eventually.ts';
import { createManualClock } from '../../test/kit/manual-clock.ts';
import { Reserve } from './reserve.ts';
import { openSqliteStore } from './sqlite.ts';
import type { Store } from './store.ts';
import { openFillableStore } from './testing/fillable-store.ts';
import { HeldDisk } from './testing/held-disk.ts';
import { aBot, anEvent } from './testing/rows.ts';

let dir: string;
let disk: HeldDisk;
let store: Store;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'on-disk-'));
  disk = new HeldDisk();
  store = openSqliteStore(dir, undefined, { disk });
});
afterEach(async () => {
  disk.release();
  await store.close();
  rmSync(dir, { recursive: true });
});

/** Adds an event and a bot of that name; `settled` turns to how it ended. */
function write(name: string): { readonly done: Promise<void>; settled: string } {
  const written = {
    settled: '',
    done: store.change([], (tx) => {
      tx.bots.put(aBot(name));
      tx.outbox.add(anEvent(name, name));
    }),
  };
  written.done.then(
    () => (written.settled = 'answered'),
    () => (written.settled = 'refused'),
  );
  return written;
}
const syncBegun = (count: number) =>
  eventually(
    'a sync has begun',
    () => disk.syncs,
    (syncs) => syncs === count,
  );
const events = async () => (await store.events.after(0, 100)).map(({ eventId }) => eventId);
const bots = () => store.look([], (tx) => tx.bots.ofUser('ann').map(({ botId }) => botId));

it('answers, tells of events and shows them when they are on disk, and not before', async () => {
  let told = 0;
  store.onEvents(() => told++);
  disk.hold();
  const first = write('first');
  await syncBegun(1);
  const order: string[] = [];
  const note = (name: string) => (seen: unknown) => {
    order.push(name);
    return seen;
  };
  const looks = [
    bots().then(note('look')),
    store.events.ofUserAfter('ann', 0, 9).then(note('ofUserAfter')),
    store.events.lastOf('ann', { jobs: true }, 9).then(note('lastOf')),
    store.events.latestOfBots(0, 9).then(note('latestOfBots')),
  ];
  for (let turn = 0; turn < 5; turn++) await setImmediate();
  const seen = { order, settled: first.settled, told, events: await events(), last: store.lastSeq() };
  expect(seen).toEqual({ order: [], settled: '', told: 0, events: [], last: 0 });
  disk.release();
  const one = [expect.objectContaining({ eventId: 'first' })];
  expect(await Promise.all(looks)).toEqual([['first'], one, one, one]);
  await first.done;
  expect({ told, events: await events(), last: store.lastSeq() }).toEqual({ told: 1, events: ['first'], last: 1 });
});

it('splits what comes at once into commits that do not hold the event loop for long, in the same order', async () => {
  const all = Array.from({ length: 2_500 }, (_, n) => write(`b${n}`));
  await Promise.all(all.map(({ done }) => done));
  expect(disk.syncs).toBe(3);
  const ids = (await store.events.after(0, 5_000)).map(({ eventId }) => eventId);
  expect(ids).toEqual(all.map((_, n) => `b${n}`));
});

it('leaves the event loop free meanwhile, and makes all that comes in one commit', async () => {
  disk.hold();
  const first = write('first');
  await syncBegun(1);
  const later = ['a', 'b', 'c'].map(write);
  for (let turn = 0; turn < 5; turn++) await setImmediate();
  later.push(write('d'));
  expect(disk.syncs).toBe(1);
  disk.release();
  await Promise.all([first, ...later].map(({ done }) => done));
  expect(disk.syncs).toBe(2);
  expect(await events()).toEqual(['first', 'a', 'b', 'c', 'd']);
});

it('answers a work that has changed nothing without a sync', async () => {
  await expect(store.change([], (tx) => tx.outbox.lastSeq())).resolves.toBe(0);
  expect(disk.syncs).toBe(0);
});

it('closes when the last commit is on disk', async () => {
  disk.hold();
  const first = write('first');
  await syncBegun(1);
  const second = write('second');
  let closed = false;
  const closing = store.close().then(() => (closed = true));
  await setImmediate();
  expect(closed).toBe(false);
  disk.release();
  await closing;
  expect([first.settled, second.settled]).toEqual(['answered', 'answered']);
  store = openSqliteStore(dir);
  expect(await events()).toEqual(['first', 'second']);
});

it('opens a store that is a link to a file elsewhere, beside which SQLite keeps its log', async () => {
  await write('first').done;
  await store.close();
  const elsewhere = join(dir, 'elsewhere');
  mkdirSync(elsewhere);
  renameSync(join(dir, 'store.sqlite'), join(elsewhere, 'moved.sqlite'));
  symlinkSync(join(elsewhere, 'moved.sqlite'), join(dir, 'store.sqlite'));
  store = openSqliteStore(dir);
  await write('second').done;
  expect(await events()).toEqual(['first', 'second']);
});

it('takes nothing any more once a sync has failed, and does not try again', async () => {
  await write('before').done;
  let told = 0;
  store.onEvents(() => told++);
  disk.hold();
  const failed = write('failed');
  await syncBegun(2);
  const queued = write('queued');
  const waiting = bots();
  disk.fail();
  const lost = { problem: { code: 'UNAVAILABLE', retryable: true } };
  await expect(failed.done).rejects.toMatchObject(lost);
  await expect(queued.done).rejects.toMatchObject(lost);
  await expect(waiting).rejects.toMatchObject(lost);
  // The disk would say now that all is well.
  await expect(write('after').done).rejects.toMatchObject(lost);
  await expect(store.change([], (tx) => tx.outbox.lastSeq())).rejects.toMatchObject(lost);
  await expect(bots()).rejects.toMatchObject(lost);
  await expect(store.events.lastOf('ann', { jobs: true }, 9)).rejects.toMatchObject(lost);
  expect(await store.upkeep.shrink(1)).toBe(false);
  expect({ told, events: await events(), syncs: disk.syncs }).toEqual({ told: 0, events: ['before'], syncs: 2 });
  expect(store.trouble()).toMatch(/the disk of the store has failed: EIO.*restart the orchestrator/);
  await store.close();
  // What was answered is there; what was not may be.
  store = openSqliteStore(dir);
  expect((await events())[0]).toBe('before');
  expect(await events()).not.toContain('queued');
  expect(store.trouble()).toBeUndefined();
});

it('is given up when a sync does not end, and closes without waiting for it', async () => {
  await store.close();
  const clock = createManualClock();
  store = openSqliteStore(dir, undefined, { disk, clock });
  await write('before').done;
  disk.hold();
  const hanging = write('hanging');
  await syncBegun(2);
  const waiting = bots();
  clock.advance(10_000);
  expect(store.trouble()).toMatch(/a write has taken more than 10 s/);
  expect(hanging.settled).toBe('');
  clock.advance(80_000);
  const lost = { problem: { code: 'UNAVAILABLE', retryable: true } };
  await expect(hanging.done).rejects.toMatchObject(lost);
  await expect(waiting).rejects.toMatchObject(lost);
  await expect(write('after').done).rejects.toMatchObject(lost);
  expect(store.trouble()).toMatch(/a sync has not ended within 90 s.*restart the orchestrator/);
  await store.close();
  expect(() => openSqliteStore(dir)).toThrow('database is locked');
  // The files are let go of when the disk answers after all.
  disk.release();
  store = await eventually(
    'the store can be opened again',
    () => openSqliteStore(dir),
    () => true,
  );
  expect((await events())[0]).toBe('before');
});

it('works on after a sync that was slow', async () => {
  await store.close();
  const clock = createManualClock();
  store = openSqliteStore(dir, undefined, { disk, clock });
  disk.hold();
  const slow = write('slow');
  await syncBegun(1);
  clock.advance(89_999);
  expect(store.trouble()).toBeDefined();
  disk.release();
  await slow.done;
  expect([store.trouble(), await events()]).toEqual([undefined, ['slow']]);
  expect(clock.pendingTimers()).toBe(0);
});

it('has stored what is on disk, though the unused pages for a full disk cannot be made after it', async () => {
  class Failing extends Reserve {
    override get missingBytes(): number {
      throw new Error('the disk does not answer');
    }
  }
  const folder = mkdtempSync(join(tmpdir(), 'on-disk-failing-'));
  const { store: failing } = openFillableStore(folder, Failing);
  await failing.change([], (tx) => {
    tx.artifacts.addChunk('u1', 0, new Uint8Array(9));
    tx.bots.put(aBot('echo'));
  });
  expect(await failing.look([], (tx) => tx.bots.ofUser('ann').length)).toBe(1);
  expect(await failing.chunks.chunk('u1', 0)).toBeDefined();
  await failing.close();
  rmSync(folder, { recursive: true });
});
