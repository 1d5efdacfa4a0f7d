/**
 * What workers still have of bots that are not placed there: volumes of bots that have moved and are purged, copies on a
 * worker that was forgotten. Each is a task of its own, repeated until it succeeds. In the transaction of the caller.
 */
import { containerName } from '#common/ids.ts';
import type { JsonObject } from '#common/problem.ts';
import type { TaskResult } from '#gen/botrunner/v1/worker_service_pb.js';
import type { JobRecord } from '../core/records.ts';
import { advance } from './advance.ts';
import type { Change } from './change.ts';
import type { EngineContext } from './context.ts';
import { removeDeleted } from './settling.ts';

/** Takes the end of such a task. False when the result is of another one; one that failed is tried again. */
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
export function endDeleteOf(context: EngineContext, change: Change, key: { userId: string; botId: string }): void {
  const job = change.tx.jobs.openOfBot(key)[0];
  if (job?.action !== 'delete' || job.taskId === null) return;
  if (change.tx.tasks.get(job.taskId)?.status === 'done') endDelete(context, change, job);
}

/**
 * Ends a delete whose bot is gone from its worker. With purge it first waits for the volumes on other workers that are there;
 * for those that are silent it stays a decision.
 */
export function endDelete(context: EngineContext, change: Change, job: JobRecord, notices: JsonObject = {}): void {
  const left = change.tx.leftovers.ofBot(job).filter(({ purge }) => purge);
  const silent = left.filter(({ workerId }) => context.fleet.isSilent(workerId));
  if (left.length > silent.length) {
    const names = left.filter((one) => !silent.includes(one)).map(({ workerId }) => workerId);
    change.putJob({ ...job, reason: `removing its data on ${names.join(', ')}` });
    return;
  }
  const done = { bot_id: job.botId, container_name: containerName(job), ...notices };
  const names = silent.map(({ workerId }) => workerId).join(', ');
  const result =
    silent.length === 0
      ? { status: 'deleted', ...done }
      : {
          status: 'pending_on_worker',
          ...done,
          worker_id: silent[0]?.workerId ?? null,
          reason: `${job.botId} is removed; its data on ${names} will be when that worker is back`,
        };
  advance(context, change, job, { kind: 'task_succeeded', result });
  removeDeleted(change, job);
}
