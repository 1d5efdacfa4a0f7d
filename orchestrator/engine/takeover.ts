/**
 * A start that takes a Telegram token over. The new bot is built first; only when it could run are the bots stopped that have
 * the token (the holders), and only when they are gone does it start:
 *
 *   placed -> its worker builds it -> ClaimTokens(built) stops the holders -> asked again until they are gone -> started
 *
 * A worker that cannot wait between building and starting (before the capability takeover.claim) gets the task when the holders
 * are gone. Whatever ends the job before the new bot runs, the holders that were stopped for it run again (advance.ts). In the
 * transaction of the caller; what is known of it is in the job's params (core/takeover.ts).
 */
import type { BotKey } from '#common/ids.ts';
import { ProblemError, refuse } from '#common/problem.ts';
import type { ClaimTokensRequest } from '#gen/botrunner/v1/worker_service_pb.js';
import { withReason } from '../core/job.ts';
import type { StoppedHolder } from '../core/job-params.ts';
import type { JobRecord } from '../core/records.ts';
import { hasGot, noteGot, noteStopped, stoppedHolders, takesOver } from '../core/takeover.ts';
import { acceptJob } from './accept.ts';
import { advance } from './advance.ts';
import type { Change } from './change.ts';
import type { EngineContext } from './context.ts';
import { place, waitsForHolders } from './placing.ts';
import { openSoundSpec, openSpec } from './specs.ts';
import { acquireTokens, noteSourceTokens, refusedToken, silentHolder, tokenHolders } from './token-ownership.ts';

/**
 * A worker asks whether a bot may run with the Telegram tokens in the source that it has fetched. They are the bot's from now on, or,
 * with `pending`, once the bot that it takes over from is gone. Throws TOKEN_IN_USE; BOT_NOT_FOUND when something newer was decided
 * about the bot.
 */
export function claimTokens(
  context: EngineContext,
  change: Change,
  workerId: string,
  claim: ClaimTokensRequest,
): { readonly pending: boolean } {
  const { tx } = change;
  const bot = tx.bots.get(claim);
  const isNewest =
    bot?.workerId === workerId && BigInt(bot.epoch) === claim.epoch && BigInt(bot.revision) === claim.revision;
  if (!isNewest || bot.desired !== 'running' || bot.specSealed === null) {
    refuse('BOT_NOT_FOUND', 'The bot should not be started on this worker.');
  }
  const spec = openSpec(context.sealKey, bot, bot.specSealed);
  // A bot that is built names none when its source was judged before.
  if (!claim.built || claim.tokenSha256.length > 0) noteSourceTokens(context, tx, bot, spec, claim.tokenSha256);
  const job = tx.jobs.openOfBot(bot).find(({ status }) => status === 'running');
  const holders = tokenHolders(context, tx, bot, spec);
  if (holders.length === 0) {
    acquireTokens(context, tx, bot, spec);
    if (job !== undefined && stoppedHolders(job).length > 0 && !hasGot(job)) {
      change.putJob(withReason(noteGot(job), ''));
    }
    return { pending: false };
  }
  if (job === undefined || !takesOver(job)) throw new ProblemError(refusedToken(context, tx, bot.userId, holders));
  // Not before the new one could run: if it cannot be built, the other one continues.
  if (claim.built) stopHolders(context, change, job, holders);
  return { pending: true };
}

/** Stops the bots whose tokens a waiting job takes over; it goes to its worker when they are gone. */
export function makeRoom(context: EngineContext, change: Change, jobId: string): void {
  const job = change.tx.jobs.get(jobId);
  const bot = job && change.tx.bots.get(job);
  if (job?.status !== 'waiting_for_worker' || bot === undefined) return;
  const spec = openSoundSpec(context.sealKey, bot, bot.specSealed);
  const holders = spec === undefined ? [] : tokenHolders(context, change.tx, bot, spec);
  try {
    if (holders.length > 0) stopHolders(context, change, job, holders);
    else place(context, change, job, bot);
  } catch (error) {
    if (!(error instanceof ProblemError)) throw error;
    advance(context, change, job, { kind: 'aborted', problem: error.problem });
  }
}

/** Another user's bot is not named. */
const takenOverBy = (job: JobRecord, userId: string): string =>
  `it was stopped because ${job.userId === userId ? `your bot ${job.botId}` : "another user's bot"} took its Telegram token over`;

/**
 * Safe to repeat: a holder that is being stopped is waited for. Throws TOKEN_IN_USE when one cannot be stopped, because its worker
 * is silent or its stop has failed.
 */
function stopHolders(context: EngineContext, change: Change, job: JobRecord, holders: readonly BotKey[]): void {
  const { tx } = change;
  const bots = holders.flatMap((holder) => tx.bots.get(holder) ?? []);
  const cannotStop = bots.some((bot) => bot.desired !== 'running' && tx.jobs.openOfBot(bot).length === 0);
  if (cannotStop || silentHolder(context, tx, holders) !== undefined) {
    throw new ProblemError(refusedToken(context, tx, job.userId, holders));
  }
  const stopped: StoppedHolder[] = [];
  for (const { userId, botId, desired } of bots) {
    if (desired !== 'running') continue;
    const input = { action: 'stop', params: { notice: takenOverBy(job, userId) } } as const;
    acceptJob(context, change, { userId, botId, blueprint: job.blueprint, input });
    stopped.push({ userId, botId, generation: tx.bots.get({ userId, botId })?.generation ?? 0 });
  }
  if (stopped.length === 0 && job.reason === waitsForHolders) return;
  change.putJob(withReason(noteStopped(job, stopped), waitsForHolders));
}
