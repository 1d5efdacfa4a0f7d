/** What an actor knows of its bot, and the situation that follows from it. Only the actor and its steps write it. */

import { type BotKey, imageName } from '#common/ids.ts';
import type { Problem, Result } from '#common/problem.ts';
import type { Secret } from '#common/secret.ts';
import { type Diagnosis, recallDiagnosis } from '../diagnosis/diagnosis.ts';
import type { ContainerFacts, RuntimeEvent } from '../runtime/container-runtime.ts';
import type { Stray } from '../runtime/strays.ts';
import type { GateState } from '../safety/start-gate.ts';
import type { Failure, KeptBot, RunId } from './bot-records.ts';
import type { Container, Settled, Situation } from './converge.ts';
import { type DecisionOrder, type DesiredBot, isSameDecision } from './desired.ts';
import type { DiskJudged } from './disk-use.ts';
import type { PreparationPhase } from './image-preparation.ts';
import { imageNameOf, type RunnableSpec } from './spec-plan.ts';
import type { StartWatch } from './start-watch.ts';

export interface BotMemory {
  readonly key: BotKey;
  /** What is on disk, or will be before the next step. */
  record: KeptBot;
  /** The one that was written last. */
  saved: KeptBot;
  /** The spec of a revision, or why this worker cannot run it. */
  spec: { readonly revision: bigint; readonly value: Result<RunnableSpec> } | undefined;
  /** Secrets of the specs whose output may still come. Undefined while they are not known. */
  secrets: Secret<readonly string[]> | undefined;
  /** The container as last seen. */
  container: 'unknown' | 'none' | ContainerFacts;
  /** Without a container of its own: one of the bot that is not this worker's. */
  stray: Stray | undefined;
  /** Its container has just been removed, so that another one can take its place at once. */
  replacing: boolean;
  /** The container may have changed since. */
  stale: boolean;
  /** What the engine's events say while its answer about the container is awaited; undefined while none is. */
  heard: RuntimeEvent['kind'][] | undefined;
  /** The image of this revision is there. */
  imageReady: bigint | undefined;
  /** The decision with claimTokens whose tokens are the bot's. */
  tokensGranted: DecisionOrder | undefined;
  preparing: { readonly revision: bigint; phase: PreparationPhase; readonly abort: AbortController } | undefined;
  /** A container started a moment ago is watched. */
  watch: StartWatch | undefined;
  /** The run that this process started and watched; an end of any other one says nothing about a start that is waited for. */
  watchedRun: RunId | undefined;
  /** An end that an update would be blamed for, until the engine was asked once more, at this time: it may be going down. */
  suspected: { readonly runId: RunId; readonly askAtMs: number; readonly confirmed: boolean } | undefined;
  /** Monotonic time since when this process has seen the container run. */
  runningSince: { readonly runId: RunId; readonly atMs: number } | undefined;
  /** Monotonic time of the next try by the restart policy. */
  retryAtMs: number | undefined;
  pausedUntilMs: number | undefined;
  /** Steps that failed in a row. */
  failures: number;
  /** The progress of making the image. */
  making: Making;
  /** The decision for which the image was made again after it was gone at a create; undefined once there is a container. */
  madeAgainFor: bigint | undefined;
  /** Why the last step failed, for people; until a step of its kind, or another one that changes something, has succeeded. */
  trouble: string;
  /** The step that failed last. The engine answered when it `isRefused`: what was last seen is still so. */
  troubled: { readonly step: string; readonly isRefused: boolean } | undefined;
  /** Where in the log the last start by a user's decision began. */
  startSeq: number;
  cleaned: boolean;
  /** Whether this container would be made differently today, as compared for this decision. */
  compared: { readonly containerId: string; readonly generation: bigint; readonly outdated: boolean } | undefined;
  /** What its log says is wrong. Also written by the reader of its output. */
  readonly diagnosis: Diagnosis;
  /** What its run has written, as last measured. */
  disk: (DiskJudged & { readonly runId: RunId }) | undefined;
  /** The run whose user was warned that it is over a limit. */
  warnedOfDisk: RunId | undefined;
}

/** Attempts to make an image that met transient failures. */
export interface Making {
  /** In a row. */
  readonly failures: number;
  /** Why the last one failed, for people. */
  readonly trouble: string;
  /** What the job fails with if no try succeeds before its deadline; undefined: nothing better than the trouble. */
  readonly problem: Problem | undefined;
  /** Monotonic time of the next try. */
  readonly againAtMs: number;
}

export const nothingFailed: Making = { failures: 0, trouble: '', problem: undefined, againAtMs: 0 };

export const newMemory = (record: KeptBot, nowMs: number): BotMemory => ({
  key: record.key,
  record,
  saved: record,
  spec: undefined,
  secrets: undefined,
  container: 'unknown',
  stray: undefined,
  stale: false,
  heard: undefined,
  replacing: false,
  imageReady: undefined,
  tokensGranted: undefined,
  preparing: undefined,
  watch: undefined,
  watchedRun: undefined,
  suspected: undefined,
  runningSince: undefined,
  retryAtMs: undefined,
  pausedUntilMs: undefined,
  failures: 0,
  making: nothingFailed,
  madeAgainFor: undefined,
  trouble: '',
  troubled: undefined,
  startSeq: 1,
  cleaned: false,
  compared: undefined,
  diagnosis: recallDiagnosis(record.diagnosis, nowMs),
  disk: undefined,
  warnedOfDisk: undefined,
});

export const runIdOf = (facts: ContainerFacts): RunId => `${facts.id}@${facts.startedAtMs ?? 0}`;

/** For a step that is only taken with a container. */
export function expectFacts(memory: BotMemory): ContainerFacts {
  const facts = factsOf(memory);
  if (!facts) throw new Error('a step that needs a container was taken without one');
  return facts;
}

export const factsOf = ({ container }: BotMemory): ContainerFacts | undefined =>
  typeof container === 'string' ? undefined : container;

/** Whether an event says no more than the container's facts do: the one that brought it to where it is. */
export const isKnown = (kind: RuntimeEvent['kind'], facts: ContainerFacts | undefined): boolean =>
  (kind === 'started' && facts?.status === 'running') || (kind === 'ended' && facts?.status === 'exited');

/** The failure that stands against what is desired now. */
export function failureOf({ failure, desired }: KeptBot): Failure | undefined {
  if (!failure || desired?.kind !== 'running') return undefined;
  return isSameDecision(failure, desired) && failure.revision === desired.revision ? failure : undefined;
}

/** What is known of the image of a revision, if it was made here and may still be there. */
export const imageOf = ({ image, formerImage }: KeptBot, revision: bigint): KeptBot['image'] =>
  [image, formerImage].find((made) => made?.revision === revision);

/** The name of the image that a revision runs, as far as that is known. */
export function imageNameNow({ key, record, spec }: BotMemory, revision: bigint): string {
  const known = imageOf(record, revision);
  if (known !== undefined) return imageName(key, known.of ?? revision);
  return spec?.revision === revision && spec.value.ok
    ? imageNameOf(key, revision, spec.value.value)
    : imageName(key, revision);
}

/** Whether the orchestrator has yet to say that the bot may start. */
const awaitsTokens = ({ tokensGranted }: BotMemory, desired: DesiredBot): boolean =>
  desired.claimTokens === true && (tokensGranted === undefined || !isSameDecision(tokensGranted, desired));

/** The spec of what should run, once it is known and can be run. */
export function runnableSpec({ spec, record }: BotMemory): RunnableSpec | undefined {
  return spec && spec.revision === record.desired?.revision && spec.value.ok ? spec.value.value : undefined;
}

/** `hasTask`: a user waits for this very decision. */
export function situationOf(memory: BotMemory, nowMs: number, hasTask: boolean, gate: GateState): Situation {
  const { record, container, stale, watch, preparing, imageReady, pausedUntilMs, cleaned } = memory;
  const { desired } = record;
  const mustAsk = memory.suspected?.confirmed === false && nowMs >= memory.suspected.askAtMs;
  const mustLook = stale || mustAsk || (watch !== undefined && nowMs >= watch.untilMs);
  return {
    nowMs,
    desired,
    container: mustLook ? 'unknown' : typeof container === 'string' ? container : asContainer(memory, container),
    stray: memory.stray === undefined ? undefined : memory.stray.running ? 'running' : 'ended',
    imageReady: desired !== undefined && imageReady === desired.revision && !awaitsTokens(memory, desired),
    preparing: preparing?.revision,
    specKnown: runnableSpec(memory) !== undefined,
    failed: failureOf(record) !== undefined,
    startAgain: mustStartAgain(memory, hasTask),
    restart: mustRestart(record),
    outdated: isOutdated(memory),
    ...overDiskOf(memory),
    watchUntilMs: watch?.untilMs,
    pausedUntilMs,
    makeAgainAtMs: memory.making.againAtMs,
    cleaned,
    gate: isBeingReplaced(memory) ? 'open' : gate,
  };
}

/** What was seen last, while that still holds although it is looked at again: the engine refused a step. */
export function seenBeforeRefusal(memory: BotMemory): 'none' | Container | undefined {
  const { container, troubled } = memory;
  if (troubled?.isRefused !== true || container === 'unknown') return undefined;
  return container === 'none' ? container : asContainer(memory, container);
}

/** A container was stopped to make way for another, as it may while the gate is open: then the other has to follow. */
function isBeingReplaced({ record, container, replacing }: BotMemory): boolean {
  if (replacing || typeof container === 'string') return replacing;
  return container.status === 'exited' && record.endedForRestart === runIdOf(container);
}

function overDiskOf(memory: BotMemory): Pick<Situation, 'overDisk'> {
  const facts = factsOf(memory);
  const { overDisk } = memory.record;
  if (facts === undefined || overDisk?.runId !== runIdOf(facts)) return {};
  return { overDisk: overDisk.inLayer ? 'layer' : 'data' };
}

/** Whether an image is kept that the bot does not go back to any more: what should run runs, and has stayed up. */
export function mayForgetFormer(memory: BotMemory): boolean {
  const { record, watch, stale } = memory;
  const facts = factsOf(memory);
  if (record.formerImage === undefined || stale || watch !== undefined) return false;
  return facts?.status === 'running' && facts.revision === record.desired?.revision;
}

/** Whether this decision asks for a start that has not been made yet. */
export const wantsStart = (record: KeptBot, desired: DesiredBot): boolean =>
  failureOf(record) === undefined && record.startedGeneration < desired.generation;

/** Whether the decision asks that a process started for an older one be started again. */
export const mustRestart = (record: KeptBot): boolean =>
  record.desired?.kind === 'running' && record.desired.restart === true && wantsStart(record, record.desired);

/** Whether an ended container is to be started by a user's decision, whatever the restart policy says of its end. */
function mustStartAgain(memory: BotMemory, hasTask: boolean): boolean {
  const { record } = memory;
  if (record.desired?.kind !== 'running' || failureOf(record)) return false;
  if ((hasTask || record.desired.restart === true) && wantsStart(record, record.desired)) return true;
  const facts = factsOf(memory);
  return facts !== undefined && record.endedForRestart === runIdOf(facts);
}

function isOutdated(memory: BotMemory): boolean | undefined {
  const { compared, record } = memory;
  const isThis = compared?.containerId === factsOf(memory)?.id && compared?.generation === record.desired?.generation;
  return isThis ? compared?.outdated : undefined;
}

function asContainer({ record, retryAtMs }: BotMemory, facts: ContainerFacts): Container {
  const { settledEnd } = record;
  const settled: Settled | undefined =
    settledEnd?.runId !== runIdOf(facts)
      ? undefined
      : settledEnd.kind === 'exited'
        ? { kind: 'exited' }
        : { kind: 'crash_loop', retryAtMs: retryAtMs ?? 0 };
  const status = facts.status === 'exited' ? 'ended' : facts.status;
  return { revision: facts.revision, status, settled: status === 'ended' ? settled : undefined };
}
