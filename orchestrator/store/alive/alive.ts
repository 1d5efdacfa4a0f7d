/**
 * What is alive, in memory: all bots, open jobs and their tasks, workers, who has which token, volume or copy. Works decide on
 * it; a commit writes each row that has changed once. Pure: what is not alive is read by `archive`.
 */
import { botKeyText } from '#common/ids.ts';
import type { BotRecord, EventRecord, JobRecord, Leftover, TaskRecord } from '../../core/records.ts';
import type { Tables } from '../tables.ts';
import { createAliveBots } from './bots.ts';
import { createAliveDesires } from './desires.ts';
import { createAliveJobs, type JobRow } from './jobs.ts';
import { createAliveOutbox, type KeptEvents } from './outbox.ts';
import {
  createAliveLeftovers,
  createAliveSourceTokens,
  createAliveTelegramTokens,
  createAliveVolumes,
  type SourceTokenRow,
  type TokenRow,
  type VolumeRow,
} from './places.ts';
import type { Rows } from './rows.ts';
import { createAliveTasks } from './tasks.ts';
import { Undo } from './undo.ts';
import { createAliveWorkers, type WorkerRow } from './workers.ts';

/** The kinds of rows, in the order in which they are written. */
export interface AliveRows {
  readonly bots: Rows<BotRecord>;
  readonly jobs: Rows<JobRow>;
  readonly tasks: Rows<TaskRecord>;
  readonly workers: Rows<WorkerRow>;
  readonly leftovers: Rows<Leftover>;
  readonly volumes: Rows<VolumeRow>;
  readonly telegramTokens: Rows<TokenRow>;
  readonly sourceTokens: Rows<SourceTokenRow>;
}

/** What is read where it is kept. */
export interface Archive {
  job(jobId: string): JobRow | undefined;
  task(taskId: string): TaskRecord | undefined;
  readonly events: KeptEvents;
  lastSeq(): number;
}

/** The tables that are in memory; those that are not, a store adds. */
export interface AliveTables {
  readonly bots: Tables['bots'];
  readonly jobs: Tables['jobs'];
  readonly tasks: Tables['tasks'];
  readonly outbox: Omit<Tables['outbox'], 'place' | 'setPlace'>;
  readonly workers: Omit<Tables['workers'], 'access' | 'allAccess' | 'putAccess'>;
  readonly leftovers: Tables['leftovers'];
  readonly desires: Tables['desires'];
  readonly botVolumes: Tables['botVolumes'];
  readonly telegramTokens: Tables['telegramTokens'];
  readonly sourceTokens: Tables['sourceTokens'];
}

export interface Alive {
  readonly rows: AliveRows;
  readonly tables: AliveTables;
  readonly undo: Undo;
  /** Rises whenever a job that waits for a worker may find one. */
  room(): number;
  /** The seq of the newest event that is on disk. */
  lastSeqOnDisk(): number;
  /** Events that are on disk after `seq`, oldest first. */
  eventsAfter(seq: number, limit: number): readonly EventRecord[];
  /** Events that are not on disk yet, oldest first. */
  readonly added: () => readonly EventRecord[];
  hasChanges(): boolean;
  /** What has changed is on disk. */
  keep(): void;
  /** All that has changed since the last commit never was. */
  discard(): void;
  /** Events up to here were pruned, or some of them. */
  forgetEvents(seq: number): void;
  /** The artifact is gone, and with it what is known of its tokens. */
  removeSource(sourceId: string): void;
}

const none: ReadonlyMap<string, unknown> = new Map();

export function createAlive(archive: Archive): Alive {
  const undo = new Undo();
  const active = new Map<string, Map<string, number>>();
  let room = 0;
  const roomGrew = () => {
    room += 1;
  };
  const sourceTokens = createAliveSourceTokens(undo);
  const jobOf = (jobId: string): JobRecord | undefined => jobs.rows.get(jobId)?.job;
  const desires = createAliveDesires({
    bot: (key) => bots.rows.get(key),
    job: jobOf,
  });
  const jobs = createAliveJobs({ undo, active, ended: archive.job, desires: desires.ofJobs });
  const { removeBot } = sourceTokens;
  const bots = createAliveBots({ undo, active, roomGrew, removed: removeBot, desires: desires.ofBots });
  const tasks = createAliveTasks({ undo, done: archive.task, jobOf, desires: desires.ofTasks });
  const workers = createAliveWorkers(undo, roomGrew);
  const leftovers = createAliveLeftovers(undo, roomGrew, desires.ofLeftovers);
  const volumes = createAliveVolumes(undo);
  const telegramTokens = createAliveTelegramTokens(undo, roomGrew);
  const outbox = createAliveOutbox(undo, archive.events, archive.lastSeq());
  const rows: AliveRows = {
    bots: bots.rows,
    jobs: jobs.rows,
    tasks: tasks.rows,
    workers: workers.rows,
    leftovers: leftovers.rows,
    volumes: volumes.rows,
    telegramTokens: telegramTokens.rows,
    sourceTokens: sourceTokens.rows,
  };
  const all = Object.values(rows) as Rows<unknown>[]; // every kind counts its changes alike
  const settle = () => {
    for (const each of all) each.settle();
  };
  return {
    rows,
    undo,
    added: outbox.added,
    hasChanges: () => outbox.added().length > 0 || all.some((each) => each.hasChanges),
    keep() {
      undo.keep();
      settle();
      outbox.settle();
      jobs.evict();
      tasks.evict();
    },
    discard() {
      undo.back(0);
      settle();
    },
    forgetEvents: outbox.forget,
    removeSource: sourceTokens.removeSource,
    room: () => room,
    lastSeqOnDisk: outbox.lastOnDisk,
    eventsAfter: outbox.after,
    tables: {
      bots: {
        ...bots.table,
        activeOf: (userId) => active.get(userId) ?? none,
        put: (bot) => {
          bots.table.put(bot);
          // Whether it has a container still says where a job of it may go.
          if (jobs.waits(botKeyText(bot))) roomGrew();
        },
      },
      jobs: jobs.table,
      tasks: tasks.table,
      workers: workers.table,
      leftovers: leftovers.table,
      desires: desires.table,
      botVolumes: volumes.table,
      telegramTokens: telegramTokens.table,
      sourceTokens: sourceTokens.table,
      outbox: outbox.table,
    },
  };
}
