/** What looks through all of a SQLite store and removes what is old: each call is a statement or a few, in a transaction of its own. */
import type { DatabaseSync } from 'node:sqlite';
import type { Statements, StoreHealth } from './damage.ts';
import type { StoreSpace } from './disk-space.ts';
import type { EventRing } from './event-ring.ts';
import type { JobIndex } from './job-index.ts';
import type { LogSync } from './log-sync.ts';
import type { Reserve } from './reserve.ts';
import { chunkBinding, specBinding } from './seal.ts';
import type { Upkeep } from './store.ts';
import type { ChunkTable } from './tables/artifacts.ts';
import { createBotReader } from './tables/bots.ts';
import { createIdempotencyPruning } from './tables/idempotency.ts';
import type { JobReader } from './tables/jobs.ts';
import type { EventReader } from './tables/outbox.ts';
import { bytesOf, textOf } from './tables/row.ts';
import { newestTaskId } from './tables/tasks.ts';

export interface UpkeepParts {
  readonly db: DatabaseSync;
  readonly log: Pick<LogSync, 'takeSpace'>;
  readonly statements: Statements;
  readonly health: StoreHealth;
  readonly events: EventReader;
  readonly ring: EventRing;
  readonly chunks: ChunkTable;
  readonly transact: <T>(work: () => T) => T;
  /** Reads while nothing is on its way to the disk. */
  readonly whenOnDisk: <T>(read: () => T) => Promise<T>;
  readonly jobs: JobReader;
  readonly endedJobs: JobIndex;
  readonly openJobBytes: (userId: string) => number;
  readonly reserve: Reserve;
  readonly space: StoreSpace;
  readonly fillReserve: () => void;
}

const pragma = (db: DatabaseSync, name: string): number => Number(db.prepare(`PRAGMA ${name}`).get()?.[name] ?? 0);

export function createSqliteUpkeep(parts: UpkeepParts): Upkeep {
  const {
    db,
    log,
    statements,
    health,
    events,
    ring,
    chunks,
    transact,
    whenOnDisk,
    jobs,
    endedJobs,
    openJobBytes,
    reserve,
    space,
    fillReserve,
  } = parts;
  /** What incremental_vacuum may give back: none in a store that is not set up for it. */
  const sparePages = () => (pragma(db, 'auto_vacuum') === 2 ? reserve.sparePages : 0);
  const bots = createBotReader(statements);
  const pruneKeys = createIdempotencyPruning(statements);
  const sealed = statements.prepare(`
    SELECT user_id, bot_id, sealed FROM bot_specs
    UNION ALL SELECT user_id, bot_id, spec_sealed FROM jobs WHERE spec_sealed IS NOT NULL
    LIMIT 20`);
  return {
    // What has gone need not be gone after a power cut, so none of this is synced by itself.
    pruneEvents: (bounds) =>
      whenOnDisk(() => {
        const count = transact(() => events.prune(bounds));
        if (count > 0) {
          ring.forget(events.pruned());
        }
        return count;
      }),
    eventCount: async () => events.count(),
    pruneJobs: (before, limit) =>
      whenOnDisk(() => {
        const gone = transact(() => jobs.prune(before, limit));
        for (const job of gone) endedJobs.forget(job);
        return gone.length;
      }),
    pruneJobsBeyond: (bytesMax, limit) =>
      whenOnDisk(() => {
        const gone = endedJobs.beyond((userId) => bytesMax(userId) - openJobBytes(userId), limit);
        if (gone.length > 0) transact(() => jobs.remove(gone));
        for (const job of gone) endedJobs.forget(job);
        return gone.length;
      }),
    async historyOf(userId) {
      const [ended, told] = [endedJobs.of(userId), events.heldBy(userId)];
      return { jobs: ended.jobs, jobBytes: ended.bytes, events: told.events, eventBytes: told.bytes };
    },
    pruneIdempotency: (before, limit) => whenOnDisk(() => transact(() => pruneKeys(before, limit))),
    removeChunks: (uploadId, limit) => whenOnDisk(() => transact(() => chunks.remove(uploadId, limit))),
    unfinishedUploads: () => whenOnDisk(() => chunks.unfinished()),
    newestId: async () =>
      [jobs.newestId(), newestTaskId(statements)]
        .flatMap((id) => id ?? [])
        .sort()
        .at(-1),
    sealedJobsAfter: (jobId, limit) => whenOnDisk(() => jobs.sealedAfter(jobId, limit)),
    sealedBotsAfter: (after, limit) => whenOnDisk(() => bots.sealedAfter(after, limit)),
    sealedBots: () => whenOnDisk(() => bots.sealed()),
    sealedSamples: async () => [
      ...sealed.all().map((row) => ({
        boundTo: specBinding({ userId: textOf(row, 'user_id'), botId: textOf(row, 'bot_id') }),
        sealed: bytesOf(row, 'sealed'),
      })),
      ...chunks
        .sample()
        .map(({ uploadId, n, sealed: bytes }) => ({ boundTo: chunkBinding(uploadId, n), sealed: bytes })),
    ],
    ownedAfter: (after, limit) => whenOnDisk(() => chunks.ownedAfter(after, limit)),
    ownedBy: (userId) => whenOnDisk(() => chunks.ownedBy(userId)),
    holdingMost: (limit) => whenOnDisk(() => chunks.holdingMost(limit)),
    async keepReserve() {
      await space.refresh();
      await whenOnDisk(fillReserve);
      return space.isLow && reserve.left < 0.5 ? 'short' : 'kept';
    },
    plainChunks: (limit) => whenOnDisk(() => chunks.plain(limit)),
    replacePlainChunks: (pieces) =>
      whenOnDisk(() => {
        // What is freed is filled with zeros, instead of staying in the file as it is.
        db.exec('PRAGMA secure_delete = ON');
        try {
          transact(() => {
            for (const piece of pieces) chunks.seal(piece);
          });
        } finally {
          db.exec('PRAGMA secure_delete = OFF');
        }
      }),
    forgetPlainChunks: () =>
      whenOnDisk(() => {
        db.exec('PRAGMA wal_checkpoint(TRUNCATE)');
        log.takeSpace();
      }),
    dropSealedSources: () => whenOnDisk(() => transact(() => chunks.dropSealed())),
    async shrink(pages) {
      // A transaction is one synchronous piece of work: none is open now. Nobody needs this one on disk: a later sync takes it along.
      if (health.isLost) return false;
      if (sparePages() < pages) return false;
      try {
        db.exec(`PRAGMA incremental_vacuum(${Math.floor(pages)})`);
        // The file becomes shorter when the log is moved into it.
        if (space.isLow && sparePages() < pages) reserve.moveLog();
      } catch (error) {
        throw health.judge(error);
      }
      return sparePages() >= pages;
    },
  };
}
