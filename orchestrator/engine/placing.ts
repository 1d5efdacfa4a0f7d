/** Gives a job's task to a worker: the bot's home, or the one that placement chooses. In the transaction of the caller. */
import { capabilities } from '#common/capabilities.ts';
import { placed } from '../core/bot/placed.ts';
import { assigned, atWork, waiting } from '../core/job.ts';
import { type Candidate, planPlacement, type Wanted } from '../core/placement.ts';
import { neededCapabilities } from '../core/placement-needs.ts';
import { mayRun } from '../core/quota.ts';
import type { BotRecord, JobRecord, TaskRecord } from '../core/records.ts';
import { noteGot, stoppedHolders, takesOver } from '../core/takeover.ts';
import type { Tables } from '../store/tables.ts';
import type { Change } from './change.ts';
import type { EngineContext } from './context.ts';
import { sendEnsure, taskCommand } from './ensure.ts';
import { openSoundSpec } from './specs.ts';
import { acquireTokens, tokenHolders } from './token-ownership.ts';

/** The connected workers with what is taken of them, the bot itself not counted; `only`: that one alone, if it is connected. */
export function candidatesFor(
  context: EngineContext,
  tx: Tables,
  bot: BotRecord,
  only?: string | undefined,
): readonly Candidate[] {
  const removing = tx.leftovers.workersWith(bot);
  const workers = only === undefined ? context.fleet.live() : oneOf(context.fleet.liveOne(only));
  return workers.map((worker) => {
    const taken = tx.bots.reservedOn(worker.workerId);
    const own = mayRun(bot) && bot.workerId === worker.workerId;
    return {
      ...worker,
      ...(removing.has(worker.workerId)
        ? { ready: false, notReadyReason: 'it is still removing bots that were deleted or freed' }
        : {}),
      cordoned: tx.workers.isCordoned(worker.workerId),
      reservedMemoryBytes: taken.memoryBytes - (own ? bot.memoryBytes : 0),
      reservedCpuMillis: taken.cpuMillis - (own ? bot.cpuMillis : 0),
    };
  });
}

const oneOf = <T>(value: T | undefined): readonly T[] => (value === undefined ? [] : [value]);

/** What a bot that should run needs. */
export function wantedFor(context: EngineContext, bot: BotRecord): Omit<Wanted, 'home'> {
  const spec = openSoundSpec(context.sealKey, bot, bot.specSealed);
  return {
    memoryBytes: bot.memoryBytes,
    cpuMillis: bot.cpuMillis,
    capabilities: spec === undefined ? [] : neededCapabilities(spec),
    labels: spec?.on ?? {},
  };
}

/**
 * Whether the bot has no container for certain: it was not to run before this job, and its worker has said so of that very
 * decision. A worker that was silent while its bot was to stop has not.
 */
function isGone({ undo, observed, generation }: BotRecord): boolean {
  if (undo === null || undo.desired === 'running') return false;
  return observed.containerId === undefined && observed.generation === generation - 1;
}

const homeOf = (bot: BotRecord): Wanted['home'] =>
  bot.workerId === null ? undefined : { workerId: bot.workerId, bound: !isGone(bot) };

export const waitsForHolders = 'waiting for the other bot to release the Telegram token';

/** Finds a worker for a job's task and sends it there; without one the job waits with the reason. */
export function place(context: EngineContext, change: Change, job: JobRecord, bot: BotRecord): JobRecord {
  const task = job.taskId === null ? undefined : change.tx.tasks.get(job.taskId);
  if (task === undefined) throw new Error(`job ${job.jobId} has no task to place`);
  const work = context.blueprints.get(job.blueprint)?.workIn(job.state);
  // The job's row cannot be read any more: it ends by its deadline.
  if (work === undefined) return job;
  const to = { job, bot, task };
  if (work.goesTo === 'its_worker') return placeAtItsWorker(context, change, to);
  const wanted = wantedFor(context, bot);
  const home = homeOf(bot);
  // A restart asks about its own worker alone, however many others there are.
  const stays = work.goesTo !== 'another' && home?.bound === true;
  const all = candidatesFor(context, change.tx, bot, stays ? home.workerId : undefined);
  const plan =
    work.goesTo === 'another'
      ? planPlacement(
          all.filter(({ workerId }) => workerId !== bot.workerId),
          { ...wanted, home: undefined },
        )
      : planPlacement(all, { ...wanted, home, keepsContainer: stays && work.decides === 'restart' });
  if (!plan.placed) return wait(change, job, plan.reason);
  const ready = takesOver(job) ? takeOver(context, change, to, plan.workerId) : job;
  return ready === undefined
    ? wait(change, job, waitsForHolders)
    : assign(context, change, { ...to, job: ready }, plan.workerId);
}

/** A job already waiting for the same reason is left as it is: there is nothing new to report. */
const wait = (change: Change, job: JobRecord, reason: string): JobRecord =>
  job.status === 'waiting_for_worker' && job.reason === reason ? job : change.putJob(waiting(job, reason));

/** What is to be placed. */
interface Placing {
  readonly job: JobRecord;
  readonly bot: BotRecord;
  readonly task: TaskRecord;
}

/** A worker that cannot wait before it starts a bot gets it when its tokens are free: undefined until then. */
function takeOver(
  context: EngineContext,
  { tx, afterCommit }: Change,
  { job, bot }: Placing,
  workerId: string,
): JobRecord | undefined {
  const worker = context.fleet.liveOne(workerId);
  const spec = openSoundSpec(context.sealKey, bot, bot.specSealed);
  if (worker?.capabilities.includes(capabilities.claimTokens) || spec === undefined) return job;
  if (tokenHolders(context, tx, bot, spec).length > 0) {
    afterCommit({ kind: 'make_room', jobId: job.jobId });
    return undefined;
  }
  acquireTokens(context, tx, bot, spec);
  return stoppedHolders(job).length > 0 ? noteGot(job) : job;
}

/** Stopping needs no room and no healthy engine to be asked: only the worker that has the bot. */
function placeAtItsWorker(context: EngineContext, change: Change, placing: Placing): JobRecord {
  const { job, bot } = placing;
  // A bot without a worker is nowhere: there is nobody to ask (settling.ts).
  if (bot.workerId === null) return change.putJob(atWork(job));
  const worker = context.fleet.liveOne(bot.workerId);
  if (worker === undefined) {
    return wait(change, job, `worker ${bot.workerId}, which has the bot, is not connected`);
  }
  const silent = `${worker.workerId} has not been heard from for ${Math.round(worker.silentMs / 1000)} s`;
  return assign(context, change, placing, worker.workerId, worker.silentMs > 0 ? silent : '');
}

/** Bots have a folder of their own there, also as plain processes; what workers do that speak REST is not known. */
const keepsData = (runtime: string | undefined): boolean => runtime === 'docker' || runtime === 'process';

function assign(
  context: EngineContext,
  change: Change,
  { job, bot: before, task }: Placing,
  workerId: string,
  reason = '',
): JobRecord {
  const bot = before.workerId === workerId ? before : change.putBot(placed(before, workerId));
  change.putTask(assigned(task, workerId));
  if (bot.desired === 'running' && keepsData(change.tx.workers.get(workerId)?.runtime)) {
    change.tx.botVolumes.put(bot, workerId);
  }
  sendEnsure(context, change, bot, taskCommand(task.taskId, job, job.deadlineAt - change.now));
  return change.putJob(atWork(job, reason));
}
