/**
 * Tasks that are about no bot: any worker that names their type may take them. In the caller's transaction.
 */
import type { JsonObject } from '#common/json.ts';
import type { Problem } from '#common/problem.ts';
import { accepted, atWork, givenBack, waiting } from '../core/job.ts';
import { isFinal, type TaskRecord } from '../core/records.ts';
import { shortReason } from '../core/worker-words.ts';
import { advance } from './advance.ts';
import type { Change } from './change.ts';
import type { EngineContext } from './context.ts';

/** What a worker is handed. */
export interface HandedTask {
  readonly taskId: string;
  readonly jobId: string;
  readonly type: string;
  readonly params: JsonObject;
}

/** Gives the worker the oldest task of a type it knows; those in `except`, by their ids, wait to be tried again. */
export function takeTask(
  change: Change,
  workerId: string,
  types: readonly string[],
  except: readonly string[],
): HandedTask | undefined {
  const task = change.tx.tasks.oldestOpen(types, except);
  const job = task && change.tx.jobs.get(task.jobId);
  if (task === undefined || job === undefined) return undefined;
  change.putTask(accepted(task, workerId, change.now));
  change.putJob(atWork(job));
  return {
    taskId: task.taskId,
    jobId: job.jobId,
    type: task.type,
    params: { job_id: job.jobId, payload: job.action === '' ? job.params.input : null },
  };
}

/** Lets the next worker have a task that this one has taken. False when it is not this worker's, or has ended. */
export function giveBackTask(change: Change, workerId: string, taskId: string, reason: string): boolean {
  const task = change.tx.tasks.get(taskId);
  const job = task && change.tx.jobs.get(task.jobId);
  if (task === undefined || job === undefined || isFinal(job.status)) return false;
  // A task about a bot stays with the worker that the bot is placed on.
  if (task.workerId !== workerId || task.status === 'done' || job.botId !== '') return false;
  change.putTask(givenBack(task));
  change.putJob(waiting(job, shortReason(reason)));
  return true;
}

/** The worker is gone: the next one may have what it had taken. Returns whether there was anything. */
export function giveBackTasksOf(change: Change, workerId: string, reason: string): boolean {
  const given = change.tx.tasks.takenBy(workerId).map(({ taskId }) => giveBackTask(change, workerId, taskId, reason));
  return given.includes(true);
}

export type TaskOutcome =
  | { readonly kind: 'success'; readonly data: JsonObject }
  | { readonly kind: 'failure'; readonly problem: Problem };

/** Takes the end of a task. False when the task is not this worker's; a result that occurs twice changes nothing. */
export function endFreeTask(
  context: EngineContext,
  change: Change,
  workerId: string,
  task: TaskRecord,
  outcome: TaskOutcome,
): boolean {
  if (task.workerId !== workerId) return false;
  const job = change.tx.jobs.get(task.jobId);
  if (job === undefined || task.status === 'done') return true;
  change.endTask(task);
  advance(
    context,
    change,
    job,
    outcome.kind === 'success'
      ? { kind: 'task_succeeded', result: outcome.data }
      : { kind: 'task_failed', problem: outcome.problem },
  );
  return true;
}
