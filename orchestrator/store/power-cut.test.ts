/**
 * Power that is cut at any moment. What is on the disk then: of the log, what the last finished sync has covered, and any of the
 * sectors written since; of the rest, what SQLite syncs by itself (https://www.sqlite.org/wal.html). Each such disk is opened.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { openSqliteStore } from './sqlite.ts';
import { aBot, anEvent } from './testing/rows.ts';

const sectorBytes = 512;
const headerBytes = 32;
const cutsOfRun = 30;

interface Disk {
  readonly database: Buffer;
  readonly log: Buffer;
}

// The lock on the database goes with the first descriptor of it that is closed; nobody else opens it here.
const diskNow = (dir: string): Disk => ({
  database: readFileSync(join(dir, 'store.sqlite')),
  log: readFileSync(join(dir, 'store.sqlite-wal')),
});

/** Whether a log was moved into the database since. What was added to its file for later, zeros, is no part of it yet. */
function isMoved(before: Buffer, now: Buffer): boolean {
  const length = Math.min(before.length, now.length);
  const added = (now.length > length ? now : before).subarray(length);
  return !before.subarray(0, length).equals(now.subarray(0, length)) || added.some((byte) => byte !== 0);
}

/** A disk that may be left: `synced` is that of the last finished sync, `written` what the system has been given. */
function afterCut(synced: Disk, written: Disk, random: () => number): Disk {
  // A checkpoint syncs the log before it changes the database, and then the database.
  if (isMoved(synced.database, written.database)) return written;
  const log = Buffer.from(written.log);
  for (let at = 0; at < log.length; at += sectorBytes) {
    if (random() < 0.5) continue;
    const end = Math.min(at + sectorBytes, log.length);
    log.fill(0, at, end);
    synced.log.subarray(at, end).copy(log, at);
  }
  // The header of a log that begins anew is synced before its frames are written.
  written.log.copy(log, 0, 0, headerBytes);
  return { database: written.database, log };
}

/** What is in the store on that disk: the highest generation of each bot. */
async function reopened(disk: Disk, dir: string): Promise<ReadonlyMap<string, number>> {
  mkdirSync(dir);
  writeFileSync(join(dir, 'store.sqlite'), disk.database);
  writeFileSync(join(dir, 'store.sqlite-wal'), disk.log);
  const store = openSqliteStore(dir);
  const bots = await store.look([], (tx) => tx.bots.ofUser('ann'));
  // Each write raised one generation and added one event: all of it or nothing.
  expect(bots.reduce((sum, { generation }) => sum + generation, 0)).toBe(store.lastSeq());
  await store.close();
  rmSync(dir, { recursive: true });
  return new Map(bots.map(({ botId, generation }) => [botId, generation]));
}

/** Writes while the power is cut again and again. Returns how often an answered write was gone, and how often the log began anew. */
async function loseWrites(random: () => number, { disksLie, cuts }: { disksLie: boolean; cuts: number }) {
  const root = mkdtempSync(join(tmpdir(), 'power-cut-'));
  const dir = join(root, 'store');
  const answered = new Map<string, number>();
  const begun = new Set<string>();
  const counts = { lost: 0, cuts: 0 };
  let synced: Disk | undefined;
  let over = false;
  const store = openSqliteStore(dir, undefined, {
    checkpointPages: 300,
    disk: {
      sync: async () => {
        const written = diskNow(dir);
        begun.add(written.log.toString('hex', 0, headerBytes));
        synced ??= written;
        const kept = await reopened(afterCut(synced, written, random), join(root, `cut-${counts.cuts++}`));
        if ([...answered].some(([botId, generation]) => (kept.get(botId) ?? 0) < generation)) counts.lost += 1;
        over = counts.cuts >= cuts;
        await delay(random() * 4);
        if (!disksLie) synced = written;
      },
    },
  });
  const client = async (botId: string) => {
    for (let generation = 1; !over; generation++) {
      // Large, so that the log begins anew several times.
      const specSealed = new Uint8Array(20_000).fill(generation);
      await store.change(
        [],
        (tx) => {
          tx.bots.put(aBot(botId, { generation, specSealed }));
          tx.outbox.add(anEvent(`${botId}-${generation}`, botId, generation));
        },
        random() < 0.5 ? 'now' : 'soon',
      );
      answered.set(botId, generation);
    }
  };
  try {
    await Promise.all(Array.from({ length: 8 }, (_, n) => client(`b${n}`)));
    await store.close();
    return { lost: counts.lost, logs: begun.size };
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

/** The same numbers each time (mulberry32). */
function numbersFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let bits = Math.imul(state ^ (state >>> 15), state | 1);
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61);
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32;
  };
}

it(`${cutsOfRun} cuts: no answered write is lost`, async () => {
  const { lost, logs } = await loseWrites(numbersFrom(1), { disksLie: false, cuts: cutsOfRun });
  expect(lost).toBe(0);
  expect(logs).toBeGreaterThan(1);
});

it('a disk that says too early that it has written is noticed by this test', async () => {
  const { lost } = await loseWrites(numbersFrom(1), { disksLie: true, cuts: 5 });
  expect(lost).toBeGreaterThan(0);
});
