/**
 * How a stop or delete comes to its end: what is settled in the rows, and the decisions that outlive their job. One about a bot whose
 * worker is silent is decided at once, and the bot keeps its task (pendingTask), which the worker is sent when it is back; until
 * that has succeeded the bot may run, and keeps its Telegram token and its name. In the transaction of the caller.
 */
import { type BotKey, containerName } from '#common/ids.ts';
import type { JsonObject } from '#common/json.ts';
import { changesBot } from '../core/actions.ts';
import { settled, stands, wasGone } from '../core/bot/settled.ts';
import type { BotRecord, JobRecord, Leftover } from '../core/records.ts';
import type { Change } from './change.ts';
import type { EngineContext } from './context.ts';
import { releaseTokens } from './token-ownership.ts';

/** The job's decision is carried out. */
export function settle(context: EngineContext, change: Change, job: JobRecord, bot: BotRecord): BotRecord {
  const next = settled(bot, job.action);
  releaseTokens(context, change.tx, next);
  if (job.action === 'delete' && bot.purge && bot.workerId !== null) change.tx.botVolumes.remove(bot, bot.workerId);
  return job.action === 'stop' ? change.putBot(next) : change.keepBot(next);
}

/** A deleted bot is gone unless a later start already wants it back. */
export function removeDeleted(change: Change, key: BotKey): void {
  const bot = change.tx.bots.get(key);
  if (bot?.desired === 'removed' && change.tx.jobs.openOfBot(key).length === 0) change.removeBot(bot);
}

/** How a stop or delete ends for which no worker is asked now. */
export type EndWithoutWorker =
  /** The bot is nowhere, or known to have no container: there is nothing left to do but what a delete has to purge elsewhere. */
  { readonly kind: 'carried_out' } | { readonly kind: 'pending'; readonly result: JsonObject };

/** Undefined for a job that continues: of another kind, or with a worker that is there or may be back in a moment. */
export function endWithoutWorker(context: EngineContext, change: Change, job: JobRecord): EndWithoutWorker | undefined {
  if (!changesBot(job.action) || !stands(job.action)) return undefined;
  const bot = change.tx.bots.get(job);
  if (bot === undefined || bot.desired === 'running') return undefined;
  if (bot.workerId === null) return { kind: 'carried_out' };
  if (!context.fleet.isSilent(bot.workerId)) return undefined;
  // A delete also has its image and log to remove.
  if (job.action === 'stop' && wasGone(bot)) return { kind: 'carried_out' };
  const { workerId } = bot;
  const what = job.action === 'stop' ? 'stopped' : 'removed';
  const reason = `${job.botId} will be ${what} when its worker ${workerId} is back; until then it may keep running`;
  return { kind: 'pending', result: { status: 'pending_on_worker', ...subjectOf(job), worker_id: workerId, reason } };
}

const subjectOf = (job: JobRecord) => ({ bot_id: job.botId, container_name: containerName(job) });

/** What a stop that is done is answered with. */
export const stoppedResult = (job: JobRecord): JsonObject => ({ status: 'stopped', ...subjectOf(job) });

/**
 * How a delete ends whose bot is gone from its worker. With purge it first waits for the volumes on other workers that are
 * there; for those that are silent it stays a decision.
 */
export function endOfDelete(
  context: EngineContext,
  change: Change,
  job: JobRecord,
): { readonly kind: 'waits'; readonly reason: string } | { readonly kind: 'ends'; readonly result: JsonObject } {
  const left = change.tx.leftovers.ofBot(job).filter(({ purge }) => purge);
  const silent = left.filter(({ workerId }) => context.fleet.isSilent(workerId));
  const namesOf = (leftovers: readonly Leftover[]) => leftovers.map(({ workerId }) => workerId).join(', ');
  if (left.length > silent.length) {
    return { kind: 'waits', reason: `removing its data on ${namesOf(left.filter((one) => !silent.includes(one)))}` };
  }
  const [first] = silent;
  if (first === undefined) return { kind: 'ends', result: { status: 'deleted', ...subjectOf(job) } };
  const reason = `${job.botId} is removed; its data on ${namesOf(silent)} will be when that worker is back`;
  const result = { status: 'pending_on_worker', ...subjectOf(job), worker_id: first.workerId, reason };
  return { kind: 'ends', result };
}

/** Whether the bot of that name is deleted, and its worker may still run it: a start of the name waits. */
export const awaitsRemoval = (bot: BotRecord | undefined): bot is BotRecord =>
  bot !== undefined && bot.desired === 'removed' && bot.pendingTask !== null;
