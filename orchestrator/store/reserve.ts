/**
 * Space on disk that belongs to the store before it needs it, so that what is small can be stored on a full disk, for as long as it is full.
 *
 * SQLite notices too late that a disk is full. With a log (WAL) a commit only appends to the log, and the database grows when the
 * log is moved into it; without space for that the log grows instead, until nothing can be written, neither by anybody nor by SQLite itself.
 *
 * Invariants:
 * 1. Every page that a commit adds to the database has its space in the database's file before the commit: moving the log never needs any.
 * 2. The log has its first `logBytes` on disk from the opening on, and so it does after a stop: the file is kept under another name.
 * 3. Inside of the database `freeBytes` of unused pages are kept while there is room. While the disk is low it may not grow, and lives on these.
 *
 * A file system that copies on write (btrfs, ZFS) gives no such promise; there, the mark of disk-space.ts is what helps.
 */
import {
  closeSync,
  existsSync,
  fdatasyncSync,
  fstatSync,
  ftruncateSync,
  linkSync,
  openSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import type { DatabaseSync } from 'node:sqlite';

const mib = 1024 * 1024;
const pageBytes = 4096;
const headerBytes = 32;

/** How much of a disk of that size a store keeps for itself, in bytes, and after how many pages its log is moved into the database. */
export interface ReserveSizes {
  readonly logBytes: number;
  readonly freeBytes: number;
  readonly checkpointPages: number;
}

// 16 MB. A checkpoint holds the event loop, and costs the less the more often a page was written in the meantime.
const usualCheckpointPages = 4_000;
const checkpointPagesMin = 64;
const smallestBytes = 256 * 1024;

/** Of a small disk no more than a sixteenth for each. */
export function reserveSizes(totalBytes: number): ReserveSizes {
  const share = Math.max(smallestBytes, Math.floor(totalBytes / 16));
  return {
    logBytes: Math.min(2 * mib, share),
    freeBytes: Math.min(2 * mib, share),
    checkpointPages: Math.max(checkpointPagesMin, Math.min(usualCheckpointPages, Math.floor(share / pageBytes))),
  };
}

const keptName = (database: string): string => `${database}-reserve`;
const logName = (database: string): string => `${database}-wal`;

/** Before SQLite opens the database: its log gets the space that it had before the last stop. */
export function returnLogSpace(database: string): void {
  const [kept, log] = [keptName(database), logName(database)];
  if (!existsSync(kept)) return;
  // A stop that was cut short: it is the same file.
  if (existsSync(log) || !existsSync(database)) rmSync(kept);
  else {
    eraseHeader(kept);
    renameSync(kept, log);
  }
}

/** Around the closing, which removes the log: its space stays. */
export function closeAndKeepLogSpace(database: string, logBytes: number, close: () => void): void {
  const kept = keptName(database);
  let isKept = false;
  try {
    rmSync(kept, { force: true });
    linkSync(logName(database), kept);
    isKept = true;
  } catch {
    // A file system without links: the log begins without its space.
  }
  close();
  if (!isKept) return;
  if (existsSync(logName(database))) rmSync(kept);
  else eraseHeader(kept, logBytes);
}

/** All of it is in the database: without its header SQLite takes the log for empty (https://www.sqlite.org/fileformat2.html#walformat). */
function eraseHeader(path: string, mostBytes = Number.POSITIVE_INFINITY): void {
  const file = openSync(path, 'r+');
  try {
    writeSync(file, Buffer.alloc(headerBytes), 0, headerBytes, 0);
    if (fstatSync(file).size > mostBytes) ftruncateSync(file, mostBytes);
    fdatasyncSync(file);
  } finally {
    closeSync(file);
  }
}

// As SQLite has it: https://www.sqlite.org/rescode.html#full.
const diskFull = (): Error => Object.assign(new Error('database or disk is full'), { errcode: 13 });

const zeros = Buffer.alloc(256 * 1024);

/** Makes the file at least that long, with its blocks; false when there is no space, and then it is as long as it was. */
export function lengthen(file: number, bytes: number): boolean {
  const { size } = fstatSync(file);
  try {
    for (let at = size; at < bytes; ) at += writeSync(file, zeros, 0, Math.min(zeros.length, bytes - at), at);
    return true;
  } catch (error) {
    if (!isNoSpace(error)) throw error;
    ftruncateSync(file, size);
    return false;
  }
}

const isNoSpace = (error: unknown): boolean =>
  error instanceof Error &&
  'code' in error &&
  (error.code === 'ENOSPC' || error.code === 'EDQUOT' || error.code === 'EFBIG');

const pagesMax = 4_294_967_294;

export class Reserve {
  readonly #db: DatabaseSync;
  /** Of our own, for as long as the database is open: closing it gives up the locks that SQLite has. */
  readonly #file: number;
  readonly #sizes: ReserveSizes;
  readonly #pageCount: () => number;
  readonly #freePages: () => number;
  #isLow = false;

  constructor(db: DatabaseSync, database: string, sizes: ReserveSizes) {
    this.#db = db;
    this.#file = openSync(database, 'r+');
    this.#sizes = sizes;
    const [pages, free] = [db.prepare('PRAGMA page_count'), db.prepare('PRAGMA freelist_count')];
    this.#pageCount = () => Number(pages.get()?.['page_count'] ?? 0);
    this.#freePages = () => Number(free.get()?.['freelist_count'] ?? 0);
  }

  get isLow(): boolean {
    return this.#isLow;
  }

  /** Unused pages beyond those that are kept. */
  get sparePages(): number {
    return Math.max(0, this.#freePages() - this.#keptPages);
  }

  /** How much of what is kept for a full disk is there, 0 to 1. */
  get left(): number {
    return Math.min(1, this.#freePages() / this.#keptPages);
  }

  get #keptPages(): number {
    return Math.floor(this.#sizes.freeBytes / pageBytes);
  }

  /**
   * In a transaction, before its COMMIT: sees to it that the database's file has the space for what it adds, and for what it has taken of the
   * unused pages. Throws as SQLite does on a full disk.
   */
  own(): void {
    const missing = this.#isLow ? 0 : Math.max(0, this.#keptPages - this.#freePages());
    const pages = this.#pageCount();
    if (
      fstatSync(this.#file).size < (pages + missing) * pageBytes &&
      !lengthen(this.#file, (pages + missing) * pageBytes)
    ) {
      throw diskFull();
    }
  }

  /** Between transactions. While the disk is low the database does not grow, and its log stays within the space that it has. */
  setLow(isLow: boolean): void {
    this.#isLow = isLow;
    const { logBytes, checkpointPages } = this.#sizes;
    const pages = isLow ? Math.min(checkpointPages, Math.floor(logBytes / pageBytes / 2)) : checkpointPages;
    this.#db.exec(
      `PRAGMA max_page_count = ${isLow ? this.#pageCount() : pagesMax}; PRAGMA wal_autocheckpoint = ${pages}`,
    );
    if (isLow) this.moveLog();
  }

  /** Moves the log into the database, so that it begins anew. */
  moveLog(): void {
    this.#db.exec('PRAGMA wal_checkpoint(PASSIVE)');
  }

  /** How many bytes are missing of the unused pages that are to be kept; 0 while the disk is low. */
  get missingBytes(): number {
    return this.#isLow ? 0 : Math.max(0, this.#keptPages - this.#freePages()) * pageBytes;
  }

  /** Less than this is not worth filling up. */
  get noticedBytes(): number {
    return this.#sizes.freeBytes / 8;
  }

  /** After the database is closed. */
  close(): void {
    closeSync(this.#file);
  }
}
