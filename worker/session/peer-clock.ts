/**
 * What is left of a task's time when the orchestrator sends only an instant, as releases before remaining_ms do. Its clock is
 * read from the session's id, a ULID that it made when the session began; this machine's own clock says nothing about it. Pure.
 */
import { timestampMs } from '@bufbuild/protobuf/wkt';
import { decodeTime } from 'ulid';
import { ulidPattern } from '#common/ids.ts';
import type { DesiredChanges, DesiredSet, Ensure } from '#gen/botrunner/v1/worker_service_pb.js';

export interface PeerClock {
  /** Gives a command what is left of its task's time, unless it brings that itself. */
  withRemaining(ensure: Ensure): Ensure;
  setWithRemaining<S extends DesiredSet | DesiredChanges>(set: S): S;
}

/** `monotonicMs` is read now, when the Welcome with this id has come, and again with each command. */
export function createPeerClock(sessionId: string, monotonicMs: () => number): PeerClock {
  const beganAtMs = ulidPattern.test(sessionId) ? decodeTime(sessionId) : undefined;
  const welcomedAtMs = monotonicMs();
  const withRemaining = (ensure: Ensure): Ensure => {
    if (ensure.remainingMs !== undefined || ensure.deadlineAt === undefined || beganAtMs === undefined) return ensure;
    const nowThereMs = beganAtMs + (monotonicMs() - welcomedAtMs);
    return { ...ensure, remainingMs: BigInt(Math.max(0, Math.round(timestampMs(ensure.deadlineAt) - nowThereMs))) };
  };
  return { withRemaining, setWithRemaining: (set) => ({ ...set, bots: set.bots.map(withRemaining) }) };
}
