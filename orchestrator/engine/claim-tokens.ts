/** A worker asks whether a bot may run with the Telegram tokens in the source that it has fetched. In the caller's transaction. */
import { ProblemError, refuse } from '#common/problem.ts';
import type { ClaimTokensRequest } from '#gen/botrunner/v1/worker_service_pb.js';
import { hasGot, noteGot, stoppedHolders, takesOver } from '../core/takeover.ts';
import type { Change } from './change.ts';
import type { EngineContext } from './context.ts';
import { makeRoom } from './make-room.ts';
import { openSpec } from './specs.ts';
import { acquireTokens, noteSourceTokens, refusedToken, tokenHolders } from './token-ownership.ts';

/**
 * The tokens are the bot's from now on, or, with `pending`, once the bot that it takes over from is gone. Throws TOKEN_IN_USE;
 * BOT_NOT_FOUND when something newer was decided about the bot.
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
    refuse('BOT_NOT_FOUND', 'The bot is not to be started on this worker.');
  }
  const spec = openSpec(context.sealKey, bot, bot.specSealed);
  // A bot that is built names none when its source was judged before.
  if (!claim.built || claim.tokenSha256.length > 0) noteSourceTokens(context, tx, bot, spec, claim.tokenSha256);
  const job = tx.jobs.openOfBot(bot).find(({ status }) => status === 'running');
  const holders = tokenHolders(context, tx, bot, spec);
  if (holders.length === 0) {
    acquireTokens(context, tx, bot, spec);
    if (job !== undefined && stoppedHolders(job).length > 0 && !hasGot(job)) {
      change.putJob({ ...noteGot(job), reason: '' });
    }
    return { pending: false };
  }
  if (job === undefined || !takesOver(job)) throw new ProblemError(refusedToken(context, tx, bot.userId, holders));
  // Not before the new one could run: if it cannot be built, the other one continues.
  if (claim.built) makeRoom(context, change, job, holders);
  return { pending: true };
}
