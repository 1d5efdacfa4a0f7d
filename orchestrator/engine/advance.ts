/** Moves jobs: one function takes a job through one event, in the caller's transaction. What a failed job has decided is undone. */
import type { BotKey } from '#common/ids.ts';
import { problem } from '#common/problem.ts';
import { rowOf } from '../core/actions.ts';
import { abortedStep, type JobEvent, type ReadKind, type Step, type Work } from '../core/blueprints/blueprint.ts';
import { returned } from '../core/bot/placed.ts';
import { outliving } from '../core/bot/settled.ts';
import { type Doubt, resumed, reverted } from '../core/bot/undone.ts';
import { tellFormer } from '../core/former-version.ts';
import { atWork, withReason } from '../core/job.ts';
import type { StoppedHolder } from '../core/job-params.ts';
import { checkQuota, mayRun } from '../core/quota.ts';
import { type BotRecord, isFinal, type JobRecord } from '../core/records.ts';
import { hasGot, stoppedHolders } from '../core/takeover.ts';
import type { Tables } from '../store/tables.ts';
import type { Change } from './change.ts';
import type { EngineContext } from './context.ts';
import { configureAlone, dispatch, objectionToBegin } from './dispatch.ts';
import { sendEnsure } from './ensure.ts';
import { activeBots, answerNow } from './read.ts';
import { awaitsRemoval, endOfDelete, endWithoutWorker, removeDeleted, settle, stoppedResult } from './settling.ts';
import { openSoundSpec, shapeOf } from './specs.ts';
import { acquireTokens, releaseTokens, tokenHolders } from './token-ownership.ts';

/** Applies an event; an event that means nothing to the job's state changes nothing. Returns the job as it is now. */
export function advance(context: EngineContext, change: Change, job: JobRecord, event: JobEvent): JobRecord {
  if (isFinal(job.status)) return job;
  const blueprint = context.blueprints.get(job.blueprint);
  // One whose row cannot be read any more must still end.
  const step = blueprint === undefined ? lost(event) : blueprint.step(job, event);
  if (step === undefined) return job;
  for (const state of step.path) change.tx.jobs.addStep(job.jobId, state, change.now);
  const state = step.path.at(-1) ?? job.state;
  switch (step.status) {
    case 'running': {
      let current: JobRecord = { ...job, state, status: 'running' };
      for (const effect of step.effects) {
        if (effect.kind === 'dispatch') {
          current = carryOut(context, change, current, effect.work);
          current = decideAlone(context, change, current) ?? current;
        } else current = read(context, change, change.putJob(current), effect.what);
      }
      return current;
    }
    case 'completed':
      return finish(context, change, { ...job, state, status: 'completed', reason: '', result: step.result });
    case 'failed':
    case 'cancelled': {
      const before = change.tx.bots.get(job);
      const workerSaid = event.kind === 'task_failed';
      undo(context, change, job, { end: step.status, workerSaid });
      const after = change.tx.bots.get(job);
      const error = tellFormer(step.problem, job, { before, after, workerSaid });
      const ended = finish(context, change, { ...job, state, status: step.status, reason: '', error });
      // The row of a deleted bot whose worker has nothing left to do was kept only for this job.
      if (change.tx.bots.get(job)?.pendingTask === null) removeDeleted(change, job);
      return ended;
    }
  }
}

/** Decides, and hands the task to a worker, if one is needed. */
function carryOut(context: EngineContext, change: Change, job: JobRecord, work: Work): JobRecord {
  const result = work.decides === 'configure' ? configureAlone(context, change, job) : undefined;
  if (result === undefined) return dispatch(context, change, job, work);
  return advance(context, change, change.putJob(job), { kind: 'answered', result });
}

const lost = (event: JobEvent): Step | undefined =>
  event.kind === 'aborted' ? abortedStep(event.problem, ['failed']) : undefined;

/** Ends a stop or delete that no worker has to be waited for: the bot is nowhere, or its worker is silent. */
export function decideAlone(context: EngineContext, change: Change, job: JobRecord): JobRecord | undefined {
  if (isFinal(job.status) || job.taskId === null) return undefined;
  const end = endWithoutWorker(context, change, job);
  const bot = change.tx.bots.get(job);
  if (end === undefined || bot === undefined) return undefined;
  if (end.kind === 'pending') {
    change.putBot(outliving(bot, job.taskId));
    return advance(context, change, job, { kind: 'task_succeeded', result: end.result });
  }
  settle(context, change, job, bot);
  change.endTask(job);
  if (job.action === 'stop') {
    return advance(context, change, job, { kind: 'task_succeeded', result: stoppedResult(job) });
  }
  const deleted = endOfDelete(context, change, job);
  if (deleted.kind === 'waits') return change.putJob(atWork(job, deleted.reason));
  const ended = advance(context, change, job, { kind: 'task_succeeded', result: deleted.result });
  removeDeleted(change, job);
  return ended;
}

/** Ends a reading job at once; a log is asked for after the commit. */
function read(context: EngineContext, change: Change, job: JobRecord, what: ReadKind): JobRecord {
  const answer = answerNow(context, change.tx, job, what);
  if (answer !== undefined) {
    const event: JobEvent = answer.ok
      ? { kind: 'answered', result: answer.value }
      : { kind: 'aborted', problem: answer.problem };
    return advance(context, change, job, event);
  }
  change.afterCommit({ kind: 'read_log', job });
  return job;
}

/** Stores a final job and gives the next one of its bot its turn. */
function finish(context: EngineContext, change: Change, job: JobRecord): JobRecord {
  const done = change.putJob({ ...job, specSealed: null });
  change.endTask(job);
  if (job.mutating) beginNext(context, change, job);
  return done;
}

/** Begins the oldest waiting job of a bot, unless one is at work. */
export function beginNext(context: EngineContext, change: Change, key: BotKey): void {
  const next = change.tx.jobs.openOfBot(key)[0];
  if (next?.status !== 'pending') return;
  const bot = change.tx.bots.get(key);
  if (awaitsRemoval(bot)) {
    change.putJob(withReason(next, `worker ${bot.workerId} has not yet removed the deleted bot of that name`));
    return;
  }
  const objection = objectionToBegin(context, change, next);
  advance(context, change, next, objection === undefined ? { kind: 'begin' } : { kind: 'aborted', problem: objection });
}

/** Gives a new job that changes its bot its turn, if it has come. Returns the job as it is now. */
export function queue(context: EngineContext, change: Change, job: JobRecord): JobRecord {
  beginNext(context, change, job);
  const now = change.tx.jobs.get(job.jobId) ?? job;
  return now.status === 'pending' && now.reason === ''
    ? change.putJob(withReason(now, 'waiting for an earlier job of the same bot'))
    : now;
}

interface Failure {
  readonly end: 'failed' | 'cancelled';
  /** Whether its worker reports that it could not be done. */
  readonly workerSaid: boolean;
}

/** Undoes what a job that did not succeed wanted of its bot. */
function undo(context: EngineContext, change: Change, job: JobRecord, { end, workerSaid }: Failure): void {
  const bot = change.tx.bots.get(job);
  if (bot === undefined) return;
  switch (rowOf(job.action).undo) {
    case 'home': {
      const back = returned(bot, job.action === 'move' ? job.params.from : '', workerSaid);
      if (back !== undefined) sendEnsure(context, change, change.putBot(back));
      return;
    }
    case 'stands': {
      // It stays wanted; what its worker has done of it need not be done again. A delete that could not be done is not: the bot may run.
      const task = job.taskId === null ? undefined : change.tx.tasks.get(job.taskId);
      const isDone = task?.status === 'done' && !(workerSaid && job.action === 'delete');
      if (job.taskId !== null && !isDone) change.putBot(outliving(bot, job.taskId));
      else if (job.taskId === null) forgetUnbornBot(change, bot, job);
      return;
    }
    case 'before':
      if (job.taskId === null) forgetUnbornBot(change, bot, job);
      else goBack(context, change, job, bot, { end, workerSaid });
      return;
    case 'nothing':
  }
}

/** A start that never got its turn leaves no bot behind. */
function forgetUnbornBot(change: Change, bot: BotRecord, job: JobRecord): void {
  const others = change.tx.jobs.openOfBot(job).filter((other) => other.jobId !== job.jobId);
  if (bot.generation === 0 && others.length === 0) change.removeBot(bot);
}

/** The bot as it was before the job. */
function goBack(context: EngineContext, change: Change, job: JobRecord, bot: BotRecord, failure: Failure): void {
  const task = job.taskId === null ? undefined : change.tx.tasks.get(job.taskId);
  if (task === undefined || bot.undo === null) return;
  const { sealKey, settings, fleet } = context;
  const { workerId } = task;
  const isSilent = workerId !== null && fleet.isSilent(workerId);
  // What it may run with stays its own until its worker says that it does not.
  const inDoubt = workerId !== null && mayRunByNow(job, bot, failure);
  const doubt: Doubt | undefined = inDoubt ? { taskId: job.jobId, isSilent } : undefined;
  const former = openSoundSpec(sealKey, bot, bot.undo.specSealed);
  const shape = former === undefined ? undefined : shapeOf(former, bot.mode, settings);
  const back = change.putBot(reverted(bot, { shape, end: failure.end, doubt }));
  if (doubt === undefined) {
    releaseTokens(context, change.tx, back);
    resumeHolders(context, change, job);
  }
  if (workerId === null) return;
  const { taskId } = task;
  const cancel = { case: 'cancelTask', value: { $typeName: 'botrunner.v1.CancelTask', taskId } } as const;
  change.afterCommit({ kind: 'send', workerId, body: cancel });
  // For a version that its worker has started and judged, the next report is enough.
  const confirms = doubt !== undefined && (!failure.workerSaid || hasGot(job));
  sendEnsure(context, change, back, confirms ? { taskId: doubt.taskId, restart: false, takeover: false } : undefined);
}

/**
 * Whether what a job that did not succeed wanted may run on the worker that it was sent to. Not when the worker says that it could not
 * be done and has no container of it; nor while the holders of its tokens are still there, for which the worker waits.
 */
function mayRunByNow(job: JobRecord, { revision, observed }: BotRecord, { workerSaid }: Failure): boolean {
  if (hasGot(job)) return true;
  if (stoppedHolders(job).length > 0) return false;
  return !workerSaid || (observed.containerId !== undefined && observed.revision === revision);
}

/** Lets the holders that were stopped for a takeover run again, including those whose stop is not done yet. */
export function resumeHolders(context: EngineContext, change: Change, job: JobRecord): void {
  for (const holder of stoppedHolders(job)) {
    const stop = change.tx.jobs.openOfBot(holder).find(({ action }) => action === 'stop');
    if (stop !== undefined) {
      const reason = problem('CANCELLED', 'The takeover that needed this stop did not succeed.');
      advance(context, change, stop, { kind: 'aborted', problem: reason });
    }
    resumeHolder(context, change, job, holder);
  }
}

/**
 * Undoes the stop of a holder, unless something newer was decided about it. The caller has made sure that nothing runs with
 * its tokens. It was running a moment ago, so that its image is still there.
 */
function resumeHolder(context: EngineContext, change: Change, job: JobRecord, holder: StoppedHolder): void {
  const { tx } = change;
  const bot = tx.bots.get(holder);
  if (bot?.desired !== 'stopped' || bot.generation !== holder.generation || bot.workerId === null) return;
  // One that was still being started for the first time has nothing that it could run.
  if (bot.specSealed === null || tx.jobs.openOfBot(holder).length > 0) return;
  // Its user may have given its place to another bot meanwhile: then it stays stopped, and says why.
  if (!checkQuota(activeWithout(tx, job, bot.userId), bot.botId, context.settings.maxBotsPerUser).ok) return;
  const spec = openSoundSpec(context.sealKey, bot, bot.specSealed);
  // Another takeover may have its tokens by now.
  if (spec !== undefined && tokenHolders(context, tx, bot, spec).length > 0) return;
  const back = change.putBot(resumed(bot));
  if (spec !== undefined) acquireTokens(context, tx, back, spec);
  sendEnsure(context, change, back);
}

/** Ids of a user's bots that count against the quota when the job, which is ending, does not count any more. */
function activeWithout(tx: Tables, job: JobRecord, userId: string): ReadonlySet<string> {
  const active = new Set(activeBots(tx, userId).keys());
  const bot = tx.bots.get(job);
  const others = tx.jobs.openOfBot(job).some(({ jobId, action }) => jobId !== job.jobId && rowOf(action).takesPlace);
  if (job.userId === userId && !others && !(bot !== undefined && mayRun(bot))) active.delete(job.botId);
  return active;
}
