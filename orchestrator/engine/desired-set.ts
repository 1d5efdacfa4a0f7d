/** What a worker should run, with the task that the open job of each bot is about: the bots of a DesiredSet, or those that have changed. */
import { type BotKey, botKeyText } from '#common/ids.ts';
import type { Ensure } from '#gen/botrunner/v1/worker_service_pb.js';
import { beforeItsJob } from '../core/bot/placed.ts';
import type { BotRecord, JobRecord } from '../core/records.ts';
import type { Reading } from '../store/tables.ts';
import type { EngineContext } from './context.ts';
import { type TaskCommand, taskCommand, toEnsure, toRemoval } from './ensure.ts';

/** What is left of a job's time, ms. */
export type Remaining = (job: JobRecord) => number;

/** Everything. Bots about which the worker knows more than a restored store are not named. */
export function desiredBots(
  context: EngineContext,
  tx: Reading,
  workerId: string,
  remainingMs: Remaining,
): readonly Ensure[] {
  const rows = tx.bots.ofWorker(workerId).filter((bot) => !context.isHeld(bot));
  const bots = rows.map((bot) => desiredBot(context, tx, bot, workerId, remainingMs));
  const { stopGraceMs } = context.settings;
  return [...bots, ...tx.leftovers.ofWorker(workerId).map((leftover) => toRemoval(leftover, stopGraceMs))];
}

/** The same for one bot: none when the worker should have nothing of it. */
export function desiredOf(
  context: EngineContext,
  tx: Reading,
  workerId: string,
  key: BotKey,
  remainingMs: Remaining,
): readonly Ensure[] {
  const bot = tx.bots.get(key);
  const here = bot?.workerId === workerId && !context.isHeld(bot) ? [bot] : [];
  const leftovers = tx.leftovers.ofBot(key).filter((leftover) => leftover.workerId === workerId);
  return [
    ...here.map((row) => desiredBot(context, tx, row, workerId, remainingMs)),
    ...leftovers.map((leftover) => toRemoval(leftover, context.settings.stopGraceMs)),
  ];
}

/** store/workspace/desires.ts has to notice every change of what is read here. */
function desiredBot(
  { sealKey, settings: { stopGraceMs }, decided }: EngineContext,
  tx: Reading,
  bot: BotRecord,
  workerId: string,
  remainingMs: Remaining,
): Ensure {
  const job = tx.jobs.openOfBot(bot)[0];
  const task = job?.taskId ? tx.tasks.get(job.taskId) : undefined;
  const open = job !== undefined && task !== undefined && task.status !== 'done';
  // Not placed yet: what the job wants may not fit here, and what there was continues.
  if (open && task.workerId === null)
    return toEnsure(sealKey, beforeItsJob(bot), pendingTaskOf(bot), stopGraceMs, decided(bot));
  const command =
    open && task.workerId === workerId ? taskCommand(task.taskId, job, remainingMs(job)) : pendingTaskOf(bot);
  return toEnsure(sealKey, bot, command, stopGraceMs, decided(bot));
}

/** A stop or removal that was decided while the worker was away; it stands until it is carried out. */
const pendingTaskOf = ({ pendingTask }: BotRecord): TaskCommand | undefined =>
  pendingTask === null ? undefined : { taskId: pendingTask, restart: false, takeover: false };

/** All that desiredBots is about, each once. */
export function desiredKeys(tx: Reading, workerId: string): readonly BotKey[] {
  const keys: readonly BotKey[] = [...tx.bots.ofWorker(workerId), ...tx.leftovers.ofWorker(workerId)];
  return [...new Map(keys.map((key) => [botKeyText(key), key])).values()];
}
