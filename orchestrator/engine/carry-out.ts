/** The end of a decision that was kept for a silent worker, as that worker reports it. In the transaction of the caller. */
import type { TaskResult } from '#gen/botrunner/v1/worker_service_pb.js';
import type { BotRecord } from '../core/records.ts';
import { beginNext, resumeHolders } from './advance.ts';
import type { Change } from './change.ts';
import type { EngineContext } from './context.ts';
import { applyObservation } from './observe.ts';
import { removeDeleted } from './settling.ts';
import { releaseTokens } from './token-ownership.ts';

/** False when the result is of another task. One that failed is tried again: the task stays the bot's. */
export function applyPendingResult(
  context: EngineContext,
  change: Change,
  workerId: string,
  { taskId, observation, outcome }: TaskResult,
): boolean {
  const found = change.tx.bots.withPendingTask(taskId);
  if (found === undefined || found.workerId !== workerId) return false;
  if (observation !== undefined) applyObservation(change, workerId, observation);
  if (outcome.case !== 'succeeded') return true;
  const bot = change.tx.bots.get(found) ?? found;
  if (bot.desired === 'removed' && bot.purge) change.tx.botVolumes.remove(bot, workerId);
  const settled: BotRecord = { ...bot, pendingTask: null };
  // Without a revision it has never run; a start that was called off has left it stopped.
  const settledState = bot.revision === 0 && bot.state !== 'stopped' ? 'failed' : 'stopped';
  const state = bot.desired === 'stopped' ? settledState : bot.state;
  const next = change.putBot({ ...settled, state });
  // A later start may already want it back, and have its tokens.
  if (next.desired !== 'running' || change.tx.jobs.openOfBot(next).length === 0) {
    releaseTokens(context, change.tx, next);
  }
  const takeover = change.tx.jobs.get(taskId);
  if (takeover !== undefined) resumeHolders(context, change, takeover);
  removeDeleted(change, next);
  beginNext(context, change, next);
  return true;
}
