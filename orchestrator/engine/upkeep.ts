/** What becomes due without anybody asking: waiting jobs, deadlines, silence, and what an earlier run left. In the caller's transaction. */
import type { BotKey } from '#common/ids.ts';
import { decidedAnew } from '../core/bot/decided.ts';
import { deadlineProblem } from '../core/deadlines.ts';
import { isAtWork } from '../core/job.ts';
import { advance, decideAlone } from './advance.ts';
import type { Change } from './change.ts';
import type { EngineContext } from './context.ts';
import { endDeleteOf } from './leftovers.ts';
import { place } from './placing.ts';
import { damaged, isDamaged } from './specs.ts';
import { renewTokenKeys } from './token-ownership.ts';

/** Tries again to place what waits for a worker: one has joined, become ready, or has room again. */
export function placeWaiting(context: EngineContext, change: Change): void {
  for (const { jobId } of change.tx.jobs.withStatus('waiting_for_worker')) {
    // The job as those before it have left it.
    const job = change.tx.jobs.get(jobId);
    const bot = job && change.tx.bots.get(job);
    if (job?.status !== 'waiting_for_worker' || bot === undefined) continue;
    if (bot.desired === 'running' && isDamaged(context.sealKey, bot)) {
      advance(context, change, job, { kind: 'aborted', problem: damaged(bot.botId) });
    } else place(context, change, job, bot);
  }
}

/** Ends the jobs whose deadline has passed. */
export function endOverdue(context: EngineContext, change: Change): void {
  for (const { jobId } of change.tx.jobs.overdue(change.now)) {
    // The end of one job gives the next of its bot its turn, so that this one may have changed since it was listed.
    const job = change.tx.jobs.get(jobId);
    if (job !== undefined) advance(context, change, job, { kind: 'aborted', problem: deadlineProblem(job) });
  }
}

/** A worker is silent now: what was to be stopped or removed there stays a decision, and its jobs end. */
export function workerSilent(context: EngineContext, change: Change, workerId: string): void {
  const { bots, jobs, leftovers } = change.tx;
  for (const bot of bots.ofWorker(workerId)) {
    const job = jobs.openOfBot(bot)[0];
    if (job !== undefined && isAtWork(job)) decideAlone(context, change, job);
  }
  for (const leftover of leftovers.ofWorker(workerId)) endDeleteOf(context, change, leftover);
}

/** Decides once more what was decided about these bots, with numbers and a revision above all that their worker has seen. */
export function decideAnew(change: Change, keys: readonly BotKey[]): void {
  for (const key of keys) {
    const bot = change.tx.bots.get(key);
    if (bot !== undefined) change.putBot(decidedAnew(bot));
  }
}

/** What an earlier run of the orchestrator left in the rows. */
export function takeUp(context: EngineContext, change: Change): void {
  const { tx, now } = change;
  // Across a reboot only the wall clock shows how long it was; if set back, it must not grant more time.
  tx.jobs.boundDeadlines(now);
  tx.bots.boundAges(now);
  renewTokenKeys(context, tx);
  tx.bots.setMaxRuntime(context.settings.maxRuntimeMs);
}

/** A log that was being read died with the process that read it: it is read again. */
export function readLogsAgain(change: Change): void {
  for (const job of change.tx.jobs.withStatus('running')) {
    if (job.action === 'logs') change.afterCommit({ kind: 'read_log', job });
  }
}

/** Ends the jobs that were to run a bot whose spec cannot be opened: its worker could not be given it. */
export function endDamaged(context: EngineContext, change: Change, keys: readonly BotKey[]): void {
  for (const key of keys) {
    const bot = change.tx.bots.get(key);
    const [job] = change.tx.jobs.openOfBot(key);
    if (bot?.desired !== 'running' || job === undefined || !isAtWork(job)) continue;
    advance(context, change, job, { kind: 'aborted', problem: damaged(bot.botId) });
  }
}
