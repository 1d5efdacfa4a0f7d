/** Open jobs in memory. One that has ended is read where it is kept. */
import { botKeyText } from '#common/ids.ts';
import { actionsThat } from '../../core/actions.ts';
import { storedBytes } from '../../core/job.ts';
import { isFinal, type JobRecord } from '../../core/records.ts';
import type { JobTable } from '../tables.ts';
import { Counts, Groups, Totals } from './indexes.ts';
import type { Loading } from './loading.ts';
import { type Index, Rows } from './rows.ts';
import { Soonest } from './soonest.ts';
import type { Undo } from './undo.ts';

/** A job with the states that it went through. */
export interface JobRow {
  readonly job: JobRecord;
  readonly steps: readonly JobStep[];
}

export interface JobStep {
  readonly state: string;
  readonly at: number;
}

export interface JobsPart {
  readonly rows: Rows<JobRow>;
  readonly table: JobTable;
  /** Whether the bot may have a job that waits for a worker. */
  readonly mayWait: (botKey: string) => boolean;
  /** Sees to it that those of a user that take a place are counted. */
  needActive(userId: string): void;
  /** Forgets what has ended and is on disk. */
  evict(): void;
}

export interface JobParts {
  readonly undo: Undo;
  readonly loading: Loading;
  /** As for BotsPart. */
  readonly active: Map<string, Map<string, number>>;
  readonly desires: Index<JobRow>;
}

const takingPlace: readonly string[] = actionsThat(({ takesPlace }) => takesPlace);
const isOpen = ({ job }: JobRow): boolean => !isFinal(job.status);
const byId = (a: JobRecord, b: JobRecord): number => (a.jobId < b.jobId ? -1 : 1);
const jobsOf = (rows: ReadonlyMap<string, JobRow>): JobRecord[] => [...rows.values()].map(({ job }) => job).sort(byId);

export function createJobs({ undo, loading, active, desires }: JobParts): JobsPart {
  const ofBot = new Groups<JobRow>((row) => (isOpen(row) && row.job.mutating ? botKeyText(row.job) : undefined));
  const byStatus = new Groups<JobRow>(({ job }) => job.status);
  const waiting = new Groups<JobRow>(({ job }) => (job.status === 'waiting_for_worker' ? botKeyText(job) : undefined));
  const starting = new Counts<JobRow>(
    (row) => (isOpen(row) && takingPlace.includes(row.job.action) ? [row.job.userId, row.job.botId] : undefined),
    active,
  );
  const deadlines = new Soonest<JobRow>((row) => (isOpen(row) ? row.job.deadlineAt : undefined));
  const openBytes = new Totals<JobRow>((row) => (isOpen(row) ? [row.job.userId, storedBytes(row.job)] : undefined));
  const indexes = {
    user: openBytes,
    bot: ofBot,
    status: byStatus,
    waiting,
    active: starting,
    deadline: deadlines,
    desires,
  };
  const rows = new Rows<JobRow>({ name: 'jobs', undo, loading, indexes });
  const open = () => [...rows.values()].filter(isOpen);
  return {
    rows,
    mayWait: (botKey) => waiting.mayHave(botKey),
    needActive: (userId) => starting.need(userId),
    evict() {
      for (const final of ['completed', 'failed', 'cancelled'] as const) {
        for (const jobId of [...byStatus.loaded(final).keys()]) rows.evict(jobId);
      }
    },
    table: {
      get: (jobId) => rows.get(jobId)?.job,
      put: (job) => {
        // One that is open and not here is new; a job that has ended stays so.
        const before = isFinal(job.status) ? rows.get(job.jobId) : rows.loaded(job.jobId);
        rows.put(job.jobId, { job, steps: before?.steps ?? [] });
      },
      addStep: (jobId, state, at) => {
        const row = rows.get(jobId);
        if (row === undefined) throw new Error(`there is no job ${jobId} to add a step to`);
        rows.put(jobId, { ...row, steps: [...row.steps, { state, at }] });
      },
      steps: (jobId) => rows.get(jobId)?.steps ?? [],
      openOfBot: (key) => jobsOf(ofBot.of(botKeyText(key))),
      openBytesOf: (userId) => openBytes.of(userId),
      withStatus: (status) => jobsOf(byStatus.of(status)),
      anyWaits: () => byStatus.has('waiting_for_worker'),
      overdue: (now) => deadlines.until(now).flatMap((jobId) => rows.get(jobId)?.job ?? []),
      nextDeadline: () => deadlines.next(),
      followClock: (stepMs) => {
        for (const { job, steps } of open()) {
          const { createdAt, updatedAt, deadlineAt } = job;
          const moved = {
            createdAt: createdAt + stepMs,
            updatedAt: updatedAt + stepMs,
            deadlineAt: deadlineAt + stepMs,
          };
          rows.put(job.jobId, { job: { ...job, ...moved }, steps });
        }
      },
      boundDeadlines: (now) => {
        for (const { job, steps } of open()) {
          if (job.createdAt <= now) continue;
          const bound = { createdAt: now, deadlineAt: now + (job.deadlineAt - job.createdAt) };
          rows.put(job.jobId, { job: { ...job, ...bound }, steps });
        }
      },
    },
  };
}
