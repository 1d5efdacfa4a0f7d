/**
 * A store that is opened after a sync of it has failed and its process has been killed. The kernel has dropped the pages that it could
 * not write, and still shows them to whoever reads the file: https://wiki.postgresql.org/wiki/Fsync_Errors.
 */
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type Disk, systemDisk } from './log-sync.ts';
import { openSqliteStore } from './sqlite.ts';
import type { Store } from './store.ts';
import { aBot, anEvent } from './testing/rows.ts';

const sectorBytes = 512;
const headerBytes = 32;

/** The page cache of one log, and the disk beneath it. */
class Kernel implements Disk {
  #path: string;
  /** The log as it is on the disk. */
  onDisk: Buffer = Buffer.alloc(0);
  /** The log as it was when all of it was last taken to be on disk. */
  #clean: Buffer = Buffer.alloc(0);
  readonly #written = new Set<number>();
  /** Whether the disk loses what it is given. */
  failing = false;

  constructor(path: string) {
    this.#path = path;
  }

  /** The file has another name now. */
  follow(path: string): void {
    this.#path = path;
  }

  write(file: number, bytes: Uint8Array, at: number): void {
    systemDisk.write(file, bytes, at);
    for (let sector = Math.floor(at / sectorBytes); sector * sectorBytes < at + bytes.length; sector++) {
      this.#written.add(sector);
    }
  }

  syncNow(): void {
    const now = readFileSync(this.#path);
    const disk = Buffer.alloc(now.length);
    this.onDisk.copy(disk);
    for (let sector = 0; sector * sectorBytes < now.length; sector++) {
      const [start, end] = [sector * sectorBytes, Math.min((sector + 1) * sectorBytes, now.length)];
      const isDirty = this.#written.has(sector) || !now.subarray(start, end).equals(this.#clean.subarray(start, end));
      if (isDirty && !this.failing) now.copy(disk, start, start, end);
    }
    // SQLite syncs the header by itself, before the first frame.
    now.copy(disk, 0, 0, headerBytes);
    this.onDisk = disk;
    // Also what could not be written is clean from now on: it is neither kept for later nor reported again.
    this.#clean = now;
    this.#written.clear();
    if (this.failing) throw Object.assign(new Error('EIO: i/o error, fdatasync'), { code: 'EIO' });
  }

  async sync(): Promise<void> {
    this.syncNow();
  }
}

let root: string;
let kernel: Kernel;
let opened: Store[];
const database = (dir: string) => join(dir, 'store.sqlite');
const logOf = (dir: string) => `${database(dir)}-wal`;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'failed-sync-'));
  kernel = new Kernel(logOf(join(root, 'first')));
  opened = [];
});
afterEach(async () => {
  for (const store of opened) await store.close();
  rmSync(root, { recursive: true });
});

function openStore(name: string): Store {
  const dir = join(root, name);
  if (!existsSync(dir)) mkdirSync(dir);
  const disk: Disk = {
    write: (file, bytes, at) => kernel.write(file, bytes, at),
    syncNow: () => kernel.syncNow(),
    sync: () => kernel.sync(),
  };
  const store = openSqliteStore(dir, undefined, { disk });
  opened.push(store);
  return store;
}

const add = (store: Store, botId: string) =>
  store.change([], (tx) => {
    tx.bots.put(aBot(botId, { specSealed: new Uint8Array(10_000) }));
    tx.outbox.add(anEvent(botId, botId));
  });
const botsOf = (store: Store) =>
  store.look([], (tx) =>
    tx.bots
      .ofUser('ann')
      .map(({ botId }) => botId)
      .sort(),
  );

/** The process is killed, and the files are as the system shows them. */
function killed(from: string, to: string): void {
  mkdirSync(join(root, to));
  copyFileSync(database(join(root, from)), database(join(root, to)));
  copyFileSync(logOf(join(root, from)), logOf(join(root, to)));
  kernel.follow(logOf(join(root, to)));
}

/** The bots that are there when the power was cut and came back. */
async function afterPowerCut(from: string): Promise<readonly string[]> {
  const dir = mkdtempSync(join(root, 'cut-'));
  copyFileSync(database(join(root, from)), database(dir));
  writeFileSync(logOf(dir), kernel.onDisk);
  const store = openSqliteStore(dir);
  const bots = await botsOf(store);
  await store.close();
  return bots;
}

it('shows nothing, and builds on nothing, that a power cut takes away', async () => {
  const first = openStore('first');
  await add(first, 'answered');
  kernel.failing = true;
  await expect(add(first, 'unknown')).rejects.toMatchObject({ problem: { code: 'UNAVAILABLE' } });
  kernel.failing = false;
  killed('first', 'second');
  const second = openStore('second');
  expect(await botsOf(second)).toEqual(['answered', 'unknown']);
  expect(await afterPowerCut('second')).toEqual(['answered', 'unknown']);
  await add(second, 'later');
  expect(await afterPowerCut('second')).toEqual(['answered', 'later', 'unknown']);
});

it('does not open when the disk still fails', async () => {
  const first = openStore('first');
  await add(first, 'answered');
  killed('first', 'second');
  kernel.failing = true;
  expect(() => openStore('second')).toThrow('EIO');
});
