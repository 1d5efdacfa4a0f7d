/** What is reported about a bot: its state from the closed set, with the facts behind it. Pure. */
import { create, equals } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import type { BotKey } from '#common/ids.ts';
import { BotState, DiskKind, DiskUseSchema, ProtectionSchema } from '#gen/botrunner/v1/bot_pb.js';
import { type BotObservation, BotObservationSchema, StoreMomentSchema } from '#gen/botrunner/v1/worker_service_pb.js';
import type { ContainerFacts } from '../runtime/container-runtime.ts';
import { imageOf, type Making } from './bot-memory.ts';
import type { KeptBot } from './bot-records.ts';
import type { Container, Situation } from './converge.ts';
import { type DiskJudged, shownDisk } from './disk-use.ts';
import type { PreparationPhase } from './image-preparation.ts';
import { describeKill } from './stop-notice.ts';

/** What the actor knows of its bot beyond the situation. */
export interface Known {
  readonly situation: Situation;
  readonly record: KeptBot;
  /** As last seen; undefined when there is none or nothing is known. */
  readonly facts: ContainerFacts | undefined;
  /** As in bot-memory.ts: what is reported while it is looked at again. */
  readonly seenBeforeRefusal?: 'none' | Container | undefined;
  readonly phase: PreparationPhase | undefined;
  /** The container that is being watched was started by the restart policy. */
  readonly startedAgain: boolean;
  /** What people read of a container of the bot that is not this worker's. */
  readonly strayReason: string;
  /** The last try's transient failure, for people; empty when there was none. */
  readonly trouble: string;
  /** The progress of making its image. */
  readonly making: Making;
  /** What its run has written; undefined while that is not known. */
  readonly disk?: DiskJudged | undefined;
  /** The worker limits and measures what bots write. */
  readonly limitsDisk: boolean;
}

export interface Told {
  readonly state: BotState;
  readonly reason: string;
}

/** Undefined while it is being determined: then the last report stands. */
export function describeBot(known: Known): Told | undefined {
  const { situation, making } = known;
  const trouble = known.trouble || afterFailures(making);
  const { desired } = situation;
  const container = situation.container === 'unknown' ? (known.seenBeforeRefusal ?? 'unknown') : situation.container;
  if (container === 'unknown') return trouble ? { state: BotState.UNKNOWN, reason: trouble } : undefined;
  const told = (() => {
    if (container === 'none' && hasStray(situation)) return { state: BotState.UNKNOWN, reason: known.strayReason };
    if (desired && desired.kind !== 'running') {
      return container === 'none'
        ? { state: BotState.STOPPED, reason: situation.stray === 'ended' ? known.strayReason : howItWasStopped(known) }
        : { state: BotState.STOPPING, reason: '' };
    }
    return container === 'none' ? withoutContainer(known) : withContainer(known, container);
  })();
  return told && { ...told, reason: told.reason || trouble };
}

/** One that has ended is in the way of a bot that should run, and of nothing else. */
const hasStray = ({ desired, stray }: Situation): boolean =>
  stray === 'running' || (stray === 'ended' && desired?.kind === 'running');

const howItWasStopped = ({ record: { lastEnd } }: Known): string =>
  lastEnd?.killedAfterMs === undefined ? '' : describeKill(lastEnd.killedAfterMs);

/** As describeBot, for the one who waits for a task: what is done for it, also while an old version still runs. */
export function describeWork(known: Known): Told | undefined {
  const { failures, trouble } = known.making;
  const again = failures === 0 ? '' : `, attempt ${failures + 1}; the last one failed: ${trouble}`;
  if (known.phase === 'building') return { state: BotState.BUILDING, reason: `the image is being built${again}` };
  if (known.phase === 'pulling') return { state: BotState.PULLING, reason: `the image is being pulled${again}` };
  if (known.phase === 'waiting') return { state: BotState.PENDING, reason: waitsForBuild };
  if (known.phase === 'fetching') return { state: BotState.PENDING, reason: `the source is being fetched${again}` };
  if (known.phase === 'tokens') return { state: BotState.PENDING, reason: waitsForTokens };
  const told = describeBot(known);
  if (!told) return undefined;
  // Between two tries: why it waits goes before what the bot does meanwhile.
  if (again !== '') return { ...told, reason: afterFailures(known.making) };
  const { container } = known.situation;
  // How the former version ended is not news of the one that is waited for.
  return typeof container === 'object' && container.status === 'ended'
    ? { ...told, reason: updateReason(known, container.revision) || ownReason(known, told, container.revision) }
    : told;
}

const ownReason = ({ situation: { desired } }: Known, told: Told, revision: bigint): string =>
  desired === undefined || desired.revision === revision ? told.reason : '';

const afterFailures = ({ failures, trouble }: Making): string =>
  failures === 0 ? '' : `the image is not ready yet, attempt ${failures + 1} follows; the last one failed: ${trouble}`;

const waitsForTokens = 'it is built, and is waiting for the other bot to release the Telegram token';
const waitsForChecks = 'waiting for the safety checks of its worker';
const waitsForBuild = 'waiting for another build on this worker to finish';

function withoutContainer({ situation, record, phase }: Known): Told {
  if (!situation.desired) return { state: BotState.STOPPED, reason: '' };
  if (situation.failed) return { state: BotState.FAILED, reason: record.failure?.problem.message ?? '' };
  if (phase === 'building') return { state: BotState.BUILDING, reason: '' };
  if (phase === 'pulling') return { state: BotState.PULLING, reason: '' };
  if (phase === 'waiting') return { state: BotState.PENDING, reason: waitsForBuild };
  if (phase === 'tokens') return { state: BotState.PENDING, reason: waitsForTokens };
  if (phase === 'fetching') return { state: BotState.PENDING, reason: 'the source is being fetched' };
  if (situation.gate !== 'open') return { state: BotState.PENDING, reason: waitsForChecks };
  if (situation.specKnown) return { state: BotState.STARTING, reason: '' };
  return record.startedGeneration > 0n
    ? { state: BotState.LOST, reason: 'its container is gone' }
    : { state: BotState.PENDING, reason: 'waiting for the orchestrator' };
}

function withContainer(known: Known, container: Container): Told | undefined {
  const { situation, record, startedAgain } = known;
  const updating = updateReason(known, container.revision);
  switch (container.status) {
    case 'created':
      return { state: BotState.STARTING, reason: updating };
    case 'running':
      if (situation.watchUntilMs === undefined) {
        return { state: BotState.RUNNING, reason: updating || (known.facts?.remark ?? '') };
      }
      return startedAgain
        ? { state: BotState.CRASH_LOOP, reason: `was restarted (restart ${record.restarts})` }
        : { state: BotState.STARTING, reason: updating };
    case 'ended': {
      const { settled } = container;
      if (situation.startAgain && situation.desired?.revision === container.revision) {
        return { state: BotState.STARTING, reason: '' };
      }
      if (!settled) return undefined;
      const isDue = settled.kind === 'crash_loop' && situation.nowMs >= settled.retryAtMs;
      const waiting = isDue && known.trouble !== '' ? `its restart waits: ${known.trouble}` : '';
      const reason = [record.settledEnd?.reason ?? '', waiting, updating].filter(Boolean).join('; ');
      return { state: settled.kind === 'exited' ? BotState.EXITED : BotState.CRASH_LOOP, reason };
    }
  }
}

function updateReason({ situation, record, phase, making }: Known, revision: bigint): string {
  const { desired, failed } = situation;
  if (!desired || desired.revision === revision) return '';
  if (failed) return `the update failed: ${record.failure?.problem.message ?? ''}`;
  if (making.failures > 0) return `an update is being prepared: ${afterFailures(making)}`;
  return phase === undefined ? '' : 'an update is being prepared';
}

/** The message for the orchestrator. */
export function observeBot(key: BotKey, known: Known, told: Told, wallMs: number): BotObservation {
  const { situation, record, facts } = known;
  const observation = create(BotObservationSchema, {
    userId: key.userId,
    botId: key.botId,
    generation: situation.desired?.generation ?? 0n,
    epoch: situation.desired?.epoch ?? facts?.epoch ?? 0n,
    revision: facts?.revision ?? 0n,
    state: told.state,
    containerId: facts?.id ?? '',
    containerName: facts?.name ?? '',
    oomKilled: false,
    restarts: record.restarts,
    reason: told.reason,
    pinned: facts ? (imageOf(record, facts.revision)?.pinned ?? '') : '',
    observedAt: timestampFromMs(wallMs),
    diagnosis: record.diagnosis ?? '',
  });
  if (known.disk !== undefined) observation.disk = create(DiskUseSchema, shownDisk(known.disk));
  if (facts?.protection !== undefined) {
    observation.protection = create(ProtectionSchema, { ...facts.protection, disk: diskKind(known) });
  }
  const { decided } = situation.desired ?? {};
  if (decided) observation.decided = create(StoreMomentSchema, decided);
  const startedAtMs = facts?.startedAtMs ?? record.lastEnd?.startedAtMs;
  if (startedAtMs !== undefined) observation.startedAt = timestampFromMs(startedAtMs);
  const end = facts?.status === 'exited' ? facts : record.lastEnd;
  if (end) {
    observation.oomKilled = end.oomKilled;
    if (end.finishedAtMs !== undefined) observation.finishedAt = timestampFromMs(end.finishedAtMs);
    if (end.exitCode !== undefined) observation.exitCode = end.exitCode;
  }
  const nextTryAtMs = record.settledEnd?.nextTryAtMs;
  if (told.state === BotState.CRASH_LOOP && facts?.status === 'exited' && nextTryAtMs !== undefined) {
    observation.nextTryAt = timestampFromMs(nextTryAtMs);
  }
  return observation;
}

/** By what was found rather than by the setting: volumes from before are not sized. */
function diskKind({ disk, limitsDisk }: Known): DiskKind {
  if (!limitsDisk) return DiskKind.OFF;
  if (disk === undefined) return DiskKind.UNSPECIFIED;
  return disk.measure.isSized ? DiskKind.SIZED : DiskKind.WATCH;
}

/** Whether two observations say the same, apart from when. */
export function saysTheSame(a: BotObservation, b: BotObservation): boolean {
  const { observedAt: _a, ...restA } = a;
  const { observedAt: _b, ...restB } = b;
  return equals(BotObservationSchema, restA as BotObservation, restB as BotObservation);
}
