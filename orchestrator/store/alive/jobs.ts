/** Open jobs in memory. One that has ended is read where it is kept. */
import { botKeyText } from '#common/ids.ts';
import { actionsThat } from '../../core/actions.ts';
import { isFinal, type JobRecord } from '../../core/records.ts';
import type { JobTable } from '../tables.ts';
import { Counts, Groups } from './indexes.ts';
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

export interface AliveJobs {
  readonly rows: Rows<JobRow>;
  readonly table: JobTable;
  /** The bot has a job that waits for a worker. */
  readonly waits: (botKey: string) => boolean;
  /** Forgets what has ended and is on disk. */
  evict(): void;
}

export interface JobParts {
  readonly undo: Undo;
  /** As for AliveBots. */
  readonly active: Map<string, Map<string, number>>;
  /** A job that has ended, from where it is kept. */
  readonly ended: (jobId: string) => JobRow | undefined;
  readonly desires: Index<JobRow>;
}

const takingPlace: readonly string[] = actionsThat(({ takesPlace }) => takesPlace);
const isOpen = ({ job }: JobRow): boolean => !isFinal(job.status);
const byId = (a: JobRecord, b: JobRecord): number => (a.jobId < b.jobId ? -1 : 1);
const jobsOf = (rows: ReadonlyMap<string, JobRow>): JobRecord[] => [...rows.values()].map(({ job }) => job).sort(byId);

export function createAliveJobs({ undo, active, ended, desires }: JobParts): AliveJobs {
  const ofBot = new Groups<JobRow>((row) => (isOpen(row) && row.job.mutating ? botKeyText(row.job) : undefined));
  const byStatus = new Groups<JobRow>(({ job }) => job.status);
  const waiting = new Groups<JobRow>(({ job }) => (job.status === 'waiting_for_worker' ? botKeyText(job) : undefined));
  const starting = new Counts<JobRow>(
    (row) => (isOpen(row) && takingPlace.includes(row.job.action) ? [row.job.userId, row.job.botId] : undefined),
    active,
  );
  const deadlines = new Soonest<JobRow>((row) => (isOpen(row) ? row.job.deadlineAt : undefined));
  const rows = new Rows(undo, [ofBot, byStatus, waiting, starting, deadlines, desires]);
  const find = (jobId: string) => rows.get(jobId) ?? ended(jobId);
  const open = () => [...rows.values()].filter(isOpen);
  return {
    rows,
    waits: (botKey) => waiting.has(botKey),
    evict() {
      for (const final of ['completed', 'failed', 'cancelled'] as const) {
        for (const jobId of [...byStatus.of(final).keys()]) rows.evict(jobId);
      }
    },
    table: {
      get: (jobId) => find(jobId)?.job,
      put: (job) => {
        // One that is open and not here is new; a job that has ended stays so.
        const before = rows.get(job.jobId) ?? (isFinal(job.status) ? ended(job.jobId) : undefined);
        rows.put(job.jobId, { job, steps: before?.steps ?? [] });
      },
      addStep: (jobId, state, at) => {
        const row = find(jobId);
        if (row === undefined) throw new Error(`there is no job ${jobId} to add a step to`);
        rows.put(jobId, { ...row, steps: [...row.steps, { state, at }] });
      },
      steps: (jobId) => find(jobId)?.steps ?? [],
      openOfBot: (key) => jobsOf(ofBot.of(botKeyText(key))),
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
