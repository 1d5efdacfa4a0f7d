/**
 * Makes the write-ahead log of SQLite durable, outside of SQLite and of the event loop.
 *
 * With synchronous=NORMAL a commit is written to the log and not synced (https://www.sqlite.org/pragma.html#pragma_synchronous);
 * here is the sync that synchronous=FULL would have done in it, in a thread of libuv's pool. SQLite still syncs by itself what
 * has to be in order: the log before a checkpoint, the database after it, and the header of a log that begins anew.
 *
 * 1. Only what was committed before sync() was called is on disk when it resolves.
 * 2. After one failure nothing is ever said to be on disk again: the kernel reports a page that it could not write once, and
 *    drops it (https://wiki.postgresql.org/wiki/Fsync_Errors), so that a second attempt would succeed without having written it.
 *    A sync that does not end within its bound is a failure, too.
 * 3. What is in the log when it is opened is written to it again before it is synced. A process that was killed may have left
 *    commits there that are not on disk; after a sync that failed, the kernel shows them to whoever reads the file and takes them
 *    to be written.
 */
import { closeSync, fdatasync, fdatasyncSync, fsyncSync, openSync, readSync, realpathSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { type Clock, systemClock } from '#common/clock.ts';
import { lengthen } from './reserve.ts';

/** The calls to the system that make a file durable. */
export interface Disk {
  /** Writes all of the bytes at that place in the file. */
  write(file: number, bytes: Uint8Array, at: number): void;
  /** Returns when what was written to the file is on disk; holds the event loop. */
  syncNow(file: number): void;
  /** Resolves when what was written to the file before is on disk. */
  sync(file: number): Promise<void>;
}

export const systemDisk: Disk = {
  write(file, bytes, at) {
    for (let done = 0; done < bytes.length; ) done += writeSync(file, bytes, done, bytes.length - done, at + done);
  },
  syncNow: fdatasyncSync,
  sync: promisify(fdatasync),
};

// Linux gives a request to a disk 30 s (nvme_core.io_timeout, /sys/block/*/device/timeout) before it resets the disk and repeats the
// request, which then succeeds as a rule; a store that was given up has to be opened anew.
const slowSeconds = 10;
const lostSeconds = 90;

export interface LogSyncOptions {
  readonly disk?: Partial<Disk>;
  /** Its callbacks may throw: see common/background.ts. */
  readonly clock?: Clock;
  /** How long the log is made at the opening, with its blocks on disk, if there is space: see reserve.ts. */
  readonly ownBytes?: number;
}

export class LogSync {
  // Of our own. SQLite locks the database and not its log, so that closing this one gives up no lock.
  readonly #file: number;
  readonly #disk: Disk;
  readonly #clock: Clock;
  readonly #ownBytes: number;
  #failure: { readonly reason: unknown } | undefined;
  #hanging: Promise<void> | undefined;

  /** `database` is open, in WAL mode: it keeps its log until it is closed. Nothing has been written to it since it was opened. */
  constructor(database: string, { disk, clock = systemClock, ownBytes = 0 }: LogSyncOptions = {}) {
    // SQLite follows links, and keeps the log beside the file itself.
    const path = realpathSync(database);
    this.#file = openSync(`${path}-wal`, 'r+');
    this.#disk = { ...systemDisk, ...disk };
    this.#clock = clock;
    this.#ownBytes = ownBytes;
    try {
      this.#writeAgain();
      syncFolder(dirname(path));
    } catch (error) {
      closeSync(this.#file);
      throw error;
    }
  }

  /** Settles when the sync that was given up has ended after all; undefined when none is under way. Never rejects. */
  get hanging(): Promise<void> | undefined {
    return this.#hanging;
  }

  /**
   * Resolves when all that was committed before is on disk. Rejects with the error of the first sync that failed. Calls `onSlow` with
   * the seconds it has taken, once, when it takes long.
   */
  async sync(onSlow: (seconds: number) => void = () => undefined): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure.reason;
    try {
      await this.#inTime(this.#disk.sync(this.#file), onSlow);
    } catch (reason) {
      this.#failure ??= { reason };
    }
    // It may have been another one that failed while this one was under way.
    if (this.#failure !== undefined) throw this.#failure.reason;
  }

  /** After SQLite has cut it: makes it as long as at the opening. Zeros instead of a header, or behind the last commit, are no commits. */
  takeSpace(): void {
    lengthen(this.#file, this.#ownBytes);
  }

  close(): void {
    closeSync(this.#file);
  }

  /** Rejects when the sync does, or when it has taken too long. */
  #inTime(syncing: Promise<void>, onSlow: (seconds: number) => void): Promise<void> {
    return new Promise((resolve, reject) => {
      // Counted second by second: a program that was stopped for minutes finds all that is due at once, before it hears of a sync that has
      // ended meanwhile.
      let seconds = 0;
      let cancel = () => {};
      const tick = () => {
        cancel = this.#clock.after(1000, () => {
          seconds += 1;
          if (seconds < lostSeconds) tick();
          else {
            this.#hanging = syncing.then(over, over);
            reject(new Error(`a sync has not ended within ${lostSeconds} s`));
          }
          if (seconds === slowSeconds) onSlow(seconds);
        });
      };
      const over = () => {
        this.#hanging = undefined;
      };
      tick();
      syncing.finally(() => cancel()).then(resolve, reject);
    });
  }

  #writeAgain(): void {
    const piece = new Uint8Array(rewrittenBytes);
    for (let at = 0; ; ) {
      const length = readSync(this.#file, piece, 0, piece.length, at);
      if (length === 0) break;
      this.#disk.write(this.#file, piece.subarray(0, length), at);
      at += length;
    }
    this.takeSpace();
    this.#disk.syncNow(this.#file);
  }
}

const rewrittenBytes = 1024 * 1024;

/** The names of new files are durable with their folder; some file systems keep folders by themselves, and cannot be asked to. */
function syncFolder(path: string): void {
  try {
    const folder = openSync(path, 'r');
    try {
      fsyncSync(folder);
    } finally {
      closeSync(folder);
    }
  } catch (error) {
    if (!cannotSyncFolders.includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
  }
}

const cannotSyncFolders = ['EINVAL', 'ENOTSUP', 'ENOSYS', 'EISDIR', 'EBADF', 'EPERM', 'EACCES'];
