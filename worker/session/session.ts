/**
 * One session with one orchestrator, from Hello to its end. Any failure ends it whole; nothing else ends with it.
 * What the worker says goes through the outbox, what it hears is handled in the order it came.
 */

import { create } from '@bufbuild/protobuf';
import { inBackground } from '#common/background.ts';
import type { Clock } from '#common/clock.ts';
import type { Logger } from '#common/log.ts';
import { onAbort } from '#common/waiting/abort.ts';
import {
  type AdoptStrays,
  type DesiredSet,
  type Ensure,
  type Heartbeat,
  type Hello,
  type OpenTail,
  SessionRequestSchema,
  type SessionResponse,
  type TaskResult,
  type Welcome,
} from '#gen/botrunner/v1/worker_service_pb.js';
import {
  type Channel,
  endOf,
  httpStatusOf,
  refusalOf,
  type SessionCall,
  type StatusObject,
  send,
  status,
} from './channel.ts';
import type { Outbox } from './outbox.ts';
import { createPeerClock, type PeerClock } from './peer-clock.ts';

/** What the worker does in a session. Must not throw; a throw ends the session. */
export interface SessionWork {
  hello(): Hello;
  heartbeat(): Heartbeat;
  /** Why this orchestrator must not be obeyed; asked before the session begins. */
  objectionTo(welcome: Welcome): string | undefined;
  /** The session has begun: everything this worker should run. */
  welcomed(desiredSet: DesiredSet | undefined): void;
  applyDesiredSet(set: DesiredSet): void;
  ensure(ensure: Ensure): void;
  cancelTask(taskId: string): void;
  openTail(tail: OpenTail): void;
  adopt(decision: AdoptStrays): void;
  acknowledged(taskId: string): void;
  /** A result, if it still has to be sent. */
  resultOf(taskId: string): TaskResult | undefined;
  /** Called with every heartbeat: queue results that were sent long ago and not acknowledged. */
  resendResults(): void;
}

export type SessionEnd =
  /** The orchestrator does not take this worker as it is: a wrong token, id or version. */
  | { readonly kind: 'refused'; readonly message: string; readonly hint: string; readonly tokenWrong: boolean }
  /** The orchestrator does not know the credential: it has to be made known first. */
  | { readonly kind: 'unknown' }
  /** This worker must not obey that orchestrator. */
  | { readonly kind: 'disobeyed'; readonly message: string }
  /** A newer session of the same worker id has begun. */
  | { readonly kind: 'fenced' }
  | { readonly kind: 'lost'; readonly message: string; readonly welcomed: boolean };

// The orchestrator sends the desired set every 5 s, so that this much silence means it is not there.
const silenceMaxMs = 20_000;
const heartbeatBounds = { minMs: 100, maxMs: 60_000 };

export interface SessionParts {
  readonly channel: Channel;
  readonly outbox: Outbox;
  readonly work: SessionWork;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Resolves when the session is over. On abort it is ended in good order. */
export async function runSession(parts: SessionParts, signal: AbortSignal): Promise<SessionEnd> {
  const { channel, outbox, work, clock } = parts;
  const call = channel.openSession();
  const ended = endOf(call);
  const over = new AbortController();
  let ownReason: string | undefined;
  let welcomed = false;
  let peer = createPeerClock('', () => clock.monotonicMs());
  let disobeyed: string | undefined;
  let cancelHeartbeat = () => {};
  const breakOff = (reason: string) => {
    ownReason ??= reason;
    call.cancel();
  };
  let cancelWatchdog = () => {};
  const feedWatchdog = () => {
    cancelWatchdog();
    cancelWatchdog = clock.after(silenceMaxMs, () => breakOff(`nothing was received for ${silenceMaxMs / 1000} s`));
  };
  const beat = (intervalMs: number) => {
    outbox.heartbeat(work.heartbeat());
    work.resendResults();
    cancelHeartbeat = clock.after(intervalMs, () => beat(intervalMs));
  };
  const hear = (message: SessionResponse) => {
    feedWatchdog();
    const { body } = message;
    if (!welcomed) {
      if (body.case !== 'welcome') {
        breakOff('the orchestrator did not start with Welcome');
        return;
      }
      const objection = work.objectionTo(body.value);
      if (objection !== undefined) {
        disobeyed = objection;
        breakOff(objection);
        return;
      }
      welcomed = true;
      const { sessionId, desiredSet } = body.value;
      peer = createPeerClock(sessionId, () => clock.monotonicMs());
      work.welcomed(desiredSet && peer.setWithRemaining(desiredSet));
      const wanted = body.value.heartbeatIntervalMs;
      beat(Math.min(Math.max(wanted, heartbeatBounds.minMs), heartbeatBounds.maxMs));
      inBackground(sendAll(call, ended, parts, over.signal), (error) => breakOff(messageOf(error)));
      return;
    }
    handle(work, peer, body);
  };
  call.on('data', (message: SessionResponse) => {
    try {
      hear(message);
    } catch (error) {
      parts.logger.error({ err: error }, 'a message of the orchestrator could not be handled; the session ends');
      breakOff('a message could not be handled');
    }
  });
  const letGo = onAbort(signal, () => call.cancel());
  feedWatchdog();
  call.write(create(SessionRequestSchema, { body: { case: 'hello', value: work.hello() } }));
  const final = await ended;
  over.abort();
  cancelWatchdog();
  cancelHeartbeat();
  letGo();
  if (disobeyed !== undefined) return { kind: 'disobeyed', message: disobeyed };
  return howItEnded(final, ownReason, welcomed);
}

function handle(work: SessionWork, peer: PeerClock, body: SessionResponse['body']): void {
  switch (body.case) {
    case 'ensure':
      work.ensure(peer.withRemaining(body.value));
      break;
    case 'desiredSet':
      work.applyDesiredSet(peer.setWithRemaining(body.value));
      break;
    case 'cancelTask':
      work.cancelTask(body.value.taskId);
      break;
    case 'openTail':
      work.openTail(body.value);
      break;
    case 'adopt':
      work.adopt(body.value);
      break;
    case 'resultAck':
      work.acknowledged(body.value.taskId);
      break;
    case 'welcome':
      throw new Error('a second Welcome in one session');
    case undefined:
      // A body newer than this release.
      break;
  }
}

/** Sends what waits, one message at a time, as fast as the transport takes it. */
async function sendAll(
  call: SessionCall,
  ended: Promise<StatusObject>,
  { outbox, work }: SessionParts,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    const message = outbox.next((taskId) => work.resultOf(taskId));
    if (message) await send(call, message, ended);
    else await outbox.wait(signal);
  }
}

function howItEnded(final: StatusObject, ownReason: string | undefined, welcomed: boolean): SessionEnd {
  if (ownReason !== undefined) return { kind: 'lost', message: ownReason, welcomed };
  if (httpStatusOf(final) !== undefined) return { kind: 'lost', message: final.details, welcomed };
  switch (final.code) {
    case status.UNAUTHENTICATED:
      return { kind: 'unknown' };
    case status.PERMISSION_DENIED:
    case status.INVALID_ARGUMENT:
    case status.UNIMPLEMENTED:
      return { kind: 'refused', ...refusalOf(final), tokenWrong: false };
    case status.ABORTED:
      return { kind: 'fenced' };
    default:
      return { kind: 'lost', message: final.details || status[final.code] || 'the session ended', welcomed };
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
