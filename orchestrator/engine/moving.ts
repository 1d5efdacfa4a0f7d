/**
 * Moves a bot to another worker: stopped and gone on the old one, then started on the new one, which gets a new epoch. The
 * bot should run all the while, so that its place in the quota and its Telegram token stay its own. In the caller's transaction.
 */
import type { BotKey } from '#common/ids.ts';
import { newJob } from '../core/job.ts';
import { planPlacement } from '../core/placement.ts';
import type { BotRecord } from '../core/records.ts';
import { queue } from './advance.ts';
import type { Change } from './change.ts';
import type { EngineContext } from './context.ts';
import { candidatesFor, wantedFor } from './placing.ts';
import { isDamaged } from './specs.ts';

export type MoveBegun =
  | { readonly kind: 'begun'; readonly jobId: string }
  | { readonly kind: 'stays'; readonly reason: string }
  /** The bot is not on that worker any more. */
  | { readonly kind: 'gone' };

/** Begins to move a bot away from a worker, or says why it stays there. */
export function beginMove(context: EngineContext, change: Change, key: BotKey, workerId: string): MoveBegun {
  const bot = change.tx.bots.get(key);
  if (bot === undefined || bot.workerId !== workerId || bot.desired === 'removed') return { kind: 'gone' };
  const objection = objectionToMove(context, change, bot);
  if (objection !== undefined) return { kind: 'stays', reason: objection };
  const { userId, botId } = bot;
  const subject = {
    jobId: change.newId(),
    userId,
    botId,
    blueprint: 'bot_runner',
    input: { action: 'move', params: { from: workerId } },
    specSealed: null,
  } as const;
  const job = change.addJob(newJob(subject, 'init', context.settings, change.now));
  queue(context, change, job);
  return { kind: 'begun', jobId: job.jobId };
}

/** Why a bot cannot leave its worker now; undefined when it can. */
function objectionToMove(context: EngineContext, change: Change, bot: BotRecord): string | undefined {
  if (bot.desired !== 'running') return 'it is not running; the next start places it on another worker';
  if (isDamaged(context.sealKey, bot)) return 'it is damaged: it could not be started elsewhere';
  if (bot.state === 'exited') return 'it has exited; elsewhere it would run again';
  const all = candidatesFor(context, change.tx, bot);
  const home = all.find(({ workerId }) => workerId === bot.workerId);
  if (home === undefined) return `worker ${bot.workerId} is not connected: it cannot be stopped there`;
  if (home.silentMs > 0) return `worker ${bot.workerId} is silent: it cannot be stopped there`;
  const others = all.filter((worker) => worker !== home);
  if (others.length === 0) return 'no other worker is connected';
  const plan = planPlacement(others, { ...wantedFor(context, bot), home: undefined });
  return plan.placed ? undefined : plan.reason;
}
