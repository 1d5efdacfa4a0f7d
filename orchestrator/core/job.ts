/** How the records of jobs and of their tasks come to be and change. Pure: ids and times come as values. */
import { changesBot } from './actions.ts';
import { type Deadlines, deadlineMs } from './deadlines.ts';
import { type JobInput, storedParams } from './job-params.ts';
import type { JobState } from './job-states.ts';
import { isFinal, type JobRecord, type TaskRecord } from './records.ts';

export interface JobSubject {
  readonly jobId: string;
  readonly userId: string;
  readonly blueprint: string;
  /** Empty for a job that is about no bot. */
  readonly botId: string;
  readonly input: JobInput;
  readonly specSealed: Uint8Array | null;
}

/** A job that waits for its turn. `extraMs`: what it may take beyond the usual. */
export const newJob = (
  { jobId, userId, blueprint, botId, input, specSealed }: JobSubject,
  state: JobState,
  settings: Deadlines,
  now: number,
  extraMs = 0,
): JobRecord => ({
  jobId,
  userId,
  blueprint,
  ...input,
  botId,
  mutating: changesBot(input.action),
  state,
  status: 'pending',
  reason: '',
  specSealed,
  result: null,
  error: null,
  taskId: null,
  createdAt: now,
  updatedAt: now,
  deadlineAt: now + deadlineMs(settings, input.action) + extraMs,
});

// Of the row, the task, the Idempotency-Key and the steps of a usual job.
export const usualBytes = 800;

/** About how much of the store a job takes, with all that belongs to it. */
export function storedBytes({ specSealed, result, error, ...job }: JobRecord): number {
  const input = JSON.stringify(storedParams(job)).length;
  const ended = [result, error].reduce((sum, part) => sum + (part === null ? 0 : JSON.stringify(part).length), 0);
  return usualBytes + (specSealed?.length ?? 0) + input + ended;
}

/** The job while a worker carries it out. */
export const atWork = (job: JobRecord, reason = ''): JobRecord => ({ ...job, status: 'running', reason });

/** The job without a worker that could take it now. */
export const waiting = (job: JobRecord, reason: string): JobRecord => ({
  ...job,
  status: 'waiting_for_worker',
  reason,
});

/** The job as it stands, with a reason to show to people. */
export const withReason = (job: JobRecord, reason: string): JobRecord => ({ ...job, reason });

/** Whether the job has had its turn and has not ended: true of at most one of the jobs that change a bot. */
export const isAtWork = ({ status }: Pick<JobRecord, 'status'>): boolean => status !== 'pending' && !isFinal(status);

/** A task that no worker has yet. */
export const newTask = (taskId: string, jobId: string, type: string, now: number): TaskRecord => ({
  taskId,
  jobId,
  type,
  workerId: null,
  status: 'open',
  createdAt: now,
  acceptedAt: null,
  finishedAt: null,
});

/** The task of a worker that has yet to confirm it. */
export const assigned = (task: TaskRecord, workerId: string): TaskRecord => ({ ...task, workerId });

/** The task that a worker says it has. */
export const accepted = (task: TaskRecord, workerId: string, now: number): TaskRecord => ({
  ...task,
  workerId,
  status: 'accepted',
  acceptedAt: now,
});

/** The task for the next worker. */
export const givenBack = (task: TaskRecord): TaskRecord => ({
  ...task,
  workerId: null,
  status: 'open',
  acceptedAt: null,
});

/** The task that nobody has to do any more. */
export const done = (task: TaskRecord, now: number): TaskRecord => ({ ...task, status: 'done', finishedAt: now });
