/**
 * Moves a bot to another worker: stopped and gone on the old one, then started on the new one, which gets a new epoch. The
 * bot should run all the while, so that its place in the quota and its Telegram token stay its own.
 */
import { type Problem, problem } from '#common/problem.ts';
import { planPlacement } from '../core/placement.ts';
import type { BotRecord, JobRecord } from '../core/records.ts';
import type { Change } from './change.ts';
import type { EngineContext } from './context.ts';
import { deadlineMs } from './deadlines.ts';
import { candidatesFor, wantedFor } from './placing.ts';
import { isDamaged, toEnsure } from './specs.ts';

export type MovePlan =
  | { readonly moves: true; readonly to: string }
  /** Why the bot stays where it is. */
  | { readonly moves: false; readonly reason: string };

/** Whether a bot can leave its worker now. */
export function planMove(context: EngineContext, change: Change, bot: BotRecord): MovePlan {
  const stays = (reason: string): MovePlan => ({ moves: false, reason });
  if (bot.desired !== 'running') {
    return stays('it does not run; when it is started again it goes to another worker');
  }
  if (isDamaged(context.sealKey, bot)) return stays('it is damaged: it could not be started elsewhere');
  if (bot.state === 'exited') return stays('it has ended by itself; elsewhere it would run once more');
  const all = candidatesFor(context, change.tx, bot);
  const home = all.find(({ workerId }) => workerId === bot.workerId);
  if (home === undefined) return stays(`worker ${bot.workerId} is not connected: it cannot be stopped there`);
  if (home.silentMs > 0) return stays(`worker ${bot.workerId} is silent: it cannot be stopped there`);
  const others = all.filter((worker) => worker !== home);
  if (others.length === 0) return stays('no other worker is connected');
  const plan = planPlacement(others, { ...wantedFor(context, bot), home: undefined });
  return plan.placed ? { moves: true, to: plan.workerId } : stays(plan.reason);
}

/** The job that moves a bot away from the worker it is on; the caller stores it and gives it its turn. */
export function moveJob(context: EngineContext, change: Change, bot: BotRecord): JobRecord {
  const input = { action: 'move', params: { from: bot.workerId ?? '' } } as const;
  return {
    jobId: context.newId(),
    userId: bot.userId,
    blueprint: 'bot_runner',
    botId: bot.botId,
    mutating: true,
    state: 'init',
    status: 'pending',
    reason: '',
    ...input,
    specSealed: null,
    result: null,
    error: null,
    taskId: null,
    createdAt: change.now,
    updatedAt: change.now,
    deadlineAt: change.now + deadlineMs(context.settings, input.action),
  };
}

/** Why a move whose turn it is has nothing to do any more. */
export function objectionToMove(bot: BotRecord, from: string): Problem | undefined {
  if (bot.desired === 'running' && bot.workerId === from) return undefined;
  return problem('CANCELLED', 'The bot does not run on that worker any more.');
}

/** The bot as the step of a move wants it. */
export const movedBot = (bot: BotRecord): BotRecord => ({ ...bot, leaving: true, generation: bot.generation + 1 });

/**
 * Undoes a move that did not succeed. `failed`: its new worker says that the bot could not be started there, which is the
 * only case in which it may go back; in every other it might run there by now.
 */
export function giveUpMove(context: EngineContext, change: Change, job: JobRecord, failed: boolean): void {
  const bot = change.tx.bots.get(job);
  const from = job.action === 'move' ? job.params.from : '';
  if (bot === undefined || bot.desired !== 'running' || from === '') return;
  const back = wayBack(bot, from, failed);
  if (back === undefined) return;
  const returned = change.putBot(back);
  change.afterCommit(() => {
    context.fleet.send(from, {
      case: 'ensure',
      value: toEnsure(context.sealKey, returned, undefined, context.settings.stopGraceMs, context.decided(returned)),
    });
  });
}

function wayBack(bot: BotRecord, from: string, failed: boolean): BotRecord | undefined {
  const next = { ...bot, generation: bot.generation + 1, leaving: false };
  if (bot.leaving) return next;
  if (!failed || bot.workerId === from || bot.observed.containerId !== undefined) return undefined;
  return { ...next, workerId: from, epoch: bot.epoch + 1, state: 'pending', observed: {} };
}
