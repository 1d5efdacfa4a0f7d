/** Stops the bots that have the Telegram tokens of a job that takes them over. In the transaction of the caller. */
import type { BotKey } from '#common/ids.ts';
import { ProblemError } from '#common/problem.ts';
import type { StoppedHolder } from '../core/job-params.ts';
import type { JobRecord } from '../core/records.ts';
import { noteStopped } from '../core/takeover.ts';
import { acceptJob } from './accept.ts';
import type { Change } from './change.ts';
import type { EngineContext } from './context.ts';
import { waitsForHolders } from './takeover.ts';
import { refusedToken, silentHolder } from './token-ownership.ts';

/**
 * Safe to repeat: a holder that is being stopped is waited for. Throws TOKEN_IN_USE when one cannot be stopped, because its worker
 * is silent or its stop has failed.
 */
export function makeRoom(context: EngineContext, change: Change, job: JobRecord, holders: readonly BotKey[]): void {
  const { tx } = change;
  const bots = holders.flatMap((holder) => tx.bots.get(holder) ?? []);
  const cannotStop = bots.some((bot) => bot.desired !== 'running' && tx.jobs.openOfBot(bot).length === 0);
  if (cannotStop || silentHolder(context, tx, holders) !== undefined) {
    throw new ProblemError(refusedToken(context, tx, job.userId, holders));
  }
  const stopped: StoppedHolder[] = [];
  for (const { userId, botId, desired } of bots) {
    if (desired !== 'running') continue;
    acceptJob(context, change, {
      userId,
      botId,
      blueprint: job.blueprint,
      input: { action: 'stop', params: { notice: '' } },
    });
    stopped.push({ userId, botId, generation: tx.bots.get({ userId, botId })?.generation ?? 0 });
  }
  if (stopped.length === 0 && job.reason === waitsForHolders) return;
  change.putJob({ ...noteStopped(job, stopped), reason: waitsForHolders });
}
