/**
 * A job's turn: what it wants of its bot is decided, its task is made and handed to a worker, after the commit. All in the
 * transaction of the caller.
 */

import { capabilities } from '#common/capabilities.ts';
import type { JsonObject } from '#common/json.ts';
import { fail, ok, type Problem, ProblemError, problem, type Result, unwrap } from '#common/problem.ts';
import type { BotSpec } from '#gen/botrunner/v1/bot_pb.js';
import { changesBot, rowOf } from '../core/actions.ts';
import type { DecisionKind, Work } from '../core/blueprints/blueprint.ts';
import { configured, type Decision, decided, reborn } from '../core/bot/decided.ts';
import { isSameSpec, keptImage, planConfigure } from '../core/configure.ts';
import { withOrigins } from '../core/env-origins.ts';
import { newTask, waiting } from '../core/job.ts';
import { freshAge } from '../core/max-runtime.ts';
import { mayRun } from '../core/quota.ts';
import type { BotRecord, JobRecord } from '../core/records.ts';
import { takesOver } from '../core/takeover.ts';
import type { Change } from './change.ts';
import type { EngineContext } from './context.ts';
import { toRemoval } from './ensure.ts';
import { place } from './placing.ts';
import { neverStarted, openSoundSpec, openSpec, sealSpec, shapeOf } from './specs.ts';
import { acquireTokens, refusedToken, silentHolder, tokenHolders } from './token-ownership.ts';
import { wantedByJob } from './wanted-spec.ts';

/**
 * Why a job whose turn it is cannot begin after all: another bot has got its Telegram token meanwhile, what it adds is too much
 * for what the bot has now, its bot does not run where it is to leave, or what is stored of it cannot be read any more.
 */
export function objectionToBegin(context: EngineContext, change: Change, job: JobRecord): Problem | undefined {
  const bot = change.tx.bots.get(job);
  if (!changesBot(job.action)) {
    return problem('BOT_DAMAGED', 'What was requested can no longer be read: the row of the job is damaged.');
  }
  if (bot === undefined) return undefined;
  if (job.action === 'move') {
    return bot.desired === 'running' && bot.workerId === job.params.from
      ? undefined
      : problem('CANCELLED', 'The bot no longer runs on that worker.');
  }
  return rowOf(job.action).deploys ? objectionToDeploy(context, change, job, bot) : undefined;
}

function objectionToDeploy(
  context: EngineContext,
  change: Change,
  job: JobRecord,
  bot: BotRecord,
): Problem | undefined {
  try {
    const wanted = rowOf(job.action).replaces ? wantedByJob(context, bot, job) : ownSpec(context, bot);
    if (!wanted.ok) return wanted.problem;
    // One that does not run takes no token.
    if (job.action === 'configure' && !mayRun(bot)) return undefined;
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

/** The start that a restart waited for may have failed. */
const ownSpec = (context: EngineContext, bot: BotRecord): Result<BotSpec> =>
  bot.specSealed === null ? fail(neverStarted(bot.botId)) : ok(openSpec(context.sealKey, bot, bot.specSealed));

/** Carries out the dispatch effect of a job that has just come to a working state. Returns the job as it is now. */
export const dispatch = (context: EngineContext, change: Change, job: JobRecord, work: Work): JobRecord =>
  work.decides === null ? offer(change, job, work) : decide(context, change, job, work, work.decides);

/** A task that is about no bot: the first worker that asks for its type gets it. */
function offer(change: Change, job: JobRecord, { taskType }: Work): JobRecord {
  const taskId = change.newId();
  change.putTask(newTask(taskId, job.jobId, taskType, change.now));
  change.afterCommit({ kind: 'task_offered', type: taskType });
  return change.putJob(waiting({ ...job, taskId }, `no worker for ${taskType} has asked for work yet`));
}

function decide(context: EngineContext, change: Change, job: JobRecord, work: Work, kind: DecisionKind): JobRecord {
  const before = change.tx.bots.get(job);
  if (before === undefined) throw new Error(`job ${job.jobId} is about a bot that does not exist`);
  const bot = change.putBot(applyDecision(context, change, before, job, kind));
  if (bot.desired === 'removed' && bot.purge) purgeElsewhere(context, change, bot);
  const spec = bot.desired === 'running' ? openSoundSpec(context.sealKey, bot, bot.specSealed) : undefined;
  if (spec !== undefined) acquireTokens(context, change.tx, bot, spec);
  const taskId = change.newId();
  change.putTask(newTask(taskId, job.jobId, work.taskType, change.now));
  // The spec is the bot's from now on; a second sealed copy would only have to be cleaned up later.
  return place(context, change, { ...job, taskId, specSealed: null }, bot);
}

function applyDecision(
  context: EngineContext,
  change: Change,
  row: BotRecord,
  job: JobRecord,
  kind: DecisionKind,
): BotRecord {
  const bot = row.desired === 'removed' && job.action === 'start' ? reborn(row, change.now) : row;
  return decided(bot, decisionOf(context, change, bot, job, kind));
}

function decisionOf(
  context: EngineContext,
  change: Change,
  bot: BotRecord,
  job: JobRecord,
  kind: DecisionKind,
): Decision {
  const age = freshAge(change.now, context.settings.maxRuntimeMs);
  switch (kind) {
    case 'deploy':
    case 'configure': {
      const wanted = unwrap(wantedByJob(context, bot, job));
      const before = openSoundSpec(context.sealKey, bot, bot.specSealed);
      const asItWas = startsAsItWas(bot, job, wanted, before);
      const sourceRevision = revisionOfSource(bot, wanted, before, { kind, asItWas });
      return {
        kind: 'deploy',
        ...storable(context, bot, { ...withOriginsOf(context, change, job, wanted, before), sourceRevision }),
        asItWas,
        age,
      };
    }
    case 'restart':
      return { kind, inPlace: restartsInPlace(change, bot), age };
    case 'stop':
      return { kind, notice: job.action === 'stop' ? job.params.notice : '' };
    case 'remove':
      return { kind, purge: job.action === 'delete' && job.params.purge };
    case 'move':
      return { kind };
  }
}

/** Whether a stopped bot is started with exactly the content it had: its image can be used again, wherever that came from. */
function startsAsItWas(bot: BotRecord, job: JobRecord, spec: BotSpec, before: BotSpec | undefined): boolean {
  if (job.action !== 'start' || bot.desired !== 'stopped' || bot.revision === 0) return false;
  // What a URL, a branch or a tag means may have changed: it is fetched again.
  const { source } = spec;
  const isFixed = source.case === 'simple' || (source.case === 'custom' && source.value.from.case === 'artifactSha256');
  return isFixed && before !== undefined && isSameSpec(spec, before);
}

/** What the bot has in its row of a spec. */
const storable = (context: EngineContext, bot: BotRecord, spec: BotSpec) => ({
  shape: shapeOf(spec, bot.mode, context.settings),
  specSealed: sealSpec(context.sealKey, bot, spec),
});

/** As BotSpec.source_revision. */
function revisionOfSource(
  bot: BotRecord,
  wanted: BotSpec,
  before: BotSpec | undefined,
  { kind, asItWas }: { readonly kind: DecisionKind; readonly asItWas: boolean },
): bigint {
  if (before === undefined) return 0n;
  if (kind === 'configure') return keptImage(bot, before, wanted);
  return asItWas ? before.sourceRevision : 0n;
}

/** The spec that the job makes, with who has set its variables. */
const withOriginsOf = (
  { sealKey }: EngineContext,
  change: Change,
  job: JobRecord,
  wanted: BotSpec,
  before: BotSpec | undefined,
): BotSpec => {
  const given = openSoundSpec(sealKey, job, job.specSealed) ?? wanted;
  return withOrigins(wanted, before, given, { jobId: job.jobId, atMs: change.now });
};

/**
 * Carries out a configure that needs no worker, because the bot does not run or has all that already. Returns what it is answered with;
 * undefined when the bot's container has to be swapped.
 */
export function configureAlone(context: EngineContext, change: Change, job: JobRecord): JsonObject | undefined {
  const bot = change.tx.bots.get(job);
  const before = bot && openSoundSpec(context.sealKey, bot, bot.specSealed);
  if (bot === undefined || before === undefined) return undefined;
  const wanted = unwrap(wantedByJob(context, bot, job));
  const plan = planConfigure(bot, before, wanted);
  if (plan === 'swap') return undefined;
  if (plan === 'unchanged') return { status: 'unchanged', bot_id: bot.botId };
  const { sourceRevision } = before;
  const spec = { ...withOriginsOf(context, change, job, wanted, before), sourceRevision };
  change.putBot(configured(bot, storable(context, bot, spec)));
  const why = bot.desired === 'stopped' ? 'is stopped' : 'has ended';
  return {
    status: 'stored',
    bot_id: bot.botId,
    reason: `${bot.botId} ${why}: it was not started, and runs with this after its next restart`,
  };
}

/**
 * Whether a restart keeps the revision, and with it the image and, if the bot runs, the container. A worker from before
 * that would take a running container of the revision for the goal: it is given a revision of its own, for which
 * it makes everything again.
 */
function restartsInPlace(change: Change, { desired, workerId }: BotRecord): boolean {
  if (desired !== 'running' || workerId === null) return true;
  return change.tx.workers.get(workerId)?.capabilities.includes(capabilities.restartInPlace) === true;
}

/**
 * Asks every other worker that may have the volume of a removed bot to remove it. The bot's own worker does it with the bot; one that
 * is away is asked when it is back.
 */
function purgeElsewhere(context: EngineContext, change: Change, bot: BotRecord): void {
  const { tx } = change;
  const already = tx.leftovers.ofBot(bot);
  for (const workerId of tx.botVolumes.workersOf(bot)) {
    if (workerId === bot.workerId) continue;
    const copy = already.some((leftover) => leftover.workerId === workerId && leftover.copy);
    const { userId, botId, epoch, generation } = bot;
    const leftover = { workerId, userId, botId, epoch, generation, purge: true, copy, taskId: change.newId() };
    tx.leftovers.put(leftover);
    const value = toRemoval(leftover, context.settings.stopGraceMs);
    change.afterCommit({ kind: 'send', workerId, body: { case: 'ensure', value } });
  }
}
