/** Takes a move in: whether it can be, the job, and its turn. In the caller's transaction. */
import type { BotKey } from '#common/ids.ts';
import { beginNext } from './advance.ts';
import type { Change } from './change.ts';
import type { EngineContext } from './context.ts';
import { moveJob, planMove } from './moving.ts';

export type MoveBegun =
  | { readonly kind: 'begun'; readonly jobId: string }
  | { readonly kind: 'stays'; readonly reason: string }
  /** The bot is not on that worker any more. */
  | { readonly kind: 'gone' };

/** Begins to move a bot away from a worker, or says why it stays there. */
export function beginMove(context: EngineContext, change: Change, key: BotKey, workerId: string): MoveBegun {
  const bot = change.tx.bots.get(key);
  if (bot === undefined || bot.workerId !== workerId || bot.desired === 'removed') return { kind: 'gone' };
  const plan = planMove(context, change, bot);
  if (!plan.moves) return { kind: 'stays', reason: plan.reason };
  const job = change.putJob(moveJob(context, change, bot));
  change.tx.jobs.addStep(job.jobId, job.state, change.now);
  beginNext(context, change, job);
  const now = change.tx.jobs.get(job.jobId);
  if (now?.status === 'pending') change.putJob({ ...now, reason: 'waiting for an earlier job of the same bot' });
  return { kind: 'begun', jobId: job.jobId };
}
