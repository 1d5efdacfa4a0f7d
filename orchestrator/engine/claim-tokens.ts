/** A worker asks whether a bot may run with the Telegram tokens in the source that it has fetched. In the caller's transaction. */
import { ProblemError, refuse } from '#common/problem.ts';
import type { ClaimTokensRequest } from '#gen/botrunner/v1/worker_service_pb.js';
import { acceptJob } from './accept.ts';
import type { Change } from './change.ts';
import type { EngineContext } from './context.ts';
import { openSpec } from './specs.ts';
import { acquireTokens, noteSourceTokens, tokenHolders, tokenInUse } from './token-ownership.ts';

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
  if (!noteSourceTokens(context, tx, bot, spec, claim.tokenSha256)) return { pending: false };
  const holders = tokenHolders(context, tx, bot, spec);
  if (holders.length === 0) {
    acquireTokens(context, tx, bot, spec);
    return { pending: false };
  }
  const job = tx.jobs.openOfBot(bot).find(({ status }) => status === 'running');
  if (job?.params['takeover'] !== true) throw new ProblemError(tokenInUse(bot.userId, holders));
  // Not before the new one could run: if it cannot be built, the other one goes on.
  for (const holder of claim.built ? holders : []) {
    const isStopping = tx.bots.get(holder)?.desired !== 'running' || tx.jobs.openOfBot(holder).length > 0;
    if (!isStopping) acceptJob(context, change, { ...holder, blueprint: job.blueprint, action: 'stop' });
  }
  return { pending: true };
}
