/** The SQLite store: WAL, synchronous=FULL, group commit (https://www.sqlite.org/wal.html). */
import { chmodSync, mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { Logger } from '#common/log.ts';
import { type Alive, createAlive } from './alive/alive.ts';
import { openSound, type Statements, StoreHealth } from './damage.ts';
import { createGroupCommit, Transaction } from './group-commit.ts';
import { migrations } from './schema.ts';
import { specBinding } from './seal.ts';
import { createSqliteRows } from './sqlite-rows.ts';
import type { Store, Tables } from './store.ts';
import { createArtifactTable } from './tables/artifacts.ts';
import { createBotReader } from './tables/bots.ts';
import { createClockTable } from './tables/clock.ts';
import { createIdempotencyTable } from './tables/idempotency.ts';
import { createJobReader } from './tables/jobs.ts';
import { createOpeningTable } from './tables/openings.ts';
import { createOutboxReader } from './tables/outbox.ts';
import { bytesOf, textOf } from './tables/row.ts';
import { createTaskReader } from './tables/tasks.ts';
import { createTokenTable } from './tables/tokens.ts';
import { createAccessTable } from './tables/workers.ts';

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

function openFile(path: string): DatabaseSync {
  // SQLite only says that it cannot open it, as it does of a file without permission.
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) {
    throw Object.assign(new Error('the store is a folder'), { code: 'EISDIR', path });
  }
  const db = new DatabaseSync(path);
  try {
    chmodSync(path, 0o600);
    // EXCLUSIVE: a second orchestrator on the same folder fails to open instead of sharing it.
    db.exec(`
      PRAGMA locking_mode = EXCLUSIVE;
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = FULL;
      PRAGMA foreign_keys = ON;
    `);
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

const pragma = (db: DatabaseSync, name: string): number => Number(db.prepare(`PRAGMA ${name}`).get()?.[name] ?? 0);

/** What incremental_vacuum could give back: none in a store that is not set up for it. */
const freePages = (db: DatabaseSync): number => (pragma(db, 'auto_vacuum') === 2 ? pragma(db, 'freelist_count') : 0);

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

export interface StoreOptions {
  /** Runs every work twice and fails one that is not the same: for tests. */
  readonly rehearses?: boolean;
}

/** Opens (and makes, mode 0700/0600) the store in `dir`. */
export function openSqliteStore(dir: string, logger?: Logger, { rehearses = false }: StoreOptions = {}): Store {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const path = join(dir, 'store.sqlite');
  const db = openSound(path, () => openFile(path), logger);
  letShrink(db, path, logger);
  migrate(db);
  const health = new StoreHealth(logger);
  const transaction = new Transaction(db);
  const plain = health.watched(db);
  const watched = transaction.guarded(plain);
  const [jobs, tasks, events] = [createJobReader(watched), createTaskReader(watched), createOutboxReader(watched)];
  const alive = createAlive({ job: jobs.find, task: tasks.find, events, lastSeq: events.lastSeq });
  const rows = createSqliteRows(plain, alive);
  rows.load();
  const tables = tablesOf(watched, alive, { jobs, tasks, events });
  const listeners = new Set<() => void>();
  let told = tables.outbox.lastSeq();
  const commits = createGroupCommit({
    db,
    health,
    alive,
    transaction,
    rehearses,
    writeRows: rows.write,
    committed: () => {
      const last = tables.outbox.lastSeq();
      if (last === told) return;
      told = last;
      for (const listener of listeners) listener();
    },
  });
  const getMeta = watched.prepare('SELECT value FROM meta WHERE key = ?');
  const replaceMeta = watched.prepare('INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)');
  const sealed = watched.prepare(`
    SELECT user_id, bot_id, spec_sealed AS sealed FROM bots WHERE spec_sealed IS NOT NULL
    UNION ALL SELECT user_id, bot_id, undo_spec_sealed FROM bots WHERE undo_spec_sealed IS NOT NULL
    UNION ALL SELECT user_id, bot_id, spec_sealed FROM jobs WHERE spec_sealed IS NOT NULL
    LIMIT 20`);
  const putMeta = watched.prepare('INSERT INTO meta (key, value) VALUES (?, ?)');
  return {
    read: tables,
    write: (work, when) => commits.write(() => work(tables), when),
    onEvents(listener) {
      listeners.add(listener);
      return () => {
        listeners.delete(listener);
      };
    },
    meta: (key, make) => {
      let made: string | undefined;
      return commits.write(() => {
        const found = getMeta.get(key);
        if (found) return String(found['value']);
        // The work may run again.
        made ??= make();
        putMeta.run(key, made);
        return made;
      });
    },
    getMeta: (key) => {
      const value = getMeta.get(key)?.['value'];
      return value === undefined ? undefined : String(value);
    },
    setMeta: (key, value) =>
      commits.write(() => {
        replaceMeta.run(key, value);
      }),
    sealedSamples: () =>
      sealed.all().map((row) => ({
        boundTo: specBinding({ userId: textOf(row, 'user_id'), botId: textOf(row, 'bot_id') }),
        sealed: bytesOf(row, 'sealed'),
      })),
    trouble: () => health.trouble,
    shrink(pages) {
      // A commit is one synchronous piece of work: none is open now.
      if (freePages(db) < pages) return false;
      try {
        db.exec(`PRAGMA incremental_vacuum(${Math.floor(pages)})`);
      } catch (error) {
        throw health.judge(error);
      }
      return freePages(db) >= pages;
    },
    async close() {
      commits.flush();
      db.close();
    },
  };
}

interface Readers {
  readonly jobs: ReturnType<typeof createJobReader>;
  readonly tasks: ReturnType<typeof createTaskReader>;
  readonly events: ReturnType<typeof createOutboxReader>;
}

/** What is in memory, and beside it what is read and written where it is kept. */
function tablesOf(db: Statements, alive: Alive, { jobs, tasks, events }: Readers): Tables {
  const { tables } = alive;
  const artifacts = createArtifactTable(db);
  return {
    ...tables,
    bots: { ...tables.bots, ...createBotReader(db) },
    jobs: { ...tables.jobs, sealedAfter: jobs.sealedAfter, prune: jobs.prune, newestId: jobs.newestId },
    tasks: { ...tables.tasks, newestId: tasks.newestId },
    outbox: {
      ...events,
      ...tables.outbox,
      prune: (bounds) => {
        const count = events.prune(bounds);
        alive.forgetEvents(events.floor());
        return count;
      },
    },
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
  };
}
