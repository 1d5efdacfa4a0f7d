/**
 * The backend on SQLite. The database is its own (opened exclusively), so guards are always true, and what is alive stays in memory.
 *
 * 1. A commit writes each row that has changed once, in one transaction, and resolves when the log is synced.
 * 2. What is read meanwhile waits for that: nothing is shown that may be gone after a power cut.
 * 3. When a sync fails, nobody knows what is on disk: from then on everything is refused.
 * 4. On a full disk what is small is stored in what the store has for itself (reserve.ts), and what is large is refused.
 */
import type { DatabaseSync } from 'node:sqlite';
import { inBackground } from '#common/background.ts';
import { storedBytes } from '../core/job.ts';
import { noRoom } from '../core/no-room.ts';
import { isFinal } from '../core/records.ts';
import type { Backend, Batch, Committed } from './backend.ts';
import { isFull, type StoreHealth } from './damage.ts';
import type { StoreSpace } from './disk-space.ts';
import { EventRing } from './event-ring.ts';
import { JobIndex } from './job-index.ts';
import type { LogSync } from './log-sync.ts';
import type { Reserve } from './reserve.ts';
import { createSqliteRows, isKept, isWhole } from './sqlite-rows.ts';
import { createSqliteUpkeep } from './sqlite-upkeep.ts';
import { createChunkTable } from './tables/artifacts.ts';
import { createWriter } from './tables/columns.ts';
import { createJobReader } from './tables/jobs.ts';
import { createOutboxReader, eventColumns } from './tables/outbox.ts';
import type { Want } from './want.ts';
import { createWorkspace, type LoadedRow } from './workspace/workspace.ts';

export interface SqliteParts {
  readonly db: DatabaseSync;
  readonly log: Pick<LogSync, 'sync' | 'hanging' | 'takeSpace'>;
  readonly health: StoreHealth;
  readonly reserve: Reserve;
  readonly space: StoreSpace;
  /** Closes database and log. */
  readonly close: () => void;
}

export function createSqliteBackend({ db, log, health, reserve, space, close }: SqliteParts): Backend {
  const statements = health.watched(db);
  const begin = statements.prepare('BEGIN IMMEDIATE');
  const commit = statements.prepare('COMMIT');
  const rows = createSqliteRows(statements);
  const chunks = createChunkTable(statements);
  const events = createOutboxReader(statements);
  const writeEvent = createWriter(statements, 'outbox', eventColumns);
  const jobs = createJobReader(statements);
  const endedJobs = new JobIndex();
  for (const job of jobs.ended()) endedJobs.add(job);
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
  function once<T>(work: () => T): T {
    begin.run();
    try {
      const value = work();
      reserve.own();
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

  /** `isLarge`: not for the reserve. */
  function transact<T>(work: () => T, isLarge = false): T {
    assertAnswers();
    if (isLarge && space.isLow) throw noRoom();
    try {
      return health.quietly(() => once(work));
    } catch (error) {
      if (!isFull(error)) throw error;
      space.ranOut();
      if (isLarge) throw noRoom();
    }
    // The log begins anew, within the space that it has.
    health.trying(() => reserve.moveLog());
    return once(work);
  }

  const fill = statements.prepare("INSERT INTO artifact_chunks (upload_id, n, bytes) VALUES ('', 0, zeroblob(?))");
  const empty = statements.prepare("DELETE FROM artifact_chunks WHERE upload_id = ''");

  /** Makes unused pages, as many as are missing of those that are kept for a full disk. */
  function fillReserve(): void {
    assertAnswers();
    const missing = reserve.missingBytes;
    if (missing < reserve.noticedBytes) return;
    const grow = () =>
      once(() => {
        fill.run(missing);
        empty.run();
      });
    try {
      health.quietly(() => {
        try {
          grow();
        } catch (error) {
          if (!isFull(error)) throw error;
          reserve.moveLog();
          grow();
        }
      });
    } catch (error) {
      if (!isFull(error)) throw error;
      space.ranOut();
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
    for (const { after } of batch.rows.jobs.changes()) {
      if (after !== undefined && isFinal(after.job.status))
        endedJobs.add({ ...after.job, bytes: storedBytes(after.job) });
    }
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
      const isLarge = batch.chunks.length > 0;
      // It may have room again.
      if (isLarge && space.isLow) await space.refresh();
      transact(() => write(batch), isLarge);
      // It is committed: what fails from here on must not make it seem otherwise.
      if (isLarge && space.isTight) health.trying(fillReserve);
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
      floor: (userId) => whenOnDisk(() => events.floor(userId)),
    },
    chunks: {
      chunk: async (uploadId, n) => chunks.chunk(uploadId, n),
      chunkSize: async (uploadId, n) => chunks.chunkSize(uploadId, n),
    },
    upkeep: createSqliteUpkeep({
      statements,
      db,
      log,
      health,
      events,
      ring,
      chunks,
      transact,
      whenOnDisk,
      reserve,
      space,
      jobs,
      endedJobs,
      openJobBytes: (userId) => workspace.tables.jobs.openBytesOf(userId),
      fillReserve,
    }),
    lastSeq: ring.lastSeq,
    assertAnswers,
    hasRoom: () => !space.isLow,
    assertRoom: () => space.assertRoom(),
    trouble: () => health.trouble ?? space.trouble,
    judge: (error) => health.judge(error),
    async close() {
      while (syncing !== undefined) await syncing;
      // To close it is to write to the disk, which would hold the event loop for as long as the disk hangs.
      if (log.hanging === undefined) close();
      else inBackground(log.hanging.then(close), (error) => health.lost(error));
    },
  };
}
