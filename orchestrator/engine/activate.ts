/**
 * A mutating job's turn: the bot's desired state changes, the task is made and, after the commit, sent.
 * All in the transaction of the caller.
 */
import type { Problem } from '#common/problem.ts';
import type { BotSpec } from '#gen/botrunner/v1/bot_pb.js';
import type { Effect } from '../core/blueprints/blueprint.ts';
import { planPlacement } from '../core/placement.ts';
import type { BotRecord, JobRecord, Undo } from '../core/records.ts';
import type { Change } from './change.ts';
import type { EngineContext } from './context.ts';
import { openSpec, sealSpec, toEnsure } from './specs.ts';
import { acquireTokens, tokenHolders, tokenInUse } from './token-ownership.ts';

/** The job's spec; an update that keeps the environment takes it from what the bot has by now. */
function specOf(context: EngineContext, bot: BotRecord, job: JobRecord): BotSpec {
  if (job.specSealed === null) throw new Error(`job ${job.jobId} has no spec`);
  const spec = openSpec(context.sealKey, bot, job.specSealed);
  if (job.params['keep_env'] !== true || bot.specSealed === null) return spec;
  return { ...spec, env: openSpec(context.sealKey, bot, bot.specSealed).env };
}

/** The bot's desired state as the job wants it. */
function applyDesire(context: EngineContext, bot: BotRecord, job: JobRecord): BotRecord {
  const generation = bot.generation + 1;
  const undo: Undo = { desired: bot.desired, revision: bot.revision, specSealed: bot.specSealed };
  switch (job.action) {
    case 'start':
    case 'update': {
      const spec = specOf(context, bot, job);
      const { limits } = spec;
      return {
        ...bot,
        mode: spec.source.case ?? bot.mode,
        desired: 'running',
        generation,
        revision: generation,
        specSealed: sealSpec(context.sealKey, bot, spec),
        undo,
        memoryBytes: Number(limits?.memoryBytes || 0) || context.settings.defaultMemoryBytes,
        cpuMillis: limits?.cpuMillis || context.settings.defaultCpuMillis,
        ...(bot.desired === 'running' && bot.undo === null && bot.revision > 0
          ? {}
          : { state: 'pending', observed: {} }),
      };
    }
    case 'restart':
      return { ...bot, desired: 'running', generation, revision: generation, undo };
    case 'stop':
      return { ...bot, desired: 'stopped', generation, undo: null };
    case 'delete':
      return { ...bot, desired: 'removed', generation, undo: null, purge: job.params['purge'] === true };
    default:
      throw new Error(`action ${job.action} does not change a bot`);
  }
}

/** Why a job whose turn it is cannot begin after all: another bot has got its Telegram token meanwhile. */
export function objectionToBegin(context: EngineContext, change: Change, job: JobRecord): Problem | undefined {
  const bot = change.tx.bots.get(job);
  if (bot === undefined || !deploying.includes(job.action)) return undefined;
  const spec =
    job.action === 'restart'
      ? bot.specSealed && openSpec(context.sealKey, bot, bot.specSealed)
      : specOf(context, bot, job);
  const holders = spec === null ? [] : tokenHolders(context, change.tx, bot, spec);
  return holders.length === 0 ? undefined : tokenInUse(job.userId, holders);
}

const deploying = ['start', 'update', 'restart'];

/** Runs the dispatch effect of a job that has just begun. Returns the job as it is now. */
export function dispatch(
  context: EngineContext,
  change: Change,
  job: JobRecord,
  effect: Extract<Effect, { kind: 'dispatch' }>,
): JobRecord {
  const before = change.tx.bots.get(job);
  if (before === undefined) throw new Error(`job ${job.jobId} is about a bot that does not exist`);
  const bot = change.putBot(applyDesire(context, before, job));
  if (bot.desired === 'running' && bot.specSealed !== null) {
    acquireTokens(context, change.tx, bot, openSpec(context.sealKey, bot, bot.specSealed));
  }
  const taskId = context.newId();
  change.tx.tasks.put({
    taskId,
    jobId: job.jobId,
    type: effect.taskType,
    workerId: null,
    status: 'open',
    createdAt: change.now,
    acceptedAt: null,
    finishedAt: null,
  });
  // The spec is the bot's from now on; a second sealed copy would only have to be cleaned up later.
  return place(context, change, { ...job, taskId, specSealed: null }, bot);
}

/** Finds a worker for a job's task and sends it there; without one the job waits with the reason. */
export function place(context: EngineContext, change: Change, job: JobRecord, bot: BotRecord): JobRecord {
  const task = job.taskId === null ? undefined : change.tx.tasks.get(job.taskId);
  if (task === undefined) throw new Error(`job ${job.jobId} has no task to place`);
  const live = context.fleet.live();
  const reserved = change.tx.bots.reserved();
  const own = bot.desired === 'running' ? bot : undefined;
  const candidates = live.map((worker) => {
    const taken = reserved.filter((entry) => entry.workerId === worker.workerId);
    const isHome = own?.workerId === worker.workerId;
    return {
      ...worker,
      reservedMemoryBytes: taken.reduce((sum, entry) => sum + entry.memoryBytes, 0) - (isHome ? bot.memoryBytes : 0),
      reservedCpuMillis: taken.reduce((sum, entry) => sum + entry.cpuMillis, 0) - (isHome ? bot.cpuMillis : 0),
    };
  });
  // Stopping needs no room and no healthy engine to be told of: only the worker that has the bot.
  const wanted = { memoryBytes: bot.memoryBytes, cpuMillis: bot.cpuMillis, home: bot.workerId };
  const connected = live.some((worker) => worker.workerId === bot.workerId);
  const placement =
    bot.desired !== 'running' && connected && bot.workerId !== null
      ? { placed: true as const, workerId: bot.workerId }
      : planPlacement(candidates, wanted);
  if (!placement.placed) {
    return change.putJob({ ...job, status: 'waiting_for_worker', reason: placement.reason });
  }
  const { workerId } = placement;
  const placed = bot.workerId === workerId ? bot : change.putBot({ ...bot, workerId, epoch: bot.epoch + 1 });
  change.tx.tasks.put({ ...task, workerId });
  change.afterCommit(() => {
    const command = { taskId: task.taskId, deadlineAt: job.deadlineAt };
    context.fleet.send(workerId, {
      case: 'ensure',
      value: toEnsure(context.sealKey, placed, command, context.settings.stopGraceMs),
    });
  });
  return change.putJob({ ...job, status: 'running', reason: '' });
}
