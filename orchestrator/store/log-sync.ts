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
 */
import { closeSync, fdatasync, fdatasyncSync, fsyncSync, openSync, realpathSync } from 'node:fs';
import { dirname } from 'node:path';
import { promisify } from 'node:util';

/** Resolves when what was written to the file is on disk. */
export type SyncFile = (file: number) => Promise<void>;

export class LogSync {
  // Of our own. SQLite locks the database and not its log, so that closing this one gives up no lock.
  readonly #file: number;
  readonly #syncFile: SyncFile;
  #failure: { readonly reason: unknown } | undefined;

  /** `database` is open, in WAL mode: it keeps its log until it is closed. Syncs what is in the log already. */
  constructor(database: string, syncFile: SyncFile = promisify(fdatasync)) {
    // SQLite follows links, and keeps the log beside the file itself.
    const path = realpathSync(database);
    // Not only for reading: some systems sync no file that cannot be written.
    this.#file = openSync(`${path}-wal`, 'r+');
    this.#syncFile = syncFile;
    // A process that was killed may have left commits that are in the log and not on disk; they are about to be read.
    fdatasyncSync(this.#file);
    syncFolder(dirname(path));
  }

  /** Resolves when all that was committed before is on disk. Rejects with the error of the first sync that failed. */
  async sync(): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure.reason;
    try {
      await this.#syncFile(this.#file);
    } catch (reason) {
      this.#failure ??= { reason };
    }
    // It may have been another one that failed while this one was under way.
    if (this.#failure !== undefined) throw this.#failure.reason;
  }

  close(): void {
    closeSync(this.#file);
  }
}

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
