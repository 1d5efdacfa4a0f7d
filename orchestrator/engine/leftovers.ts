/**
 * What workers still have of bots that are not placed there: volumes of bots that have moved and are purged, copies on a
 * worker that was forgotten. Each is a task of its own, repeated until it succeeds. In the transaction of the caller.
 */
import type { BotKey } from '#common/ids.ts';
import type { JsonObject } from '#common/json.ts';
import type { TaskResult } from '#gen/botrunner/v1/worker_service_pb.js';
import { withReason } from '../core/job.ts';
import type { JobRecord } from '../core/records.ts';
import { advance } from './advance.ts';
import type { Change } from './change.ts';
import type { EngineContext } from './context.ts';
import { endOfDelete, removeDeleted } from './settling.ts';

/** Takes the end of such a task. False when the result is of another task; a task that failed is retried. */
export function applyRemoval(
  context: EngineContext,
  change: Change,
  workerId: string,
  { taskId, outcome }: TaskResult,
): boolean {
  const leftover = change.tx.leftovers.withTask(taskId);
  if (leftover === undefined || leftover.workerId !== workerId) return false;
  if (outcome.case !== 'succeeded') return true;
  change.tx.leftovers.remove(leftover);
  if (leftover.purge) change.tx.botVolumes.remove(leftover, workerId);
  endDeleteOf(context, change, leftover);
  return true;
}

/** Ends the delete that waited for the bot's volumes elsewhere, if there is one and nothing is left to wait for. */
export function endDeleteOf(context: EngineContext, change: Change, key: BotKey): void {
  const job = change.tx.jobs.openOfBot(key)[0];
  if (job?.action !== 'delete' || job.taskId === null) return;
  if (change.tx.tasks.get(job.taskId)?.status === 'done') endDelete(context, change, job);
}

/** Ends a delete whose bot is gone from its worker, unless it has to wait for what was purged elsewhere. */
export function endDelete(context: EngineContext, change: Change, job: JobRecord, notices: JsonObject = {}): void {
  const end = endOfDelete(context, change, job);
  if (end.kind === 'waits') {
    change.putJob(withReason(job, end.reason));
    return;
  }
  advance(context, change, job, { kind: 'task_succeeded', result: { ...end.result, ...notices } });
  removeDeleted(change, job);
}
