/**
 * What is done when a run of a bot has ended: its last output is stored, the end is kept in the record, and the restart policy is
 * asked what comes next.
 */
import { withTimeLimit } from '#common/waiting/time-limit.ts';
import { runEnded } from '../diagnosis/diagnosis.ts';
import { isTransient } from '../failures/transient.ts';
import { type ContainerFacts, EngineUnavailableError } from '../runtime/container-runtime.ts';
import type { BotContext } from './bot-context.ts';
import { type BotMemory, expectFacts, factsOf, runIdOf } from './bot-memory.ts';
import type { LastEnd } from './bot-records.ts';
import { afterEnd, describeEnd, type Ended, freshPolicy, type RestartVerdict } from './restart-policy.ts';

const drainLimitMs = 30_000;
// Shorter than the shortest pause before the next start.
const suspicionMs = 500;

/**
 * Whether the end of a new version is its own doing for certain. An engine that goes down ends its containers first and is
 * seen to be away only after that, so it is asked again a moment later.
 */
export function isOwnDoing(memory: BotMemory, context: BotContext): boolean {
  const facts = factsOf(memory);
  if (facts === undefined) return false;
  const runId = runIdOf(facts);
  if (memory.suspected?.runId !== runId) {
    memory.suspected = { runId, askAtMs: context.clock.monotonicMs() + suspicionMs, confirmed: false };
    return false;
  }
  return memory.suspected.confirmed && !context.wasInterrupted(facts.finishedAtMs);
}

/** Asks the restart policy about an end that it was not asked about yet. */
export async function settleEnd(memory: BotMemory, context: BotContext, signal: AbortSignal): Promise<void> {
  const { clock, log, random } = context;
  const facts = expectFacts(memory);
  await storeLastOutput(memory, context, facts, signal);
  await log.unfollow();
  runEnded(memory.diagnosis);
  const { record } = memory;
  const runId = runIdOf(facts);
  const byEngine = context.wasInterrupted(facts.finishedAtMs) ? 'engine' : undefined;
  const ended: Ended = {
    exitCode: facts.exitCode,
    oomKilled: facts.oomKilled,
    ranMs: ranMs(memory, context, facts),
    interruptedBy: record.suspendedRun === runId ? 'worker' : byEngine,
    memoryBytes: memoryLimit(memory, facts),
  };
  const verdict: RestartVerdict =
    record.overDisk?.runId === runId
      ? { kind: 'exited', policy: freshPolicy, reason: record.overDisk.reason }
      : afterEnd(ended, { crashes: record.crashes }, random());
  const delayMs = verdict.kind === 'exited' ? undefined : verdict.delayMs;
  memory.retryAtMs = delayMs === undefined ? undefined : clock.monotonicMs() + delayMs;
  memory.record = {
    ...record,
    crashes: verdict.policy.crashes,
    settledEnd: {
      runId,
      kind: verdict.kind,
      nextTryAtMs: delayMs === undefined ? undefined : clock.wallMs() + delayMs,
      delayMs,
      reason: verdict.reason,
      blameless: ended.interruptedBy !== undefined || memory.watchedRun !== runId,
    },
    lastEnd: endOf(memory, facts),
    suspendedRun: undefined,
  };
  const next = delayMs === undefined ? '' : `; restarting in ${(delayMs / 1000).toFixed(1)} s`;
  await log.note(`${verdict.reason}${next}`);
}

/**
 * An end that the restart policy is not asked about, because a user's decision starts the bot again. Returns the line that says so, for
 * the log; undefined when it was said already.
 */
export async function noteEnd(
  memory: BotMemory,
  context: BotContext,
  facts: ContainerFacts,
  signal: AbortSignal,
): Promise<string | undefined> {
  const { log } = context;
  if (memory.record.settledEnd?.runId === runIdOf(facts)) return undefined;
  await storeLastOutput(memory, context, facts, signal);
  await log.unfollow();
  runEnded(memory.diagnosis);
  memory.record = { ...memory.record, lastEnd: endOf(memory, facts) };
  return describeEnd({ ...facts, interruptedBy: undefined, memoryBytes: memoryLimit(memory, facts) });
}

/** A start by the restart policy that the engine refused counts as another crash. */
export async function settleRefusedStart(memory: BotMemory, context: BotContext, why: string): Promise<void> {
  const { clock, log, random } = context;
  const facts = expectFacts(memory);
  const ended: Ended = { exitCode: undefined, oomKilled: false, ranMs: 0, interruptedBy: undefined };
  const verdict = afterEnd(ended, { crashes: memory.record.crashes }, random());
  const delayMs = verdict.kind === 'crash_loop' ? verdict.delayMs : 0;
  const reason = `could not be restarted: ${why}`;
  memory.retryAtMs = clock.monotonicMs() + delayMs;
  memory.record = {
    ...memory.record,
    crashes: verdict.policy.crashes,
    settledEnd: {
      runId: runIdOf(facts),
      kind: 'crash_loop',
      nextTryAtMs: clock.wallMs() + delayMs,
      delayMs,
      reason,
    },
  };
  await log.note(reason);
}

/** The limit of the version that ended. */
const memoryLimit = ({ spec }: BotMemory, { revision }: ContainerFacts): number | undefined =>
  spec?.revision === revision && spec.value.ok ? spec.value.value.memoryBytes : undefined;

/** By the monotonic clock where this process saw it run: the wall clock may have jumped meanwhile. */
function ranMs(memory: BotMemory, { clock }: BotContext, facts: ContainerFacts): number {
  const seen = memory.runningSince;
  if (seen?.runId === runIdOf(facts)) return clock.monotonicMs() - seen.atMs;
  return Math.max(0, (facts.finishedAtMs ?? 0) - (facts.startedAtMs ?? 0));
}

export function endOf({ record }: BotMemory, facts: ContainerFacts): LastEnd {
  const { exitCode, oomKilled, startedAtMs, finishedAtMs } = facts;
  const killedAfterMs = record.killed?.runId === runIdOf(facts) ? record.killed.afterMs : undefined;
  return { exitCode, oomKilled, startedAtMs, finishedAtMs, ...(killedAfterMs === undefined ? {} : { killedAfterMs }) };
}

/** A full disk or a broken log must not keep a bot from being stopped or started again; an engine that is away may. */
export async function storeLastOutput(
  memory: BotMemory,
  context: BotContext,
  facts: ContainerFacts,
  signal: AbortSignal,
): Promise<void> {
  const { clock, log, logger } = context;
  try {
    await withTimeLimit(clock, 'storing the last output', drainLimitMs, signal, (limited) =>
      log.drain(facts.id, limited),
    );
  } catch (error) {
    if (signal.aborted || error instanceof EngineUnavailableError) throw error;
    if (isTransient(error) && memory.failures === 0) throw error;
    logger.warn({ err: error, bot: memory.key }, 'the last output of a bot could not be stored');
    await log.noteGap('output is missing here; it could not be stored');
  }
}
