/** What a bot's row becomes when what was decided about it is carried out. In the transaction of the caller. */
import type { BotRecord, JobRecord } from '../core/records.ts';
import type { Change } from './change.ts';
import type { EngineContext } from './context.ts';
import { releaseTokens } from './token-ownership.ts';

/** The wish came true: there is nothing to go back to any more, and nothing left to do. */
export function settle(context: EngineContext, change: Change, job: JobRecord, bot: BotRecord): BotRecord {
  const done: BotRecord = { ...bot, undo: null, pendingTask: null };
  const next: BotRecord = job.action === 'stop' ? { ...done, state: 'stopped' } : done;
  releaseTokens(context, change.tx, next);
  if (job.action === 'delete' && bot.purge && bot.workerId !== null) change.tx.botVolumes.remove(bot, bot.workerId);
  if (job.action === 'stop') return change.putBot(next);
  change.tx.bots.put(next);
  return next;
}

/** A deleted bot is gone unless a later start already wants it back. */
export function removeDeleted(change: Change, key: { userId: string; botId: string }): void {
  const bot = change.tx.bots.get(key);
  if (bot?.desired === 'removed' && change.tx.jobs.openOfBot(key).length === 0) change.removeBot(bot);
}

/** A start of a name whose bot was deleted: the row is that of a bot that has never run. */
export const reborn = (bot: BotRecord, now: number): BotRecord => ({
  ...bot,
  desired: 'stopped',
  revision: 0,
  specSealed: null,
  purge: false,
  undo: null,
  state: 'pending',
  createdAt: now,
});
