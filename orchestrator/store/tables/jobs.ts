/** Rows of jobs, each with the states it went through. */

import { encodeTime } from 'ulid';
import type { JsonObject } from '#common/json.ts';
import { type Problem, problem } from '#common/problem.ts';
import { usualBytes } from '../../core/job.ts';
import { parseJobInput, storedParams } from '../../core/job-params.ts';
import { jobStates } from '../../core/job-states.ts';
import { type JobRecord, jobStatuses } from '../../core/records.ts';
import type { Statements } from '../damage.ts';
import type { EndedJob } from '../job-index.ts';
import type { SealedJob } from '../store.ts';
import type { JobRow, JobStep } from '../workspace/jobs.ts';
import { column, keyColumn } from './columns.ts';
import { bytesOf, bytesOrNull, jsonOf, jsonOrNull, numberOf, type Row, textOf, textOrNull, wordOf } from './row.ts';

const unreadable = (): Problem =>
  problem('INTERNAL', "The reason for the failure cannot be read: the job's row in the store is damaged.");

function toJob(row: Row): JobRecord {
  return {
    jobId: textOf(row, 'job_id'),
    userId: textOf(row, 'user_id'),
    blueprint: textOf(row, 'blueprint'),
    ...parseJobInput(textOf(row, 'action'), jsonOf<JsonObject>(row, 'params', {})),
    botId: textOf(row, 'bot_id'),
    mutating: numberOf(row, 'mutating') === 1,
    state: wordOf(row, 'state', jobStates, 'unreadable'),
    // A job not known to have ended counts as at work until its deadline.
    status: wordOf(row, 'status', jobStatuses, 'running'),
    reason: textOf(row, 'reason'),
    specSealed: bytesOrNull(row, 'spec_sealed'),
    result: jsonOrNull<JsonObject>(row, 'result', {}),
    error: jsonOrNull<Problem>(row, 'error', unreadable()),
    taskId: textOrNull(row, 'task_id'),
    createdAt: numberOf(row, 'created_at'),
    updatedAt: numberOf(row, 'updated_at'),
    deadlineAt: numberOf(row, 'deadline_at'),
  };
}

function toSteps(row: Row): readonly JobStep[] {
  return jsonOf<unknown[]>(row, 'steps', []).flatMap((step) => {
    const [state, at] = Array.isArray(step) ? step : [];
    return typeof state === 'string' && typeof at === 'number' ? [{ state, at }] : [];
  });
}

export const toJobRow = (row: Row): JobRow => ({ job: toJob(row), steps: toSteps(row) });

export const jobColumns = [
  keyColumn<JobRow>('job_id', ({ job }) => job.jobId),
  column<JobRow>('user_id', ({ job }) => job.userId),
  column<JobRow>('blueprint', ({ job }) => job.blueprint),
  column<JobRow>('action', ({ job }) => job.action),
  column<JobRow>('bot_id', ({ job }) => job.botId),
  column<JobRow>('mutating', ({ job }) => (job.mutating ? 1 : 0)),
  column<JobRow>('state', ({ job }) => job.state),
  column<JobRow>('status', ({ job }) => job.status),
  column<JobRow>('reason', ({ job }) => job.reason),
  column<JobRow>('params', ({ job }) => JSON.stringify(storedParams(job))),
  column<JobRow>('spec_sealed', ({ job }) => job.specSealed),
  column<JobRow>('result', ({ job }) => job.result && JSON.stringify(job.result)),
  column<JobRow>('error', ({ job }) => job.error && JSON.stringify(job.error)),
  column<JobRow>('task_id', ({ job }) => job.taskId),
  column<JobRow>('created_at', ({ job }) => job.createdAt),
  column<JobRow>('updated_at', ({ job }) => job.updatedAt),
  column<JobRow>('deadline_at', ({ job }) => job.deadlineAt),
  column<JobRow>('steps', ({ steps }) => JSON.stringify(steps.map(({ state, at }) => [state, at]))),
];

export const openJobs = "status NOT IN ('completed', 'failed', 'cancelled')";

export type JobOfUser = Pick<EndedJob, 'jobId' | 'userId'>;

// Of one statement, at the start.
const endedRead = 10_000;

export interface JobReader {
  sealedAfter(jobId: string, limit: number): readonly SealedJob[];
  /** Removes ended jobs made before the time, with all they have. Returns them. */
  prune(before: number, limit: number): readonly JobOfUser[];
  /** Removes these, with all they have. */
  remove(jobs: readonly JobOfUser[]): void;
  /** All that have ended. */
  ended(): Generator<EndedJob>;
  /** The newest id of a job; undefined without one. */
  newestId(): string | undefined;
}

/** What is read of jobs where they are kept, and the removal of old ones. */
export function createJobReader(db: Statements): JobReader {
  const sealedAfter = db.prepare(`
    SELECT user_id, bot_id, job_id, spec_sealed FROM jobs WHERE ${openJobs} AND spec_sealed IS NOT NULL AND job_id > ?
    ORDER BY job_id LIMIT ?`);
  const newestId = db.prepare('SELECT max(job_id) AS newest FROM jobs');
  // An id begins with the time it was made at, so old jobs are those with the lowest ids.
  const oldFinal = db.prepare(`SELECT job_id, user_id FROM jobs WHERE job_id < ? AND NOT (${openJobs}) LIMIT ?`);
  const remove = db.prepare('DELETE FROM jobs WHERE job_id = ? RETURNING task_id');
  const removeTask = db.prepare('DELETE FROM tasks WHERE task_id = ?');
  const removeKey = db.prepare('DELETE FROM idempotency_keys WHERE job_id = ?');
  // About what storedBytes says of a job that has just ended.
  const ended = db.prepare(`
    SELECT job_id, user_id, coalesce(octet_length(result), 0) + coalesce(octet_length(error), 0)
      + octet_length(params) + coalesce(octet_length(spec_sealed), 0) AS bytes
    FROM jobs WHERE job_id > ? AND NOT (${openJobs}) ORDER BY job_id LIMIT ?`);
  const removeAll = (jobs: readonly JobOfUser[]) => {
    for (const { jobId } of jobs) {
      const row = remove.get(jobId);
      if (row !== undefined) removeTask.run(textOrNull(row, 'task_id'));
      removeKey.run(jobId);
    }
  };
  return {
    sealedAfter: (jobId, limit) =>
      sealedAfter.all(jobId, limit).map((row) => ({
        userId: textOf(row, 'user_id'),
        botId: textOf(row, 'bot_id'),
        jobId: textOf(row, 'job_id'),
        sealed: bytesOf(row, 'spec_sealed'),
      })),
    prune: (before, limit) => {
      const rows = oldFinal.all(encodeTime(Math.max(0, before)), limit);
      const jobs = rows.map((row) => ({ jobId: textOf(row, 'job_id'), userId: textOf(row, 'user_id') }));
      removeAll(jobs);
      return jobs;
    },
    remove: removeAll,
    *ended() {
      for (let after = ''; ; ) {
        const rows = ended.all(after, endedRead);
        for (const row of rows) {
          after = textOf(row, 'job_id');
          yield { jobId: after, userId: textOf(row, 'user_id'), bytes: usualBytes + numberOf(row, 'bytes') };
        }
        if (rows.length < endedRead) return;
      }
    },
    newestId: () => textOrNull(newestId.get() ?? { newest: null }, 'newest') ?? undefined,
  };
}
