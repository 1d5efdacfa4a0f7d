/** All that a worker should run, with the task that the open job of each bot is about: the bots of its Welcome and of each DesiredSet. */
import type { Ensure } from '#gen/botrunner/v1/worker_service_pb.js';
import { beforeItsJob } from '../core/bot/placed.ts';
import type { BotRecord, JobRecord } from '../core/records.ts';
import type { Reading } from '../store/tables.ts';
import type { EngineContext } from './context.ts';
import { type TaskCommand, taskCommand, toEnsure, toRemoval } from './ensure.ts';

/** `remainingMs`: what is left of a job's time. Bots about which the worker knows more than a restored store are not named. */
export function desiredBots(
  { sealKey, settings: { stopGraceMs }, decided, isHeld }: EngineContext,
  tx: Reading,
  workerId: string,
  remainingMs: (job: JobRecord) => number,
): readonly Ensure[] {
  const rows = tx.bots.ofWorker(workerId).filter((bot) => !isHeld(bot));
  const bots = rows.map((bot) => {
    const job = tx.jobs.openOfBot(bot)[0];
    const task = job?.taskId ? tx.tasks.get(job.taskId) : undefined;
    const open = job !== undefined && task !== undefined && task.status !== 'done';
    // Not placed yet: what the job wants may not fit here, and what there was continues.
    if (open && task.workerId === null)
      return toEnsure(sealKey, beforeItsJob(bot), pendingTaskOf(bot), stopGraceMs, decided(bot));
    const command =
      open && task.workerId === workerId ? taskCommand(task.taskId, job, remainingMs(job)) : pendingTaskOf(bot);
    return toEnsure(sealKey, bot, command, stopGraceMs, decided(bot));
  });
  return [...bots, ...tx.leftovers.ofWorker(workerId).map((leftover) => toRemoval(leftover, stopGraceMs))];
}

/** A stop or removal that was decided while the worker was away; it stands until it is carried out. */
const pendingTaskOf = ({ pendingTask }: BotRecord): TaskCommand | undefined =>
  pendingTask === null ? undefined : { taskId: pendingTask, restart: false, takeover: false };
