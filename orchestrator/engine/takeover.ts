/**
 * A start that takes a Telegram token over. The new bot is built first; only when it could run are the bots stopped that have
 * the token (the holders), and only when they are gone does it start:
 *
 *   placed -> its worker builds it -> ClaimTokens(built) stops the holders -> asked again until they are gone -> started
 *
 * A worker that cannot wait between building and starting (before the capability takeover.claim) gets the task when the holders
 * are gone. Whatever ends the job before the new bot runs, the holders that were stopped for it run again. In the transaction of
 * the caller; what is known of it is in the job's params (core/takeover.ts).
 */
import type { StoppedHolder } from '../core/job-params.ts';
import type { BotRecord } from '../core/records.ts';
import type { Change } from './change.ts';
import type { EngineContext } from './context.ts';
import { openSoundSpec, toEnsure } from './specs.ts';
import { acquireTokens } from './token-ownership.ts';

/** What a worker can do that builds a bot and then waits until it may start it. */
export const waitsForTokens = 'takeover.claim';

export const waitsForHolders = 'waiting until the other bot has let go of the Telegram token';

/** What a holder's owner is told when it runs again. */
const notice = 'it was stopped for a takeover that did not succeed, and was started again';

/**
 * Undoes the stop of a holder, unless something newer was decided about it. The caller has made sure that nothing runs with
 * its tokens. It was running a moment ago, so that its image is still there.
 */
export function resumeHolder(context: EngineContext, change: Change, holder: StoppedHolder): void {
  const { tx } = change;
  const bot = tx.bots.get(holder);
  if (bot?.desired !== 'stopped' || bot.generation !== holder.generation || bot.workerId === null) return;
  if (tx.jobs.openOfBot(holder).length > 0) return;
  const { workerId } = bot;
  const state: BotRecord['state'] = bot.state === 'stopped' ? 'pending' : bot.state;
  const resumed = change.putBot({
    ...bot,
    desired: 'running',
    generation: bot.generation + 1,
    undo: null,
    pendingTask: null,
    state,
    notice,
  });
  const spec = openSoundSpec(context.sealKey, resumed, resumed.specSealed);
  if (spec !== undefined) acquireTokens(context, tx, resumed, spec);
  change.afterCommit(() => {
    const { sealKey, settings, fleet } = context;
    const value = toEnsure(sealKey, resumed, undefined, settings.stopGraceMs, context.decided(resumed));
    fleet.send(workerId, { case: 'ensure', value });
  });
}
