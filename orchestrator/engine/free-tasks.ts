/**
 * Tasks that are about no bot: any worker that names their type may take them. In the caller's transaction.
 */
import type { JsonObject, Problem } from '#common/problem.ts';
import type { TaskRecord } from '../core/records.ts';
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

/** Gives the worker the oldest task of a type it knows. */
export function takeTask(change: Change, workerId: string, types: readonly string[]): HandedTask | undefined {
  const task = change.tx.tasks.oldestOpen(types);
  const job = task && change.tx.jobs.get(task.jobId);
  if (task === undefined || job === undefined) return undefined;
  change.tx.tasks.put({ ...task, workerId, status: 'accepted', acceptedAt: change.now });
  change.putJob({ ...job, status: 'running', reason: '' });
  return {
    taskId: task.taskId,
    jobId: job.jobId,
    type: task.type,
    params: { job_id: job.jobId, payload: job.params['input'] ?? null },
  };
}

export type TaskOutcome =
  | { readonly kind: 'success'; readonly data: JsonObject }
  | { readonly kind: 'failure'; readonly problem: Problem };

/** Takes the end of a task. False when the task is not this worker's; a result that comes twice changes nothing. */
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
  change.tx.tasks.put({ ...task, status: 'done', finishedAt: change.now });
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
