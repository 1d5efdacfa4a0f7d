/**
 * What works decide on: rows in memory, typed tables over them, what the works of a batch have changed, and what they have looked at.
 * Pure. With a store that has its database to itself everything that is alive is here for as long as it runs; otherwise a
 * workspace is made for each batch and each look, from what was loaded for it.
 */
import { botKeyText } from '#common/ids.ts';
import type {
  BotRecord,
  EventRecord,
  Leftover,
  SourceOwner,
  SourceUpload,
  TaskRecord,
  TokenRecord,
  WorkerAccess,
} from '../../core/records.ts';
import type { Tables } from '../tables.ts';
import { type Want, wantText } from '../want.ts';
import { createBots } from './bots.ts';
import { createDesires } from './desires.ts';
import { createJobs, type JobRow } from './jobs.ts';
import { Loading, type LoadingParts } from './loading.ts';
import { createOutbox, type LatestRow } from './outbox.ts';
import {
  createLeftovers,
  createSourceTokens,
  createTelegramTokens,
  createVolumes,
  type SourceTokenRow,
  type TokenRow,
  type VolumeRow,
} from './places.ts';
import type { Rows } from './rows.ts';
import { type ArtifactRow, type ChunkChange, createSources, type HoldingsRow } from './sources.ts';
import { createTasks } from './tasks.ts';
import { Undo } from './undo.ts';
import { createValues, type IdempotencyRow, type MetaRow, type OpeningRow } from './values.ts';
import { createWorkers, type WorkerRow } from './workers.ts';

/** The kinds of rows that are written, in the order in which they are. */
export interface WorkspaceRows {
  readonly bots: Rows<BotRecord>;
  readonly jobs: Rows<JobRow>;
  readonly tasks: Rows<TaskRecord>;
  readonly workers: Rows<WorkerRow>;
  readonly access: Rows<WorkerAccess>;
  readonly leftovers: Rows<Leftover>;
  readonly volumes: Rows<VolumeRow>;
  readonly telegramTokens: Rows<TokenRow>;
  readonly sourceTokens: Rows<SourceTokenRow>;
  readonly artifacts: Rows<ArtifactRow>;
  readonly owners: Rows<SourceOwner>;
  readonly uploads: Rows<SourceUpload>;
  readonly holdings: Rows<HoldingsRow>;
  readonly idempotency: Rows<IdempotencyRow>;
  readonly tokens: Rows<TokenRecord>;
  readonly openings: Rows<OpeningRow>;
  readonly meta: Rows<MetaRow>;
}

export type RowOf<K extends keyof WorkspaceRows> = WorkspaceRows[K] extends Rows<infer R> ? R : never;

/** Rows that a want asked for, with their keys. */
export type LoadedRow = readonly [key: string, row: unknown];

export interface Workspace {
  readonly rows: WorkspaceRows;
  /** The newest event of bots: only read. */
  readonly latest: Rows<LatestRow>;
  readonly tables: Tables;
  readonly undo: Undo;
  readonly loading: Loading;
  /** Rises whenever a job that waits for a worker may find one. */
  room(): number;
  /** The seq that the events of this batch come after. */
  afterSeq(): number;
  /** Events of the batch, oldest first. */
  added(): readonly EventRecord[];
  /** What the batch does to the bytes of sources. */
  chunks(): readonly ChunkChange[];
  /** Takes in what a want asked for. */
  take(want: Want, rows: Iterable<LoadedRow>): void;
  hasChanges(): boolean;
  /** Texts of wants whose guards fail after this batch. */
  moved(): ReadonlySet<string>;
  /** What has changed is on disk. */
  keep(): void;
  /** All that has changed since the last commit never was. */
  discard(): void;
  /** Forgets what was loaded for a batch or a look. */
  release(): void;
}

const none: ReadonlyMap<string, unknown> = new Map();

/** `lastSeq` is that of the newest event there ever was. */
export function createWorkspace(parts: LoadingParts, lastSeq: number): Workspace {
  const undo = new Undo();
  const loading = new Loading(parts);
  const active = new Map<string, Map<string, number>>();
  const kept = new Map<string, Map<string, number>>();
  let room = 0;
  const roomGrew = () => {
    room += 1;
  };
  const sourceTokens = createSourceTokens(undo, loading);
  const desires = createDesires({
    isWhole: loading.isWhole('bots', 'key'),
    bot: (key) => bots.rows.loaded(key),
    job: (jobId) => jobs.rows.loaded(jobId)?.job,
  });
  const jobs = createJobs({ undo, loading, active, desires: desires.ofJobs });
  const removed = sourceTokens.removeBot;
  const bots = createBots({ undo, loading, active, kept, roomGrew, removed, desires: desires.ofBots });
  const jobOf = (jobId: string) => jobs.table.get(jobId);
  const tasks = createTasks({ undo, loading, jobOf, desires: desires.ofTasks });
  const workers = createWorkers(undo, loading, roomGrew);
  const leftovers = createLeftovers(undo, loading, roomGrew, desires.ofLeftovers);
  const volumes = createVolumes(undo, loading, kept);
  const telegramTokens = createTelegramTokens(undo, loading, roomGrew);
  const sources = createSources(undo, loading, (sha256) => sourceTokens.removeSource(`artifact ${sha256}`));
  const outbox = createOutbox(undo, loading, () => values.tables.meta, lastSeq);
  const values = createValues(undo, loading, () => outbox.table.lastSeq());
  const rows: WorkspaceRows = {
    bots: bots.rows,
    jobs: jobs.rows,
    tasks: tasks.rows,
    workers: workers.rows,
    access: workers.access,
    leftovers: leftovers.rows,
    volumes: volumes.rows,
    telegramTokens: telegramTokens.rows,
    sourceTokens: sourceTokens.rows,
    artifacts: sources.artifacts,
    owners: sources.owners,
    uploads: sources.uploads,
    holdings: sources.holdings,
    ...values.rows,
  };
  const all = Object.values(rows) as Rows<unknown>[]; // every kind counts its changes alike
  const byName = new Map<string, Rows<unknown>>(
    Object.entries({ ...rows, latest: outbox.latest }) as [string, Rows<unknown>][], // as above
  );
  const settle = () => {
    for (const each of all) each.settle();
  };
  return {
    rows,
    latest: outbox.latest,
    undo,
    loading,
    room: () => room,
    afterSeq: outbox.afterSeq,
    added: outbox.added,
    chunks: () => sources.chunks,
    take(want, loaded) {
      const kind = byName.get(want.rows);
      if (kind === undefined) throw new Error(`there are no rows named ${want.rows}`);
      for (const [key, row] of loaded) kind.borrow(key, row);
      loading.know(want);
    },
    hasChanges: () => outbox.added().length > 0 || sources.chunks.length > 0 || all.some((each) => each.hasChanges),
    moved() {
      const moved = new Set(all.flatMap((each) => [...each.moved()]));
      for (const event of outbox.added()) {
        if (event.body.kind === 'bot') moved.add(wantText({ rows: 'latest', by: 'key', is: botKeyText(event) }));
      }
      return moved;
    },
    keep() {
      undo.keep();
      settle();
      sources.chunks.length = 0;
      outbox.settle();
      jobs.evict();
      tasks.evict();
    },
    discard() {
      undo.back(0);
      settle();
    },
    release() {
      for (const kind of byName.values()) kind.giveBack();
      loading.forget();
    },
    tables: {
      bots: {
        ...bots.table,
        activeOf: (userId) => {
          bots.needActive(userId);
          jobs.needActive(userId);
          return active.get(userId) ?? none;
        },
        keptOf: (userId) => {
          bots.needKept(userId);
          volumes.needKept(userId);
          return kept.get(userId) ?? none;
        },
        put: (bot) => {
          bots.table.put(bot);
          // Whether it has a container still says where a job of it may go.
          if (jobs.mayWait(botKeyText(bot))) roomGrew();
        },
      },
      jobs: jobs.table,
      tasks: tasks.table,
      workers: workers.table,
      leftovers: leftovers.table,
      botVolumes: volumes.table,
      telegramTokens: telegramTokens.table,
      sourceTokens: sourceTokens.table,
      artifacts: sources.table,
      outbox: outbox.table,
      desires: desires.table,
      ...values.tables,
    },
  };
}
