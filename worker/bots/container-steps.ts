/**
 * The steps that deal with the container. Each changes the world by one thing and the memory by what it has seen of it.
 * They throw what the runtime throws; the actor decides what that means.
 */
import { inBackground } from '#common/background.ts';
import { containerName } from '#common/ids.ts';
import { ProblemError, problem } from '#common/problem.ts';
import { withTimeLimit } from '#common/waiting/time-limit.ts';
import { TransientError } from '#common/waiting/transient.ts';
import { runBegins } from '../diagnosis/diagnosis.ts';
import { type ContainerFacts, type ContainerPlan, NameInUseError } from '../runtime/container-runtime.ts';
import type { BotContext } from './bot-context.ts';
import { type BotMemory, expectFacts, factsOf, imageOf, isKnown, runIdOf, runnableSpec } from './bot-memory.ts';
import { describeEnd } from './restart-policy.ts';
import { endOf, noteEnd, storeLastOutput } from './run-ends.ts';
import { planContainer } from './spec-plan.ts';
import { StartWatch } from './start-watch.ts';
import { noticeOfStop, wasKilled } from './stop-notice.ts';

const lookLimitMs = 15_000;
const changeLimitMs = 60_000;
// It writes meanwhile.
const overDiskGraceMs = 2000;
// Up to 200 MB of code are copied into it, also on a slow disk.
const createLimitMs = 180_000;

/** Takes in what the engine says of the container. */
export function learn(memory: BotMemory, context: BotContext, facts: ContainerFacts | undefined): void {
  const { clock } = context;
  memory.container = facts ?? 'none';
  if (facts?.status !== 'running') endWatch(memory);
  if (!facts) return;
  const runId = runIdOf(facts);
  if (facts.status === 'running') {
    if (memory.runningSince?.runId !== runId) memory.runningSince = { runId, atMs: clock.monotonicMs() };
    if (memory.record.suspendedRun !== undefined) memory.record = { ...memory.record, suspendedRun: undefined };
    const { endedForRestart } = memory.record;
    if (endedForRestart !== undefined && endedForRestart !== runId) {
      memory.record = { ...memory.record, endedForRestart: undefined };
    }
  }
  const { settledEnd } = memory.record;
  if (settledEnd?.runId === runId && settledEnd.nextTryAtMs !== undefined && memory.retryAtMs === undefined) {
    // Settled by an earlier process: what is left of the delay. A clock that was set since can make it no longer than it was.
    const leftMs = Math.min(Math.max(0, settledEnd.nextTryAtMs - clock.wallMs()), settledEnd.delayMs ?? 300_000);
    memory.retryAtMs = clock.monotonicMs() + leftMs;
  }
  // An ended one has no more output than settle and remove take from it.
  if (facts.status === 'running')
    inBackground(context.log.follow(facts.id), (error) => {
      context.logger.warn({ err: error, bot: memory.key }, 'the log of a bot cannot be followed');
    });
}

export async function look(memory: BotMemory, context: BotContext, signal: AbortSignal): Promise<void> {
  const { clock, runtime, lookup } = context;
  // Before asking: what changes while the answer is on its way makes it stale again.
  memory.stale = false;
  memory.heard = [];
  const watched = memory.watch;
  const watchIsOver = watched !== undefined && clock.monotonicMs() >= watched.untilMs;
  const askedAtMs = clock.monotonicMs();
  const known = factsOf(memory);
  const find = async (limited: AbortSignal) => {
    const same = known && (await runtime.inspect(known.id, limited));
    // A call that was given up may have made another container since.
    return same ?? (await lookup(memory.key, limited));
  };
  let facts: ContainerFacts | undefined;
  try {
    facts = await withTimeLimit(clock, 'looking at the container', lookLimitMs, signal, find);
    memory.stray = facts ? undefined : await context.strayOf(memory.key, signal);
  } catch (error) {
    memory.stale = true;
    memory.heard = undefined;
    throw error;
  }
  const { heard } = memory;
  memory.heard = undefined;
  // One event that the answer shows too is what it shows. Of several, the answer may lie between.
  if (heard.length > 1 || heard.some((kind) => !isKnown(kind, facts))) memory.stale = true;
  if (watchIsOver && !watched.prolong(clock.monotonicMs())) endWatch(memory);
  const { suspected } = memory;
  if (suspected !== undefined && askedAtMs >= suspected.askAtMs) memory.suspected = { ...suspected, confirmed: true };
  learn(memory, context, facts);
}

/**
 * For a restart in the same container: whether the platform would make that container differently today. Returns the line
 * that says so.
 */
export async function compare(
  memory: BotMemory,
  context: BotContext,
  signal: AbortSignal,
): Promise<string | undefined> {
  const { runtime, clock } = context;
  const facts = expectFacts(memory);
  const { desired } = memory.record;
  const plan = planNow(memory, context);
  const settings = await withTimeLimit(clock, 'comparing the container', lookLimitMs, signal, (limited) =>
    runtime.settingsOf(plan, limited),
  );
  const outdated = settings !== undefined && settings !== facts.settings;
  memory.compared = { containerId: facts.id, generation: desired?.generation ?? 0n, outdated };
  return outdated ? outdatedNotice : undefined;
}

const outdatedNotice =
  'the container settings have changed since this container was created: a new one is created from the same image, ' +
  'and files that the bot wrote outside its volumes are left behind';

/** Returns the line that says that the bot had to be killed, or was not asked itself. */
export async function stop(memory: BotMemory, context: BotContext, signal: AbortSignal): Promise<string | undefined> {
  const { runtime, clock, log } = context;
  const facts = expectFacts(memory);
  const isOver = isOverDisk(memory, facts);
  const graceMs = Math.min(
    memory.record.desired?.stopGraceMs ?? 0,
    isOver ? overDiskGraceMs : Number.POSITIVE_INFINITY,
  );
  const isRestart = memory.record.desired?.kind === 'running' && !isOver;
  await Promise.all([
    log.note(whyStopped(memory, facts)),
    isRestart ? markEndedForRestart(memory, context, facts) : undefined,
  ]);
  memory.stale = true;
  const beganMs = clock.monotonicMs();
  const report = await withTimeLimit(clock, 'stopping the container', graceMs + changeLimitMs, signal, (limited) =>
    runtime.stop(facts.id, graceMs, limited),
  );
  const tookMs = clock.monotonicMs() - beganMs;
  await look(memory, context, signal);
  const now = factsOf(memory);
  if (now?.status === 'running') throw new TransientError('the container is still running after its stop');
  const killed = now !== undefined && wasKilled(now, tookMs, graceMs);
  if (killed) memory.record = { ...memory.record, killed: { runId: runIdOf(now), afterMs: graceMs } };
  return noticeOfStop(report, killed ? graceMs : undefined);
}

/** Only for that, and not for a decision that stops or replaces it as well. */
const isOverDisk = ({ record }: BotMemory, facts: ContainerFacts): boolean =>
  record.overDisk?.runId === runIdOf(facts) && (record.desired === undefined || record.desired.kind === 'running');

function whyStopped(memory: BotMemory, facts: ContainerFacts): string {
  const { record } = memory;
  if (isOverDisk(memory, facts)) return 'stopping, because it has written more than it may';
  if (record.desired?.kind !== 'running') return 'stopping';
  return record.desired.revision === facts.revision ? 'stopping, to be restarted' : 'stopping the old version';
}

/**
 * On disk before the run is ended: whatever happens to this worker meanwhile, the end is its doing, and a start has to
 * follow, whatever the exit code.
 */
async function markEndedForRestart(memory: BotMemory, { records }: BotContext, facts: ContainerFacts): Promise<void> {
  memory.record = { ...memory.record, endedForRestart: runIdOf(facts) };
  await saveBeforeActing(memory, records);
}

async function saveBeforeActing(memory: BotMemory, records: BotContext['records']): Promise<void> {
  const { record } = memory;
  await records.save(record).catch((error: unknown) => {
    throw new TransientError('the worker cannot write to its disk', { cause: error });
  });
  memory.saved = record;
}

export async function remove(memory: BotMemory, context: BotContext, signal: AbortSignal): Promise<void> {
  const { runtime, clock, log } = context;
  const facts = expectFacts(memory);
  const { desired, endedForRestart } = memory.record;
  const wasStopped = desired?.kind === 'running' && endedForRestart === runIdOf(facts);
  if (facts.status !== 'created') {
    await storeLastOutput(memory, context, facts, signal);
    memory.record = {
      ...memory.record,
      lastEnd: endOf(memory, facts),
      settledEnd: undefined,
      suspendedRun: undefined,
      endedForRestart: undefined,
    };
  }
  memory.stale = true;
  await withTimeLimit(clock, 'removing the container', changeLimitMs, signal, (limited) =>
    runtime.remove(facts.id, limited),
  );
  await log.unfollow();
  memory.retryAtMs = undefined;
  memory.runningSince = undefined;
  memory.stale = false;
  learn(memory, context, undefined);
  memory.replacing = wasStopped && memory.record.desired === desired;
  if (facts.status !== 'created') await log.note(describeEnd({ ...facts, interruptedBy: undefined }));
}

/**
 * Returns lines for the bot's user, of what is not as the image would have it. Throws ProblemError CONTAINER_ERROR when somebody else's
 * container has the bot's name.
 */
export async function create(memory: BotMemory, context: BotContext, signal: AbortSignal): Promise<readonly string[]> {
  const lines: string[] = [];
  const { runtime, clock } = context;
  const plan = { ...planNow(memory, context), replaces: memory.replacing };
  memory.replacing = false;
  memory.stale = true;
  let id: string;
  try {
    id = await withTimeLimit(clock, 'creating the container', createLimitMs, signal, (limited) =>
      runtime.create(plan, limited, (line) => lines.push(line)),
    );
  } catch (error) {
    if (!(error instanceof NameInUseError)) throw error;
    if (error.id === undefined) throw nameTaken(memory);
    // One of ours: an earlier create that was given up took effect after all. Look, and continue from there.
    await look(memory, context, signal);
    if (!factsOf(memory)) throw new TransientError('the container is not there after it was created');
    return lines;
  }
  // What was just made needs no look: nothing has happened to it, and its start looks.
  const { key, name, revision, epoch } = plan;
  memory.stale = false;
  memory.stray = undefined;
  learn(memory, context, { id, key, name, revision, epoch, status: 'created', ...neverRan });
  return lines;
}

const neverRan = { startedAtMs: undefined, finishedAtMs: undefined, exitCode: undefined, oomKilled: false } as const;

/** The container that would be made now. */
function planNow({ key, record, ...memory }: BotMemory, { workerId }: BotContext): ContainerPlan {
  const { desired } = record;
  const spec = runnableSpec({ key, record, ...memory });
  if (!desired || !spec) throw new Error('a step that needs the spec was taken without one');
  return planContainer(key, workerId, desired, spec, imageOf(record, desired.revision)?.pinned);
}

/** `again`: by the restart policy. */
export async function start(
  memory: BotMemory,
  context: BotContext,
  again: boolean,
  signal: AbortSignal,
): Promise<void> {
  const { runtime, clock, log } = context;
  const facts = expectFacts(memory);
  const { desired } = memory.record;
  const restarts = again ? memory.record.restarts + 1 : 0;
  const saving: Promise<void>[] = [];
  if (!again) {
    const end = facts.status === 'exited' ? await noteEnd(memory, context, facts, signal) : undefined;
    memory.startSeq = await log.nextSeq();
    memory.record = {
      ...memory.record,
      crashes: 0,
      startedGeneration: desired?.generation ?? 0n,
      settledEnd: undefined,
      // Until it has been seen to run again, the start is still owed.
      endedForRestart: facts.status === 'exited' ? runIdOf(facts) : undefined,
    };
    // On disk before it is done: after a crash of the worker this decision must not start the bot a second time.
    saving.push(saveBeforeActing(memory, context.records));
    // These lines are stored in the order in which they are given.
    if (end !== undefined) saving.push(log.note(end));
  }
  saving.push(log.note(again ? `restarting (restart ${restarts})` : 'starting'));
  await Promise.all(saving);
  // Something else may have been decided since this step was: then the next step is another one.
  if (memory.record.desired !== desired) return;
  memory.stale = true;
  runBegins(memory.diagnosis, again);
  await withTimeLimit(clock, 'starting the container', changeLimitMs, signal, (limited) =>
    runtime.start(facts.id, limited),
  );
  beginWatch(memory, context, facts.id, again, signal);
  memory.retryAtMs = undefined;
  memory.record = { ...memory.record, restarts };
  await look(memory, context, signal);
  const started = factsOf(memory);
  if (started?.status === 'created') throw new TransientError('the container has not started');
  if (started !== undefined) memory.watchedRun = runIdOf(started);
}

function beginWatch(memory: BotMemory, context: BotContext, id: string, again: boolean, signal: AbortSignal): void {
  endWatch(memory);
  // Without a spec, a start by the restart policy after the worker was restarted, it has the operator's limit.
  const { cpuMillis } = runnableSpec(memory) ?? context.defaults;
  memory.watch = new StartWatch(context.clock.monotonicMs(), again, cpuMillis / 1000);
  inBackground(memory.watch.measure(id, context, signal), (error) => {
    context.logger.debug({ err: error }, 'the CPU time of a starting bot cannot be read');
  });
}

function endWatch(memory: BotMemory): void {
  memory.watch?.end();
  memory.watch = undefined;
}

const nameTaken = (memory: BotMemory): ProblemError =>
  new ProblemError(
    problem('CONTAINER_ERROR', `Another container has the name ${containerName(memory.key)}.`, {
      hint: 'The operator of the worker must remove that container.',
    }),
  );
