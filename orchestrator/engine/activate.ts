/**
 * A mutating job's turn: the bot's desired state changes, the task is made and, after the commit, sent.
 * All in the transaction of the caller.
 */
import { equals } from '@bufbuild/protobuf';
import { ok, type Problem, ProblemError, problem, type Result, unwrap } from '#common/problem.ts';
import { type BotSpec, BotSpecSchema } from '#gen/botrunner/v1/bot_pb.js';
import { changesBot, rowOf } from '../core/actions.ts';
import type { Effect } from '../core/blueprints/blueprint.ts';
import { freshAge } from '../core/max-runtime.ts';
import { mayRun } from '../core/quota.ts';
import type { BotRecord, JobRecord, Undo } from '../core/records.ts';
import { takesOver } from '../core/takeover.ts';
import type { Change } from './change.ts';
import type { EngineContext } from './context.ts';
import { movedBot, objectionToMove } from './moving.ts';
import { place } from './placing.ts';
import { purgeElsewhere } from './purging.ts';
import { reborn } from './settling.ts';
import { openSoundSpec, openSpec, sealSpec, shapeOf } from './specs.ts';
import { acquireTokens, refusedToken, silentHolder, tokenHolders } from './token-ownership.ts';
import { wantedByJob } from './wanted-spec.ts';

/** Of what was observed, only which decision it was about: placement asks whether the worker knew of the last one. */
const settledAt = ({ observed }: BotRecord): BotRecord['observed'] =>
  observed.generation === undefined || observed.containerId !== undefined ? {} : { generation: observed.generation };

/** One that had ended may run from now on; one that runs continues meanwhile. */
const begun = (bot: BotRecord): Partial<BotRecord> =>
  bot.desired === 'running' && !mayRun(bot) ? { state: 'pending' } : {};

/** Whether a stopped bot is started with the very content it had: its image serves again, wherever that came from. */
function startsAsItWas(context: EngineContext, bot: BotRecord, job: JobRecord, spec: BotSpec): boolean {
  if (job.action !== 'start' || bot.desired !== 'stopped' || bot.revision === 0 || bot.specSealed === null)
    return false;
  // What a URL, a branch or a tag means is asked again.
  const { source } = spec;
  const isFixed = source.case === 'simple' || (source.case === 'custom' && source.value.from.case === 'artifactSha256');
  const before = isFixed ? openSoundSpec(context.sealKey, bot, bot.specSealed) : undefined;
  return before !== undefined && equals(BotSpecSchema, spec, before);
}

/**
 * Whether a restart keeps the revision, and with it the image and, if the bot runs, the container. A worker from before
 * that would take a running container of the revision for the wish come true: it is given a revision of its own, for which
 * it makes everything anew.
 */
function restartsInPlace(change: Change, { desired, workerId }: BotRecord): boolean {
  if (desired !== 'running' || workerId === null) return true;
  return change.tx.workers.get(workerId)?.capabilities.includes('restart.in_place') === true;
}

/** The bot's desired state as the job wants it. */
function applyDesire(context: EngineContext, change: Change, row: BotRecord, job: JobRecord): BotRecord {
  const { now } = change;
  const bot = row.desired === 'removed' && job.action === 'start' ? reborn(row, now) : row;
  const generation = bot.generation + 1;
  const undo: Undo = {
    desired: bot.desired,
    revision: bot.revision,
    wasUp: bot.state === 'running',
    specSealed: bot.specSealed,
  };
  const age = freshAge(now, context.settings.maxRuntimeMs);
  switch (job.action) {
    case 'start':
    case 'update': {
      const spec = unwrap(wantedByJob(context, bot, job));
      return {
        ...bot,
        mode: spec.source.case ?? bot.mode,
        desired: 'running',
        generation,
        revision: startsAsItWas(context, bot, job, spec) ? bot.revision : generation,
        specSealed: sealSpec(context.sealKey, bot, spec),
        undo,
        ...shapeOf(spec, context.settings),
        ...age,
        ...(bot.desired === 'running' && bot.undo === null && bot.revision > 0
          ? begun(bot)
          : { state: 'pending', observed: settledAt(bot) }),
      };
    }
    case 'restart':
      return {
        ...bot,
        ...age,
        desired: 'running',
        generation,
        revision: restartsInPlace(change, bot) ? bot.revision : generation,
        undo,
        ...(bot.desired === 'running' ? begun(bot) : { state: 'pending', observed: settledAt(bot) }),
      };
    case 'move':
      return movedBot(bot);
    case 'stop':
      return {
        ...bot,
        desired: 'stopped',
        generation,
        undo: null,
        pendingTask: null,
        leaving: false,
        notice: noticeOf(job),
      };
    case 'delete':
      return {
        ...bot,
        desired: 'removed',
        generation,
        undo: null,
        pendingTask: null,
        leaving: false,
        purge: job.params.purge,
      };
    default:
      throw new Error(`action ${job.action} does not change a bot`);
  }
}

/** Why the orchestrator itself stops the bot. */
const noticeOf = ({ action, params }: JobRecord): string => (action === 'stop' ? params.notice : '');

/**
 * Why a job whose turn it is cannot begin after all: another bot has got its Telegram token meanwhile, what it adds is too much
 * for what the bot has by now, or what is stored of it cannot be read any more.
 */
export function objectionToBegin(context: EngineContext, change: Change, job: JobRecord): Problem | undefined {
  const bot = change.tx.bots.get(job);
  if (bot !== undefined && job.action === 'move') return objectionToMove(bot, job.params.from);
  if (!changesBot(job.action)) {
    return problem('BOT_DAMAGED', 'What was asked for cannot be read any more: the row of the job is damaged.');
  }
  if (bot === undefined || !rowOf(job.action).deploys) return undefined;
  try {
    const wanted = job.action === 'restart' ? ownSpec(context, bot) : wantedByJob(context, bot, job);
    if (wanted === undefined) return undefined;
    if (!wanted.ok) return wanted.problem;
    const holders = tokenHolders(context, change.tx, bot, wanted.value);
    if (holders.length === 0) return undefined;
    return takesOver(job) && silentHolder(context, change.tx, holders) === undefined
      ? undefined
      : refusedToken(context, change.tx, job.userId, holders);
  } catch (error) {
    if (error instanceof ProblemError) return error.problem;
    throw error;
  }
}

const ownSpec = (context: EngineContext, bot: BotRecord): Result<BotSpec> | undefined =>
  bot.specSealed === null ? undefined : ok(openSpec(context.sealKey, bot, bot.specSealed));

/** Runs the dispatch effect of a job that has just begun. Returns the job as it is now. */
export function dispatch(
  context: EngineContext,
  change: Change,
  job: JobRecord,
  effect: Extract<Effect, { kind: 'dispatch' }>,
): JobRecord {
  const before = change.tx.bots.get(job);
  if (before === undefined) throw new Error(`job ${job.jobId} is about a bot that does not exist`);
  const bot = change.putBot(applyDesire(context, change, before, job));
  if (bot.desired === 'removed' && bot.purge) purgeElsewhere(context, change, bot);
  const spec = bot.desired === 'running' ? openSoundSpec(context.sealKey, bot, bot.specSealed) : undefined;
  if (spec !== undefined) acquireTokens(context, change.tx, bot, spec);
  const taskId = context.newId();
  change.tx.tasks.put({
    taskId,
    jobId: job.jobId,
    type: effect.work.taskType,
    workerId: null,
    status: 'open',
    createdAt: change.now,
    acceptedAt: null,
    finishedAt: null,
  });
  // The spec is the bot's from now on; a second sealed copy would only have to be cleaned up later.
  return place(context, change, { ...job, taskId, specSealed: null }, bot);
}
