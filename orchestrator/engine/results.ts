/** The end of a task, as its worker reports it, applied in the caller's transaction. */
import { containerName } from '#common/ids.ts';
import type { JsonObject } from '#common/json.ts';
import { problem } from '#common/problem.ts';
import type { TaskResult, TaskSucceeded } from '#gen/botrunner/v1/worker_service_pb.js';
import type { JobEvent } from '../core/blueprints/blueprint.ts';
import { blamed } from '../core/bot/settled.ts';
import { accepted, withReason } from '../core/job.ts';
import { type BotRecord, isFinal, type JobRecord } from '../core/records.ts';
import { reasonToRollBack } from '../core/rolling-back.ts';
import { shortLines, shortProblem, shortReason } from '../core/worker-words.ts';
import { rfc3339OrNull } from '../views/time.ts';
import { advance } from './advance.ts';
import type { Change } from './change.ts';
import { confirm, isBackAsBefore } from './confirming.ts';
import type { EngineContext } from './context.ts';
import { applyRemoval, endDelete } from './leftovers.ts';
import { applyObservation } from './observe.ts';
import { settle } from './settling.ts';

/** Applies a result. A result that occurs twice, late or for a task of another worker changes no job. */
export function applyResult(context: EngineContext, change: Change, workerId: string, result: TaskResult): void {
  if (applyPendingResult(context, change, workerId, result) || applyRemoval(context, change, workerId, result)) return;
  const task = change.tx.tasks.get(result.taskId);
  if (task === undefined || task.workerId !== workerId || task.status === 'done') return;
  const job = change.tx.jobs.get(task.jobId);
  if (job === undefined) return;
  if (result.observation !== undefined) applyObservation(change, workerId, result.observation);
  let bot = change.tx.bots.get(job);
  if (bot === undefined) return;
  const { outcome } = result;
  const setback = outcome.case === 'succeeded' ? reasonToRollBack(job, bot, outcome.value) : undefined;
  if (setback !== undefined) {
    change.endTask(task);
    advance(context, change, job, { kind: 'task_failed', problem: setback });
    return;
  }
  if (outcome.case === 'succeeded') bot = isHalfway(context, job) ? bot : settle(context, change, job, bot);
  else if (outcome.case === 'failed') bot = change.putBot(blamed(bot, outcome.value.message));
  change.endTask(task);
  if (job.action === 'delete' && outcome.case === 'succeeded') {
    endDelete(context, change, job, noticesOf(outcome.value));
  } else advance(context, change, job, toEvent(job, bot, outcome));
}

/** Whether what the bot should be is not what this task carries out: one that moves is not settled before it runs again. */
function isHalfway({ blueprints }: EngineContext, { blueprint, state }: JobRecord): boolean {
  const work = blueprints.get(blueprint)?.workIn(state);
  return work?.decides === 'move' && work.goesTo === 'its_worker';
}

/**
 * The end of a task that outlived its job. False when the result is of another task. One that failed is retried:
 * the task stays the bot's.
 */
function applyPendingResult(
  context: EngineContext,
  change: Change,
  workerId: string,
  { taskId, observation, outcome }: TaskResult,
): boolean {
  const found = change.tx.bots.withPendingTask(taskId);
  if (found === undefined || found.workerId !== workerId) return false;
  if (observation !== undefined) applyObservation(change, workerId, observation);
  const bot = change.tx.bots.get(found) ?? found;
  if (outcome.case === 'succeeded' || isBackAsBefore(bot)) confirm(context, change, bot);
  return true;
}

/** A task has arrived at its worker. */
export function noteAccepted(change: Change, workerId: string, taskId: string): void {
  const task = change.tx.tasks.get(taskId);
  if (task?.workerId !== workerId || task.status !== 'open') return;
  change.putTask(accepted(task, workerId, change.now));
}

/** A task makes progress: people who watch its job see the line. Returns the job's id; undefined when it has ended. */
export function noteProgress(change: Change, workerId: string, taskId: string, message: string): string | undefined {
  const task = change.tx.tasks.get(taskId);
  if (task?.workerId !== workerId || task.status === 'done') return undefined;
  const job = change.tx.jobs.get(task.jobId);
  if (job === undefined || isFinal(job.status)) return undefined;
  if (message !== '' && message !== job.reason) change.putJob(withReason(job, shortReason(message)));
  return job.jobId;
}

function toEvent(job: JobRecord, bot: BotRecord, outcome: TaskResult['outcome']): JobEvent {
  switch (outcome.case) {
    case 'succeeded':
      return { kind: 'task_succeeded', result: resultOf(job, bot, outcome.value) };
    case 'failed':
      return { kind: 'task_failed', problem: shortProblem(outcome.value) };
    case undefined:
      return { kind: 'task_failed', problem: problem('CONTAINER_ERROR', 'The worker gave no outcome.') };
  }
}

const resultOf = (job: JobRecord, bot: BotRecord, outcome: TaskSucceeded): JsonObject =>
  job.action === 'stop'
    ? // Reports of "no container" may have come before the result: the name is known anyway.
      { status: 'stopped', bot_id: bot.botId, container_name: containerName(job), ...noticesOf(outcome) }
    : deployedResult(job, bot, outcome);

/** What a start, update, restart or configure is answered with. */
function deployedResult(job: JobRecord, bot: BotRecord, outcome: TaskSucceeded): JsonObject {
  const { observed } = bot;
  const unhealthy = bot.state === 'exited' || bot.state === 'crash_loop' ? bot.state : undefined;
  const healthy =
    job.action === 'move'
      ? 'moved'
      : job.action === 'restart'
        ? 'restarted'
        : job.action === 'configure'
          ? 'configured'
          : outcome.replaced
            ? 'updated'
            : 'started';
  return {
    status: unhealthy ?? healthy,
    bot_id: bot.botId,
    container_id: observed.containerId ?? null,
    container_name: observed.containerName ?? null,
    started_at: rfc3339OrNull(observed.startedAt),
    ...noticesOf(outcome),
    ...movedBy(job),
    ...warningsOf(job, outcome),
    ...(unhealthy === undefined
      ? {}
      : {
          exit_code: observed.exitCode ?? null,
          last_lines: shortLines(outcome.lastLines),
          diagnosis: diagnosisOf(bot),
          ...(observed.oomKilled === true ? { oom_killed: true } : {}),
        }),
  };
}

/** Why it ended, with the cure. What it printed before an out-of-memory kill does not explain it. */
function diagnosisOf({ observed }: BotRecord): string {
  if (observed.oomKilled !== true) return observed.diagnosis ?? '';
  const said = observed.reason ?? '';
  return said.startsWith('killed because')
    ? said
    : 'killed because it exceeded its memory limit; give it more with --memory';
}

/** What was changed in the source for it. */
const movedBy = (job: JobRecord): JsonObject =>
  (job.action === 'start' || job.action === 'update') && job.params.moved.length > 0
    ? { moved: job.params.moved.slice(0, warningsMax).map((line) => line.slice(0, noticeLengthMax)) }
    : {};

/** What the user should know of the source: from the search when it was stored, or from the worker that has fetched it. */
function warningsOf(job: JobRecord, { warnings: found }: TaskSucceeded): JsonObject {
  const known = job.action === 'start' || job.action === 'update' ? job.params.warnings : [];
  const warnings = [...known, ...found.filter((line) => !known.includes(line))];
  return warnings.length === 0
    ? {}
    : { warnings: warnings.slice(0, warningsMax).map((line) => line.slice(0, noticeLengthMax)) };
}

const warningsMax = 16;
const noticesMax = 8;
const noticeLengthMax = 500;

/** What the worker reports in addition to the success, for people. */
const noticesOf = ({ notices }: TaskSucceeded): JsonObject =>
  notices.length === 0
    ? {}
    : { notices: notices.slice(0, noticesMax).map((notice) => notice.slice(0, noticeLengthMax)) };
