/** What looks through all of a SQLite store and removes what is old: each call is a statement or a few, in a commit of its own. */
import type { DatabaseSync } from 'node:sqlite';
import type { Alive } from './alive/alive.ts';
import type { Statements, StoreHealth } from './damage.ts';
import type { GroupCommit } from './group-commit.ts';
import { specBinding } from './seal.ts';
import type { Upkeep } from './store.ts';
import type { createArtifactTable } from './tables/artifacts.ts';
import { createBotReader } from './tables/bots.ts';
import { createIdempotencyTable } from './tables/idempotency.ts';
import type { JobReader } from './tables/jobs.ts';
import type { EventReader } from './tables/outbox.ts';
import { bytesOf, textOf } from './tables/row.ts';
import type { TaskReader } from './tables/tasks.ts';

export interface UpkeepParts {
  readonly db: DatabaseSync;
  readonly watched: Statements;
  readonly health: StoreHealth;
  readonly commits: GroupCommit;
  readonly alive: Alive;
  readonly jobs: JobReader;
  readonly tasks: TaskReader;
  readonly events: EventReader;
  readonly artifacts: ReturnType<typeof createArtifactTable>;
}

const pragma = (db: DatabaseSync, name: string): number => Number(db.prepare(`PRAGMA ${name}`).get()?.[name] ?? 0);

/** What incremental_vacuum could give back: none in a store that is not set up for it. */
const freePages = (db: DatabaseSync): number => (pragma(db, 'auto_vacuum') === 2 ? pragma(db, 'freelist_count') : 0);

export function createSqliteUpkeep(parts: UpkeepParts): Upkeep {
  const { db, watched, health, commits, alive, jobs, tasks, events, artifacts } = parts;
  const bots = createBotReader(watched);
  const keys = createIdempotencyTable(watched);
  const sealed = watched.prepare(`
    SELECT user_id, bot_id, spec_sealed AS sealed FROM bots WHERE spec_sealed IS NOT NULL
    UNION ALL SELECT user_id, bot_id, undo_spec_sealed FROM bots WHERE undo_spec_sealed IS NOT NULL
    UNION ALL SELECT user_id, bot_id, spec_sealed FROM jobs WHERE spec_sealed IS NOT NULL
    LIMIT 20`);
  return {
    pruneEvents: (bounds) =>
      commits.write(() => {
        const count = events.prune(bounds);
        alive.forgetEvents(events.floor());
        return count;
      }),
    pruneJobs: (before, limit) => commits.write(() => jobs.prune(before, limit)),
    pruneIdempotency: (before, limit) => commits.write(() => keys.prune(before, limit)),
    removeChunks: (uploadId, limit) => commits.write(() => artifacts.removeChunks(uploadId, limit)),
    discardUnfinished: () => commits.write(() => artifacts.discardUnfinished()),
    newestId: async () =>
      [jobs.newestId(), tasks.newestId()]
        .flatMap((id) => id ?? [])
        .sort()
        .at(-1),
    sealedJobsAfter: async (jobId, limit) => jobs.sealedAfter(jobId, limit),
    sealedBotsAfter: async (after, limit) => bots.sealedAfter(after, limit),
    sealedBots: async () => bots.sealed(),
    sealedSamples: async () =>
      sealed.all().map((row) => ({
        boundTo: specBinding({ userId: textOf(row, 'user_id'), botId: textOf(row, 'bot_id') }),
        sealed: bytesOf(row, 'sealed'),
      })),
    artifactsAfter: async (sha256, limit) => artifacts.after(sha256, limit),
    async shrink(pages) {
      // A transaction is one synchronous piece of work: none is open now. Nobody needs this one on disk: a later sync takes it along.
      if (health.isLost || freePages(db) < pages) return false;
      try {
        db.exec(`PRAGMA incremental_vacuum(${Math.floor(pages)})`);
      } catch (error) {
        throw health.judge(error);
      }
      return freePages(db) >= pages;
    },
  };
}
