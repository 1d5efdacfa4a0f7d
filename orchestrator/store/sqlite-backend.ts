/**
 * The backend on SQLite. The database is its own (opened exclusively), so guards are always true, and what is alive stays in memory.
 *
 * 1. A commit writes each row that has changed once, in one transaction, and resolves when the log is synced.
 * 2. What is read meanwhile waits for that: nobody is told what may be gone after a power cut.
 * 3. When a sync fails, nobody knows what is on disk: from then on everything is refused.
 */
import type { DatabaseSync } from 'node:sqlite';
import { inBackground } from '#common/background.ts';
import type { Backend, Batch, Committed } from './backend.ts';
import type { StoreHealth } from './damage.ts';
import { EventRing } from './event-ring.ts';
import type { LogSync } from './log-sync.ts';
import { createSqliteRows, isKept, isWhole } from './sqlite-rows.ts';
import { createSqliteUpkeep } from './sqlite-upkeep.ts';
import { createChunkTable } from './tables/artifacts.ts';
import { createWriter } from './tables/columns.ts';
import { createOutboxReader, eventColumns } from './tables/outbox.ts';
import type { Want } from './want.ts';
import { createWorkspace, type LoadedRow } from './workspace/workspace.ts';

export interface SqliteParts {
  readonly db: DatabaseSync;
  readonly log: Pick<LogSync, 'sync' | 'hanging' | 'close'>;
  readonly health: StoreHealth;
}

export function createSqliteBackend({ db, log, health }: SqliteParts): Backend {
  const statements = health.watched(db);
  const begin = statements.prepare('BEGIN IMMEDIATE');
  const commit = statements.prepare('COMMIT');
  const rows = createSqliteRows(statements);
  const chunks = createChunkTable(statements);
  const events = createOutboxReader(statements);
  const writeEvent = createWriter(statements, 'outbox', eventColumns);
  const ring = new EventRing(events.after, events.lastSeq());
  const loadNow = (want: Want) => workspace.take(want, rowsOf(want));
  const workspace = createWorkspace({ isWhole, isKept, loadNow }, ring.lastSeq);
  rows.loadAlive(workspace.rows);
  /** While a commit is on its way to the disk; never rejects. */
  let syncing: Promise<void> | undefined;
  let failure: { readonly reason: unknown } | undefined;

  function assertAnswers(): void {
    if (failure !== undefined) throw failure.reason;
  }

  function rowsOf({ rows: kind, by, is }: Want): readonly LoadedRow[] {
    if (kind !== 'latest') return rows.load({ rows: kind, by, is });
    const end = is.lastIndexOf('/');
    const bot = { userId: is.slice(0, end), botId: is.slice(end + 1) };
    const botSeq = events.lastBotSeq(bot);
    return botSeq === 0 ? [] : [[is, { event: events.latestOfBot(bot), botSeq }]];
  }

  /** One transaction; a full disk undoes it by itself. */
  function transact<T>(work: () => T): T {
    assertAnswers();
    begin.run();
    try {
      const value = work();
      commit.run();
      return value;
    } catch (error) {
      const reason = health.judge(error);
      try {
        if (db.isTransaction) db.exec('ROLLBACK');
      } catch (failed) {
        // The store no longer answers.
        health.judge(failed);
      }
      throw reason;
    }
  }

  function write(batch: Batch): void {
    rows.write(batch.rows);
    for (const change of batch.chunks) chunks.write(change);
    for (const event of batch.events) writeEvent(event);
  }

  async function sync(batch: Batch): Promise<void> {
    try {
      await log.sync((seconds) => health.slow(seconds));
    } catch (error) {
      failure = { reason: health.lost(error) };
      throw failure.reason;
    }
    ring.add(batch.events);
    events.added(batch.events);
    health.worked();
  }

  /** Reads while nothing is on its way to the disk. */
  async function whenOnDisk<T>(read: () => T): Promise<T> {
    while (syncing !== undefined) await syncing;
    assertAnswers();
    return read();
  }

  return {
    kept: { workspace },
    load: (wants) =>
      whenOnDisk(() => ({
        wants: wants.map((want) => ({ want, rows: rowsOf(want) })),
        versions: new Map(),
        lastSeq: ring.lastSeq,
      })),
    async commit(batch): Promise<Committed> {
      transact(() => write(batch));
      const synced = sync(batch);
      const over = () => {
        syncing = undefined;
      };
      syncing = synced.then(over, over);
      await synced;
      return { lastSeq: ring.lastSeq };
    },
    // It is known as soon as the commit returns.
    outcome: async () => undefined,
    events: {
      after: async (seq, limit) => ring.after(seq, limit),
      ofUserAfter: (userId, seq, limit) => whenOnDisk(() => events.ofUserAfter(userId, seq, limit)),
      lastOf: (userId, query, limit) => whenOnDisk(() => events.lastOf(userId, query, limit)),
      latestOfBots: (seq, limit) => whenOnDisk(() => events.latestOfBots(seq, limit)),
      latestOfWorkers: () => whenOnDisk(() => events.latestOfWorkers()),
      floor: () => whenOnDisk(() => events.floor()),
    },
    chunks: {
      chunk: async (uploadId, n) => chunks.chunk(uploadId, n),
      chunkSize: async (uploadId, n) => chunks.chunkSize(uploadId, n),
    },
    upkeep: createSqliteUpkeep({ db, statements, health, events, ring, chunks, transact, whenOnDisk }),
    lastSeq: ring.lastSeq,
    assertAnswers,
    trouble: () => health.trouble,
    judge: (error) => health.judge(error),
    async close() {
      while (syncing !== undefined) await syncing;
      const close = () => {
        db.close();
        log.close();
      };
      // To close it is to write to the disk, which would hold the event loop for as long as the disk hangs.
      if (log.hanging === undefined) close();
      else inBackground(log.hanging.then(close), (error) => health.lost(error));
    },
  };
}
