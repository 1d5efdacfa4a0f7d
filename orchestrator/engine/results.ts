/** The end of a task, as its worker reports it, applied in the caller's transaction. */

import { containerName } from '#common/ids.ts';
import type { JsonObject } from '#common/problem.ts';
import { problem } from '#common/problem.ts';
import { problemFromProto } from '#common/problem-proto.ts';
import type { TaskResult, TaskSucceeded } from '#gen/botrunner/v1/worker_service_pb.js';
import type { JobEvent } from '../core/blueprints/blueprint.ts';
import type { BotRecord, JobRecord } from '../core/records.ts';
import { rfc3339OrNull } from '../views/time.ts';
import { advance } from './advance.ts';
import { applyPendingResult } from './carry-out.ts';
import type { Change } from './change.ts';
import type { EngineContext } from './context.ts';
import { applyRemoval, endDelete } from './leftovers.ts';
import { applyObservation } from './observe.ts';
import { reasonToRollBack } from './rolling-back.ts';
import { settle } from './settling.ts';

/** What a start, update or restart is answered with. */
function deployedResult(job: JobRecord, bot: BotRecord, outcome: TaskSucceeded): JsonObject {
  const { observed } = bot;
  const unhealthy = bot.state === 'exited' || bot.state === 'crash_loop' ? bot.state : undefined;
  const healthy =
    job.action === 'move' ? 'moved' : job.action === 'restart' ? 'restarted' : outcome.replaced ? 'updated' : 'started';
  return {
    status: unhealthy ?? healthy,
    bot_id: bot.botId,
    container_id: observed.containerId ?? null,
    container_name: observed.containerName ?? null,
    started_at: rfc3339OrNull(observed.startedAt),
    ...noticesOf(outcome),
    ...(unhealthy === undefined
      ? {}
      : {
          exit_code: observed.exitCode ?? null,
          last_lines: outcome.lastLines.map((entry) => entry.text),
          diagnosis: observed.diagnosis ?? '',
        }),
  };
}

const noticesMax = 8;
const noticeLengthMax = 500;

/** What the worker says beside the success, for people. */
const noticesOf = ({ notices }: TaskSucceeded): JsonObject =>
  notices.length === 0
    ? {}
    : { notices: notices.slice(0, noticesMax).map((notice) => notice.slice(0, noticeLengthMax)) };

function resultOf(job: JobRecord, bot: BotRecord, outcome: TaskSucceeded, nameBefore: string): JsonObject {
  switch (job.action) {
    case 'stop':
      return { status: 'stopped', bot_id: bot.botId, container_name: nameBefore, ...noticesOf(outcome) };
    default:
      return deployedResult(job, bot, outcome);
  }
}

function toEvent(job: JobRecord, bot: BotRecord, outcome: TaskResult['outcome'], nameBefore: string): JobEvent {
  switch (outcome.case) {
    case 'succeeded':
      return { kind: 'task_succeeded', result: resultOf(job, bot, outcome.value, nameBefore) };
    case 'failed':
      return { kind: 'task_failed', problem: problemFromProto(outcome.value) };
    case undefined:
      return { kind: 'task_failed', problem: problem('CONTAINER_ERROR', 'The worker gave no outcome.') };
  }
}

/** Whether what the bot should be is not what this task carries out: one that moves is not settled before it runs again. */
const isPassing = ({ blueprints }: EngineContext, { blueprint, state }: JobRecord): boolean => {
  const work = blueprints.get(blueprint)?.workIn(state);
  return work?.decides === 'move' && work.goesTo === 'its_worker';
};

/** Applies a result. A result that comes twice, late or for a task of another worker changes no job. */
export function applyResult(context: EngineContext, change: Change, workerId: string, result: TaskResult): void {
  if (applyPendingResult(context, change, workerId, result) || applyRemoval(context, change, workerId, result)) return;
  const task = change.tx.tasks.get(result.taskId);
  if (task === undefined || task.workerId !== workerId || task.status === 'done') return;
  const job = change.tx.jobs.get(task.jobId);
  if (job === undefined) return;
  // Reports of "no container" may have come before the result: the name is known all the same.
  const nameBefore = containerName(job);
  if (result.observation !== undefined) applyObservation(change, workerId, result.observation);
  let bot = change.tx.bots.get(job);
  if (bot === undefined) return;
  const setback = result.outcome.case === 'succeeded' ? reasonToRollBack(job, bot, result.outcome.value) : undefined;
  if (setback !== undefined) {
    change.tx.tasks.put({ ...task, status: 'done', finishedAt: change.now });
    advance(context, change, job, { kind: 'task_failed', problem: setback });
    return;
  }
  if (result.outcome.case === 'succeeded') bot = isPassing(context, job) ? bot : settle(context, change, job, bot);
  else if (result.outcome.case === 'failed') {
    // The cause stays readable in status after the job is forgotten.
    bot = change.putBot({
      ...bot,
      observed: { ...bot.observed, reason: result.outcome.value.message.slice(0, 500) },
    });
  }
  change.tx.tasks.put({ ...task, status: 'done', finishedAt: change.now });
  if (job.action === 'delete' && result.outcome.case === 'succeeded') {
    endDelete(context, change, job, noticesOf(result.outcome.value));
  } else advance(context, change, job, toEvent(job, bot, result.outcome, nameBefore));
}
