/**
 * Of which bots what their workers should do has changed, by worker: so that a worker is sent those alone. It counts what a DesiredSet
 * is made of (engine/desired-set.ts), and nothing that workers report. A change that is taken back counts too: it costs one message.
 */
import { type BotKey, botKeyText } from '#common/ids.ts';
import { type BotRecord, isFinal, type Leftover, type TaskRecord } from '../../core/records.ts';
import type { DesireTable } from '../tables.ts';
import type { JobRow } from './jobs.ts';
import type { Index } from './rows.ts';

// Of one worker. One with more changes is sent everything.
const keptMax = 4_096;

interface Desires {
  version: number;
  /** Changes up to this version may be missing below. */
  floor: number;
  /** The bots that have changed after `floor`, each with the version of its last change; oldest change first. */
  readonly changed: Map<string, { readonly key: BotKey; readonly version: number }>;
}

export interface DesiresPart {
  readonly table: DesireTable;
  readonly ofBots: Index<BotRecord>;
  readonly ofJobs: Index<JobRow>;
  readonly ofTasks: Index<TaskRecord>;
  readonly ofLeftovers: Index<Leftover>;
}

export interface DesireParts {
  /** Whether every change comes by here: otherwise nothing is known of those before. */
  readonly isWhole: boolean;
  readonly bot: (key: string) => BotRecord | undefined;
  readonly job: (jobId: string) => BotKey | undefined;
}

/** What of a row is in a command; undefined for one of which nothing is. */
type Said<R> = (row: R) => readonly unknown[] | undefined;

const saidOfBot: Said<BotRecord> = (bot) => [
  bot.workerId,
  bot.desired,
  bot.generation,
  bot.revision,
  bot.epoch,
  bot.leaving,
  bot.purge,
  bot.specSealed,
  bot.undo,
  bot.pendingTask,
  bot.decidedSeq,
];
const saidOfJob: Said<JobRow> = ({ job }) =>
  isFinal(job.status) || !job.mutating ? undefined : [job.taskId, job.deadlineAt, job.params];
const saidOfTask: Said<TaskRecord> = ({ workerId, status }) => (status === 'done' ? undefined : [workerId]);
const saidOfLeftover: Said<Leftover> = (leftover) => [leftover];

/** Calls back with each row of which something that is said has changed, as it is or was last, and as it was before. */
const index = <R>(said: Said<R>, changed: (row: R, before: R | undefined) => void): Index<R> => ({
  changed(_key, before, after) {
    const was = before && said(before);
    const is = after && said(after);
    if (was === undefined ? is === undefined : is?.every((value, at) => value === was[at])) return;
    const row = after ?? before;
    if (row !== undefined) changed(row, before);
  },
});

export function createDesires({ isWhole, bot, job }: DesireParts): DesiresPart {
  const byWorker = new Map<string, Desires>();
  const mark = (workerId: string | null | undefined, { userId, botId }: BotKey): void => {
    if (workerId === null || workerId === undefined) return;
    const of = byWorker.get(workerId) ?? { version: 1, floor: 1, changed: new Map() };
    byWorker.set(workerId, of);
    of.version += 1;
    const text = botKeyText({ userId, botId });
    of.changed.delete(text);
    of.changed.set(text, { key: { userId, botId }, version: of.version });
    const [oldest] = of.changed;
    if (of.changed.size <= keptMax || oldest === undefined) return;
    of.changed.delete(oldest[0]);
    of.floor = oldest[1].version;
  };
  const markBot = (key: BotKey): void => mark(bot(botKeyText(key))?.workerId, key);
  return {
    ofBots: index(saidOfBot, (row, before) => {
      mark(row.workerId, row);
      if (before !== undefined && before.workerId !== row.workerId) mark(before.workerId, row);
    }),
    ofJobs: index(saidOfJob, (row) => markBot(row.job)),
    ofTasks: index(saidOfTask, (task) => {
      const key = job(task.jobId);
      if (key !== undefined) markBot(key);
    }),
    ofLeftovers: index(saidOfLeftover, (leftover) => mark(leftover.workerId, leftover)),
    table: {
      version: (workerId) => byWorker.get(workerId)?.version ?? 1,
      since(workerId, version) {
        if (!isWhole) return undefined;
        const of = byWorker.get(workerId);
        if (of === undefined) return [];
        if (version < of.floor) return undefined;
        // A worker has one session, which never asks for less again: one that begins is sent everything.
        for (const [text, changed] of of.changed) {
          if (changed.version > version) break;
          of.changed.delete(text);
        }
        of.floor = version;
        return Array.from(of.changed.values(), ({ key }) => key);
      },
    },
  };
}
