/**
 * Frees what a worker holds whose host is off for good, as an operator has confirmed: names, Telegram tokens and places. What
 * the worker may still have is remembered as leftovers, which it removes before it gets any bot if it ever comes back. In the
 * transaction of the caller.
 */
import type { BotKey } from '#common/ids.ts';
import { problem } from '#common/problem.ts';
import { freed } from '../core/bot/placed.ts';
import { givenBack, isAtWork } from '../core/job.ts';
import type { BotRecord, JobRecord } from '../core/records.ts';
import { advance, beginNext, decideAlone } from './advance.ts';
import type { Change } from './change.ts';
import type { EngineContext } from './context.ts';
import { endDeleteOf } from './leftovers.ts';
import { place } from './placing.ts';
import { removeDeleted } from './settling.ts';
import { releaseTokens } from './token-ownership.ts';

export interface FreedBot extends BotKey {
  /** `removed`: it was to be removed anyway. `moved`: an open start continues elsewhere. Else it is stopped. */
  readonly outcome: 'removed' | 'moved' | 'stopped';
}

export function forgetWorker(context: EngineContext, change: Change, workerId: string): readonly FreedBot[] {
  const { tx } = change;
  const bots = tx.bots.ofWorker(workerId).map((bot) => freeBot(context, change, bot, workerId));
  for (const leftover of tx.leftovers.ofWorker(workerId)) endDeleteOf(context, change, leftover);
  tx.botVolumes.removeWorker(workerId);
  tx.workers.forget(workerId);
  return bots;
}

function freeBot(context: EngineContext, change: Change, key: BotRecord, workerId: string): FreedBot {
  const { userId, botId } = key;
  const { tx } = change;
  const atWork = () => tx.jobs.openOfBot(key).find(isAtWork);
  let job = atWork();
  if (job?.action === 'move') {
    const gone = problem('CANCELLED', `The worker ${workerId} was forgotten.`);
    advance(context, change, job, { kind: 'aborted', problem: gone });
  } else if (job !== undefined) decideAlone(context, change, job);
  job = atWork();
  const bot = tx.bots.get(key);
  if (bot === undefined || bot.workerId !== workerId) return { userId, botId, outcome: 'removed' };
  const { epoch, generation } = bot;
  const purge = bot.desired === 'removed' && bot.purge;
  const taskId = change.newId();
  tx.leftovers.put({ workerId, userId, botId, epoch, generation: generation + 1, purge, copy: true, taskId });
  if (job !== undefined) {
    placeAnew(context, change, job, bot);
    return { userId, botId, outcome: 'moved' };
  }
  releaseTokens(context, tx, change.putBot(freed(bot, workerId, false)));
  removeDeleted(change, bot);
  beginNext(context, change, bot);
  return { userId, botId, outcome: bot.desired === 'removed' ? 'removed' : 'stopped' };
}

/** An open start goes to another worker. */
function placeAnew(context: EngineContext, change: Change, job: JobRecord, bot: BotRecord): void {
  const task = job.taskId === null ? undefined : change.tx.tasks.get(job.taskId);
  if (task === undefined || bot.workerId === null) return;
  change.putTask(givenBack(task));
  place(context, change, job, change.putBot(freed(bot, bot.workerId, true)));
}
