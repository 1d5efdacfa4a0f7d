/**
 * The next step that brings a bot from what it is to what it should be. Pure: the whole of a bot's life is this one
 * function, called again after every step and every change.
 *
 * 1. A container is created only when none exists, and an old one is stopped only when the new image is ready.
 * 2. Nothing is started once the bot must not run.
 * 3. Beside a container of the bot that is not this worker's, nothing is made and nothing removed.
 * 4. What has failed for good is not tried again until something new is decided.
 * 5. While the gate is not open, no container is made, none is stopped to make way for another, and no image is begun; what exists is
 *    supervised as ever.
 */
import type { GateState } from '../safety/start-gate.ts';
import type { DesiredBot } from './desired.ts';

/** What the supervisor made of an ended container. */
export type Settled = { readonly kind: 'exited' } | { readonly kind: 'crash_loop'; readonly retryAtMs: number };

export interface Container {
  readonly revision: bigint;
  readonly status: 'created' | 'running' | 'ended';
  /** For an ended one, once the restart policy was asked. */
  readonly settled: Settled | undefined;
}

export interface Situation {
  /** Monotonic. */
  readonly nowMs: number;
  /** Undefined while nobody has said: then what exists is only supervised. */
  readonly desired: DesiredBot | undefined;
  readonly container: 'unknown' | 'none' | Container;
  /** With `none`: a container of the bot that is not this worker's, about which only an operator decides. */
  readonly stray: 'running' | 'ended' | undefined;
  /** Whether the image of the desired revision is there. */
  readonly imageReady: boolean;
  /** The revision whose image is being made. */
  readonly preparing: bigint | undefined;
  /** False until the orchestrator has sent the spec of the desired revision to this process. */
  readonly specKnown: boolean;
  /** The desired revision could not be built, created or started. */
  readonly failed: boolean;
  /** A user asks, by this decision, for an ended bot to run again. */
  readonly startAgain: boolean;
  /** The decision asks for a fresh start of a container that was started for an older one. */
  readonly restart: boolean;
  /** For a restart: whether the platform would make the container differently today. Undefined until compared. */
  readonly outdated: boolean | undefined;
  /** The run has written more than it may, there: it is stopped, and stays so until a user's decision starts it again. */
  readonly overDisk?: 'data' | 'layer';
  /** A started container is looked at again at this time, to see whether it stays up. */
  readonly watchUntilMs: number | undefined;
  /** Before this time nothing is tried, because of a transient failure. */
  readonly pausedUntilMs: number | undefined;
  /** Before this time no image is made, because of a transient failure; what exists is supervised meanwhile. */
  readonly makeAgainAtMs?: number;
  /** Whether images, and the log if it must go, are removed; for removed and absent. */
  readonly cleaned: boolean;
  readonly gate: GateState;
}

export type ConvergeStep =
  /** Ask the engine what exists. */
  | { readonly kind: 'look' }
  /** Begin to make the image; continues beside the following steps. */
  | { readonly kind: 'prepare' }
  | { readonly kind: 'cancel-prepare' }
  /** Compare the container with the one that would be made today. */
  | { readonly kind: 'compare' }
  /** Ask the restart policy about the end, store the last output. */
  | { readonly kind: 'settle' }
  | { readonly kind: 'stop' }
  /** Store the last output, then remove the container. */
  | { readonly kind: 'remove' }
  | { readonly kind: 'create' }
  /** `again`: by the restart policy, else by a user's decision. */
  | { readonly kind: 'start'; readonly again: boolean }
  | { readonly kind: 'clean' }
  /** Nothing to do until something changes, or until this time. */
  | { readonly kind: 'rest'; readonly untilMs: number | undefined };

const rest = (untilMs?: number): ConvergeStep => ({ kind: 'rest', untilMs });

export function nextStep(situation: Situation): ConvergeStep {
  const { desired, container, preparing, pausedUntilMs, nowMs } = situation;
  if (preparing !== undefined && !isWanted(situation, preparing)) return { kind: 'cancel-prepare' };
  if (pausedUntilMs !== undefined && nowMs < pausedUntilMs) return rest(pausedUntilMs);
  if (container === 'unknown') return { kind: 'look' };
  if (desired === undefined) return container === 'none' ? rest() : supervise(situation, container);
  // A second copy must not run, and what the first one uses stays.
  if (container === 'none' && situation.stray && desired.kind !== 'absent') return rest();
  if (desired.kind === 'running') return towardsRunning(situation, desired);
  if (container !== 'none') return { kind: container.status === 'running' ? 'stop' : 'remove' };
  if (desired.kind !== 'stopped' && !situation.cleaned) return { kind: 'clean' };
  return rest();
}

function isWanted(situation: Situation, revision: bigint): boolean {
  const { desired, failed, container } = situation;
  if (desired?.kind !== 'running' || failed || desired.revision !== revision) return false;
  // An image that is being made need not be thrown away for what may pass.
  if (situation.gate === 'closed') return false;
  return container === 'unknown' || container === 'none' || container.revision !== revision || mustReplace(situation);
}

/** Whether what is desired cannot be without a container that has never run. */
export function needsContainer(situation: Situation): boolean {
  const { desired, container } = situation;
  if (desired?.kind !== 'running' || container === 'unknown') return false;
  if (container === 'none' || container.revision !== desired.revision) return true;
  return container.status === 'created' || mustReplace(situation);
}

/**
 * A restart takes the same container, unless the platform would make it differently today, or it is full: it would be stopped
 * again at once.
 */
const mustReplace = ({ restart, outdated, startAgain, overDisk }: Situation): boolean =>
  (restart && outdated === true) || (startAgain && overDisk === 'layer');

function towardsRunning(situation: Situation, desired: DesiredBot): ConvergeStep {
  const { container, imageReady, preparing, specKnown, failed, startAgain, restart, outdated, gate } = situation;
  if (container === 'unknown') return { kind: 'look' };
  if (container !== 'none' && container.revision === desired.revision && !mustReplace(situation)) {
    if (container.status === 'created') {
      if (failed) return { kind: 'remove' };
      return gate === 'open' ? { kind: 'start', again: false } : rest();
    }
    if (restart && specKnown && outdated === undefined) return { kind: 'compare' };
    if (restart && container.status === 'running') return { kind: 'stop' };
    if (container.status === 'ended' && startAgain) return { kind: 'start', again: false };
    return supervise(situation, container);
  }
  const canReplace = specKnown && !failed && gate === 'open';
  if (canReplace && imageReady) {
    if (container === 'none') return { kind: 'create' };
    return { kind: container.status === 'running' ? 'stop' : 'remove' };
  }
  const meanwhile = container === 'none' ? rest() : supervise(situation, container);
  if (!canReplace || preparing !== undefined) return meanwhile;
  const { nowMs, makeAgainAtMs = nowMs } = situation;
  if (nowMs >= makeAgainAtMs) return { kind: 'prepare' };
  if (meanwhile.kind !== 'rest') return meanwhile;
  return rest(Math.min(meanwhile.untilMs ?? Number.POSITIVE_INFINITY, makeAgainAtMs));
}

/** Keeps what exists going, by the restart policy. */
function supervise({ nowMs, watchUntilMs, overDisk }: Situation, container: Container): ConvergeStep {
  if (container.status === 'created') return rest();
  if (container.status === 'running' && overDisk !== undefined) return { kind: 'stop' };
  if (container.status === 'running') return rest(watchUntilMs);
  if (!container.settled) return { kind: 'settle' };
  if (container.settled.kind === 'exited') return rest();
  return nowMs < container.settled.retryAtMs ? rest(container.settled.retryAtMs) : { kind: 'start', again: true };
}
