/**
 * What outlived its job has been carried out: a stop or removal, or the way back from a start that may have run. Until its worker
 * says so the bot keeps its Telegram tokens and its name. In the transaction of the caller.
 */
import { carriedOut } from '../core/bot/settled.ts';
import type { BotRecord } from '../core/records.ts';
import { beginNext, resumeHolders } from './advance.ts';
import type { Change } from './change.ts';
import type { EngineContext } from './context.ts';
import { removeDeleted } from './settling.ts';
import { releaseTokens } from './token-ownership.ts';

/** Records that its worker has said so. */
export function confirm(context: EngineContext, change: Change, bot: BotRecord): void {
  const { tx } = change;
  if (bot.pendingTask === null) return;
  if (bot.desired === 'removed' && bot.purge && bot.workerId !== null) tx.botVolumes.remove(bot, bot.workerId);
  // The task of a start that ended while its bot might run has the job's id; otherwise there is no such job.
  const start = tx.jobs.get(bot.pendingTask);
  const next = change.putBot(carriedOut(bot, start?.status === 'failed'));
  // A later start may already want it back, and have its tokens.
  if (next.desired !== 'running' || tx.jobs.openOfBot(next).length === 0) releaseTokens(context, tx, next);
  if (start !== undefined) resumeHolders(context, change, start);
  removeDeleted(change, next);
  beginNext(context, change, next);
}

/**
 * Whether, by what its worker says of the newest decision, a bot that should run again as before has no container of what was given
 * up, whether or not it runs.
 */
export const isBackAsBefore = ({ desired, generation, revision, observed, pendingTask }: BotRecord): boolean =>
  desired === 'running' &&
  pendingTask !== null &&
  (observed.generation ?? 0) >= generation &&
  (observed.containerId === undefined || observed.revision === revision);
