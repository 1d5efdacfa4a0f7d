/** The SQLite store: WAL (https://www.sqlite.org/wal.html), group commit, synced outside of the event loop. */
import { chmodSync, mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { Logger } from '#common/log.ts';
import { type Alive, createAlive } from './alive/alive.ts';
import { openSound, type Statements, StoreHealth } from './damage.ts';
import { createGroupCommit, Transaction } from './group-commit.ts';
import { LogSync, type SyncFile } from './log-sync.ts';
import { migrations } from './schema.ts';
import { createSqliteRows } from './sqlite-rows.ts';
import { createSqliteUpkeep } from './sqlite-upkeep.ts';
import type { Store } from './store.ts';
import { createArtifactTable } from './tables/artifacts.ts';
import { createClockTable } from './tables/clock.ts';
import { createIdempotencyTable } from './tables/idempotency.ts';
import { createJobReader } from './tables/jobs.ts';
import { createMetaTable } from './tables/meta.ts';
import { createOpeningTable } from './tables/openings.ts';
import { createOutboxReader, type EventReader } from './tables/outbox.ts';
import { createTaskReader } from './tables/tasks.ts';
import { createTokenTable } from './tables/tokens.ts';
import { createAccessTable } from './tables/workers.ts';
import type { Tables } from './tables.ts';

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

// 16 MB. A checkpoint holds the event loop, and costs the less the more often a page was written in the meantime.
const usualCheckpointPages = 4_000;

/** For tests. */
export interface StoreOptions {
  /** Runs every work twice and fails one that is not the same. */
  readonly rehearses?: boolean;
  /** After so many pages in the log they are moved to the database. */
  readonly checkpointPages?: number;
  /** Syncs the log in place of fdatasync. */
  readonly syncFile?: SyncFile;
}

/** Opens (and makes, mode 0700/0600) the store in `dir`. */
export function openSqliteStore(
  dir: string,
  logger?: Logger,
  { rehearses = false, checkpointPages = usualCheckpointPages, syncFile }: StoreOptions = {},
): Store {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const path = join(dir, 'store.sqlite');
  const db = openSound(path, () => openFile(path, checkpointPages), logger);
  letShrink(db, path, logger);
  migrate(db);
  const log = new LogSync(path, syncFile);
  const health = new StoreHealth(logger);
  const transaction = new Transaction(db);
  const plain = health.watched(db);
  const watched = transaction.guarded(plain);
  const [jobs, tasks, events] = [createJobReader(watched), createTaskReader(watched), createOutboxReader(watched)];
  const alive = createAlive({ job: jobs.find, task: tasks.find, events, lastSeq: events.lastSeq });
  const rows = createSqliteRows(plain, alive);
  rows.load();
  const artifacts = createArtifactTable(watched);
  const tables = tablesOf(watched, alive, { events, artifacts });
  const listeners = new Set<() => void>();
  let told = alive.lastSeqOnDisk();
  const commits = createGroupCommit({
    db,
    health,
    alive,
    transaction,
    log,
    rehearses,
    writeRows: rows.write,
    committed: () => {
      const last = alive.lastSeqOnDisk();
      if (last === told) return;
      told = last;
      for (const listener of listeners) listener();
    },
  });
  /** Reads while nothing is on its way to the disk, so that nobody is told what may be gone after a power cut. */
  const whenOnDisk = async <T>(read: () => T): Promise<T> => {
    for (let wait = commits.onTheWay(); wait !== undefined; wait = commits.onTheWay()) await wait;
    try {
      return read();
    } catch (error) {
      throw health.judge(error);
    }
  };
  return {
    change: (_wants, work, when) => commits.write(() => work(tables), when),
    look: (_wants, work) => whenOnDisk(() => work(tables)),
    events: {
      after: async (seq, limit) => alive.eventsAfter(seq, limit),
      ofUserAfter: (userId, seq, limit) => whenOnDisk(() => events.ofUserAfter(userId, seq, limit)),
      lastOf: (userId, query, limit) => whenOnDisk(() => events.lastOf(userId, query, limit)),
      latestOfBots: (seq, limit) => whenOnDisk(() => events.latestOfBots(seq, limit)),
      latestOfWorkers: () => whenOnDisk(() => events.latestOfWorkers()),
      floor: () => whenOnDisk(() => events.floor()),
    },
    chunks: {
      chunk: async (uploadId, n) => artifacts.chunk(uploadId, n),
      chunkSize: async (uploadId, n) => artifacts.chunkSize(uploadId, n),
    },
    upkeep: createSqliteUpkeep({ db, watched, health, commits, alive, jobs, tasks, events, artifacts }),
    lastSeq: () => alive.lastSeqOnDisk(),
    room: () => alive.room(),
    onEvents(listener) {
      listeners.add(listener);
      return () => {
        listeners.delete(listener);
      };
    },
    trouble: () => health.trouble,
    async close() {
      await commits.drain();
      db.close();
      log.close();
    },
  };
}

interface Readers {
  readonly events: EventReader;
  readonly artifacts: ReturnType<typeof createArtifactTable>;
}

/** What is in memory, and beside it what is read and written where it is kept. */
function tablesOf(db: Statements, alive: Alive, { events, artifacts: { table: artifacts } }: Readers): Tables {
  const { tables } = alive;
  return {
    ...tables,
    outbox: { ...tables.outbox, place: events.place, setPlace: events.setPlace },
    workers: { ...tables.workers, ...createAccessTable(db) },
    artifacts: {
      ...artifacts,
      remove: (sha256) => {
        alive.removeSource(`artifact ${sha256}`);
        return artifacts.remove(sha256);
      },
    },
    openings: createOpeningTable(db),
    idempotency: createIdempotencyTable(db),
    tokens: createTokenTable(db),
    clock: createClockTable(db),
    meta: createMetaTable(db),
  };
}
