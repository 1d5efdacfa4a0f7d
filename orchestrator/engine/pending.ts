/**
 * Decisions that outlive their job. A stop or delete of a bot whose worker is silent is decided at once, and the row keeps
 * its task (pendingTask), which the worker is sent when it is back. Until that has succeeded the bot may run, and keeps its
 * Telegram token and its name.
 */
import { containerName } from '#common/ids.ts';
import type { JsonObject } from '#common/problem.ts';
import type { BotRecord, JobRecord } from '../core/records.ts';
import type { Change } from './change.ts';
import type { EngineContext } from './context.ts';

/** How a stop or delete ends that no worker is asked for now. */
export type EndWithoutWorker =
  | { readonly kind: 'carried_out'; readonly result: JsonObject }
  | { readonly kind: 'pending'; readonly result: JsonObject };

/** Undefined for a job that goes on: of another kind, or with a worker that is there or may be back in a moment. */
export function endWithoutWorker(context: EngineContext, change: Change, job: JobRecord): EndWithoutWorker | undefined {
  if (job.action !== 'stop' && job.action !== 'delete') return undefined;
  const bot = change.tx.bots.get(job);
  if (bot === undefined || bot.desired === 'running') return undefined;
  const done = { bot_id: job.botId, container_name: containerName(job) };
  // A bot that never had a worker is nowhere.
  if (bot.workerId === null) {
    return { kind: 'carried_out', result: { status: job.action === 'stop' ? 'stopped' : 'deleted', ...done } };
  }
  if (!context.fleet.isSilent(bot.workerId)) return undefined;
  const { workerId } = bot;
  const what = job.action === 'stop' ? 'stopped' : 'removed';
  const reason = `${job.botId} will be ${what} when its worker ${workerId} is back; it may run on until then`;
  return { kind: 'pending', result: { status: 'pending_on_worker', ...done, worker_id: workerId, reason } };
}

/** The decision stands, whatever becomes of its job: its task outlives it. */
export const keepPending = (change: Change, bot: BotRecord, job: JobRecord): BotRecord =>
  change.putBot({ ...bot, pendingTask: job.taskId });

/** Whether the bot of that name is deleted, and its worker may still run it: a start of the name waits. */
export const awaitsRemoval = (bot: BotRecord | undefined): bot is BotRecord =>
  bot !== undefined && bot.desired === 'removed' && bot.pendingTask !== null;
