/**
 * Opens the SQLite store: WAL, opened exclusively (https://www.sqlite.org/wal.html). Commits are synced beside the event loop: see
 * log-sync.ts.
 */
import { chmodSync, mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { Logger } from '#common/log.ts';
import type { Backend } from './backend.ts';
import { createStore, type StoreOptions } from './create-store.ts';
import { openSound, StoreHealth } from './damage.ts';
import { diskNow, isLowOn, type LookAtDisk, lookAt, StoreSpace } from './disk-space.ts';
import { LogSync, type LogSyncOptions } from './log-sync.ts';
import { closeAndKeepLogSpace, Reserve, reserveSizes, returnLogSpace } from './reserve.ts';
import { migrations } from './schema.ts';
import { createSqliteBackend } from './sqlite-backend.ts';
import type { Store } from './store.ts';

/** The state folder was written by a newer release. */
export class SchemaTooNewError extends Error {
  constructor(found: number) {
    super(`the store has schema version ${found}, this release knows up to ${migrations.length}: run a newer release`);
    this.name = 'SchemaTooNewError';
  }
}

/** Brings the schema up to date, each migration in its own transaction. Returns the version. */
export function migrate(db: DatabaseSync, steps: readonly string[] = migrations): number {
  const row = db.prepare('PRAGMA user_version').get();
  const found = Number(row?.['user_version'] ?? 0);
  if (found > steps.length) throw new SchemaTooNewError(found);
  for (const [index, sql] of steps.entries()) {
    if (index < found) continue;
    db.exec(`BEGIN IMMEDIATE; ${sql}; PRAGMA user_version = ${index + 1}; COMMIT`);
  }
  return steps.length;
}

function openFile(path: string, checkpointPages: number): DatabaseSync {
  // SQLite only says that it cannot open it, as it does of a file without permission.
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) {
    throw Object.assign(new Error('the store is a folder'), { code: 'EISDIR', path });
  }
  const db = new DatabaseSync(path);
  try {
    chmodSync(path, 0o600);
    // EXCLUSIVE: a second orchestrator on the same folder fails to open instead of sharing it. NORMAL: LogSync syncs commits.
    db.exec(`
      PRAGMA locking_mode = EXCLUSIVE;
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = NORMAL;
      PRAGMA wal_autocheckpoint = ${checkpointPages};
      PRAGMA foreign_keys = ON;
    `);
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

const pragma = (db: DatabaseSync, name: string): number => Number(db.prepare(`PRAGMA ${name}`).get()?.[name] ?? 0);

// Written again within a second or so; a larger one is left to its operator (docs/DEPLOY.md).
const rewrittenMaxBytes = 256 * 1024 * 1024;

/** Makes a store of an earlier release one whose file can shrink. It must be rewritten for that, once. */
function letShrink(db: DatabaseSync, path: string, logger: Logger | undefined): void {
  if (pragma(db, 'auto_vacuum') === 2) return;
  if (statSync(path).size > rewrittenMaxBytes) {
    logger?.info('the file of the store does not shrink yet: see "The size of the store" in docs/DEPLOY.md');
    return;
  }
  try {
    db.exec('PRAGMA auto_vacuum = INCREMENTAL; VACUUM');
  } catch (error) {
    // A disk too full for a copy: the free space in the file is reused anyway.
    logger?.warn({ err: error }, 'the store could not be rewritten, so its file does not shrink');
  }
}

/** For tests. */
export interface SqliteOptions extends StoreOptions, LogSyncOptions {
  /** After so many pages in the log they are moved to the database. */
  readonly checkpointPages?: number;
  /** What the disk has left. */
  readonly lookAtDisk?: LookAtDisk;
}

/** Opens (and makes, mode 0700/0600) the store in `dir`. */
export const openSqliteStore = (dir: string, logger?: Logger, options: SqliteOptions = {}): Store =>
  createStore(openSqliteBackend(dir, logger, options), options);

function openSqliteBackend(
  dir: string,
  logger: Logger | undefined,
  { checkpointPages, lookAtDisk = lookAt(dir), ...options }: SqliteOptions,
): Backend {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const path = join(dir, 'store.sqlite');
  const disk = diskNow(dir);
  const usual = reserveSizes(disk.totalBytes);
  const sizes = { ...usual, checkpointPages: checkpointPages ?? usual.checkpointPages };
  returnLogSpace(path);
  const db = openSound(path, () => openFile(path, sizes.checkpointPages), logger);
  // Before the first write. When it fails the database is not closed, which would move the log into it.
  const log = new LogSync(path, { ownBytes: sizes.logBytes, ...options });
  letShrink(db, path, logger);
  migrate(db);
  const reserve = new Reserve(db, path, sizes);
  const health = new StoreHealth(logger);
  // Moving the log may find no space where files are copied on write: no reason not to open.
  const changed = (isLow: boolean) => health.trying(() => reserve.setLow(isLow));
  const space = new StoreSpace({ look: lookAtDisk, logger, changed });
  if (isLowOn(disk)) space.ranOut();
  const close = () => {
    closeAndKeepLogSpace(path, sizes.logBytes, () => db.close());
    reserve.close();
    log.close();
  };
  return createSqliteBackend({ db, log, health, reserve, space, close });
}
