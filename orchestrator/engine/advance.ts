/** Moves jobs: one function takes a job through one event, in the caller's transaction. */
import { problem } from '#common/problem.ts';
import { rowOf } from '../core/actions.ts';
import type { JobEvent, Step } from '../core/blueprints/blueprint.ts';
import { type BotRecord, isFinal, type JobRecord } from '../core/records.ts';
import { hasGot, stoppedHolders } from '../core/takeover.ts';
import { dispatch, objectionToBegin } from './activate.ts';
import type { Change } from './change.ts';
import type { EngineContext } from './context.ts';
import { tellFormer } from './former-version.ts';
import { giveUpMove } from './moving.ts';
import { offerTask } from './offer-task.ts';
import { awaitsRemoval, endOfDelete, endWithoutWorker, keepPending, stoppedResult } from './pending.ts';
import { answerNow } from './read.ts';
import { removeDeleted, settle } from './settling.ts';
import { openSoundSpec, shapeOf, toEnsure } from './specs.ts';
import { resumeHolder } from './takeover.ts';
import { releaseTokens } from './token-ownership.ts';

/** Applies an event; an event that means nothing to the job's state changes nothing. Returns the job as it is now. */
export function advance(context: EngineContext, change: Change, job: JobRecord, event: JobEvent): JobRecord {
  if (isFinal(job.status)) return job;
  const blueprint = context.blueprints.get(job.blueprint);
  // One whose row cannot be told any more must still end.
  const step = blueprint === undefined ? lost(event) : blueprint.step(job, event);
  if (step === undefined) return job;
  for (const state of step.path) change.tx.jobs.addStep(job.jobId, state, change.now);
  const state = step.path.at(-1) ?? job.state;
  switch (step.status) {
    case 'running': {
      let current: JobRecord = { ...job, state, status: 'running' };
      for (const effect of step.effects) {
        if (effect.kind === 'dispatch') {
          current = (job.botId === '' ? offerTask : dispatch)(context, change, current, effect);
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
      if (rowOf(job.action).undo === 'home') giveUpMove(context, change, job, event.kind === 'task_failed');
      else giveUp(context, change, job, step.status);
      const after = change.tx.bots.get(job);
      const error = tellFormer(step.problem, job, { before, after, workerSaid: event.kind === 'task_failed' });
      const ended = finish(context, change, { ...job, state, status: step.status, reason: '', error });
      // Its bot is gone; what was left to wait for continues by itself.
      if (job.action === 'delete' && change.tx.bots.get(job)?.pendingTask === null) removeDeleted(change, job);
      return ended;
    }
  }
}

const lost = (event: JobEvent): Step | undefined =>
  event.kind === 'aborted' ? { status: 'failed', path: ['failed'], problem: event.problem } : undefined;

/** Ends a stop or delete that no worker has to be waited for: the bot is nowhere, or its worker is silent. */
export function decideAlone(context: EngineContext, change: Change, job: JobRecord): JobRecord | undefined {
  if (isFinal(job.status) || job.taskId === null) return undefined;
  const end = endWithoutWorker(context, change, job);
  const bot = change.tx.bots.get(job);
  if (end === undefined || bot === undefined) return undefined;
  if (end.kind === 'pending') {
    keepPending(change, bot, job);
    return advance(context, change, job, { kind: 'task_succeeded', result: end.result });
  }
  settle(context, change, job, bot);
  const task = change.tx.tasks.get(job.taskId);
  if (task !== undefined) change.tx.tasks.put({ ...task, status: 'done', finishedAt: change.now });
  if (job.action === 'stop') {
    return advance(context, change, job, { kind: 'task_succeeded', result: stoppedResult(job) });
  }
  const deleted = endOfDelete(context, change, job);
  if (deleted.kind === 'waits') return change.putJob({ ...job, status: 'running', reason: deleted.reason });
  const ended = advance(context, change, job, { kind: 'task_succeeded', result: deleted.result });
  removeDeleted(change, job);
  return ended;
}

/** Ends a list or status job at once; a log is asked for after the commit. */
function read(context: EngineContext, change: Change, job: JobRecord, what: 'list' | 'status' | 'logs'): JobRecord {
  const result = answerNow(context, change.tx, job, what);
  if (result !== undefined) return advance(context, change, job, { kind: 'answered', result });
  change.afterCommit(() => context.requestLogs(job));
  return job;
}

/** Stores a final job and gives the next one of its bot its turn. */
function finish(context: EngineContext, change: Change, job: JobRecord): JobRecord {
  const done = change.putJob({ ...job, specSealed: null });
  const task = job.taskId === null ? undefined : change.tx.tasks.get(job.taskId);
  if (task !== undefined && task.status !== 'done') {
    change.tx.tasks.put({ ...task, status: 'done', finishedAt: change.now });
  }
  if (job.mutating) beginNext(context, change, job);
  return done;
}

/** Begins the oldest waiting job of a bot, unless one is at work. */
export function beginNext(context: EngineContext, change: Change, key: { userId: string; botId: string }): void {
  const next = change.tx.jobs.openOfBot(key)[0];
  if (next?.status !== 'pending') return;
  const bot = change.tx.bots.get(key);
  if (awaitsRemoval(bot)) {
    change.putJob({ ...next, reason: `worker ${bot.workerId} has yet to remove the deleted bot of that name` });
    return;
  }
  const objection = objectionToBegin(context, change, next);
  advance(context, change, next, objection === undefined ? { kind: 'begin' } : { kind: 'aborted', problem: objection });
}

/** Undoes what a job that did not succeed wanted of its bot. A stop or delete stays wanted. */
function giveUp(context: EngineContext, change: Change, job: JobRecord, end: 'failed' | 'cancelled'): void {
  if (job.taskId === null) {
    forgetUnbornBot(change, job);
    return;
  }
  const task = change.tx.tasks.get(job.taskId);
  const bot = change.tx.bots.get(job);
  if (bot !== undefined && rowOf(job.action).undo === 'stands') {
    // It stays wanted; what its worker has done of it need not be done again.
    if (task?.status !== 'done') keepPending(change, bot, job);
    return;
  }
  if (task === undefined || bot === undefined || bot.undo === null) return;
  // With a token that others were stopped for, or on a worker that has fallen silent, it may run: what it has stays its own
  // until its worker says that it does not.
  const isUnknown = task.workerId !== null && context.fleet.isSilent(task.workerId);
  const mayRun = hasGot(job) || isUnknown;
  const back = revert(context, bot, end);
  const reverted = change.putBot(
    mayRun ? { ...back, pendingTask: job.jobId, state: isUnknown ? bot.state : back.state } : back,
  );
  if (!mayRun) {
    releaseTokens(context, change.tx, reverted);
    resumeHolders(context, change, job);
  }
  const { workerId } = task;
  if (workerId === null) return;
  const confirm = mayRun ? { taskId: job.jobId, restart: false, takeover: false } : undefined;
  change.afterCommit(() => {
    context.fleet.send(workerId, {
      case: 'cancelTask',
      value: { $typeName: 'botrunner.v1.CancelTask', taskId: task.taskId },
    });
    context.fleet.send(workerId, {
      case: 'ensure',
      value: toEnsure(context.sealKey, reverted, confirm, context.settings.stopGraceMs, context.decided(reverted)),
    });
  });
}

/** Lets the holders run again that were stopped for a takeover, also those whose stop is not done yet. */
export function resumeHolders(context: EngineContext, change: Change, job: JobRecord): void {
  for (const holder of stoppedHolders(job)) {
    const stop = change.tx.jobs.openOfBot(holder).find(({ action }) => action === 'stop');
    if (stop !== undefined) {
      const reason = problem('CANCELLED', 'The takeover that this stop was for did not succeed.');
      advance(context, change, stop, { kind: 'aborted', problem: reason });
    }
    resumeHolder(context, change, holder);
  }
}

/** Back to what was desired before, as a decision of its own, so that the worker takes it as the newest. */
function revert(context: EngineContext, bot: BotRecord, end: 'failed' | 'cancelled'): BotRecord {
  const { undo } = bot;
  if (undo === null) return bot;
  const generation = bot.generation + 1;
  const spec = openSoundSpec(context.sealKey, bot, undo.specSealed);
  const back = {
    ...bot,
    ...(spec === undefined ? {} : { ...shapeOf(spec, context.settings), mode: spec.source.case ?? bot.mode }),
    generation,
    desired: undo.desired,
    revision: undo.revision,
    specSealed: undo.specSealed,
    undo: null,
  };
  if (undo.desired === 'running') return back;
  // Nothing ran before and nothing runs now, and its place is free again. What its user called off did not fail.
  const state = undo.revision === 0 && end === 'failed' ? 'failed' : 'stopped';
  return { ...back, desired: 'stopped', state };
}

/** A start that never got its turn leaves no bot behind. */
function forgetUnbornBot(change: Change, job: JobRecord): void {
  const bot = change.tx.bots.get(job);
  const others = change.tx.jobs.openOfBot(job).filter((other) => other.jobId !== job.jobId);
  if (bot !== undefined && bot.generation === 0 && others.length === 0) change.removeBot(bot);
}
