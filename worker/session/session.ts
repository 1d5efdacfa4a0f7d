/**
 * One session with one orchestrator, from Hello to its end. Any failure ends it whole; nothing else ends with it.
 * What the worker sends goes through the outbox; what it receives is handled in order of arrival.
 */

import { create } from '@bufbuild/protobuf';
import { inBackground } from '#common/background.ts';
import type { Clock } from '#common/clock.ts';
import type { Logger } from '#common/log.ts';
import { onAbort } from '#common/waiting/abort.ts';
import { SessionRequestSchema, type SessionResponse } from '#gen/botrunner/v1/worker_service_pb.js';
import { type Channel, type SessionCall, type StatusObject, send, statusOf } from './channel.ts';
import type { Outbox, OutboxSource } from './outbox.ts';
import { createPeerClock, type PeerClock } from './peer-clock.ts';
import type { SentResults } from './sent-results.ts';
import { type SessionEnd, sessionEndOf } from './session-end.ts';
import type { WorkerCommands } from './worker-commands.ts';

// The orchestrator says every 5 s what should run, or that nothing of it has changed, so that this much silence means it is not there.
const silenceMaxMs = 20_000;
const heartbeatBounds = { minMs: 100, maxMs: 60_000 };

export interface SessionParts {
  readonly channel: Channel;
  readonly outbox: Outbox;
  readonly results: SentResults;
  readonly commands: WorkerCommands;
  /** The session has begun; called before anything is done in it. */
  readonly onWelcome: () => void;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Resolves when the session is over. On abort it is ended cleanly. */
export async function runSession(parts: SessionParts, signal: AbortSignal): Promise<SessionEnd> {
  const { channel, outbox, results, commands, clock } = parts;
  const call = channel.openSession();
  const ended = statusOf(call);
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
    outbox.heartbeat(commands.heartbeat());
    results.resendOld();
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
      const objection = commands.objectionTo(body.value.storeId);
      if (objection !== undefined) {
        disobeyed = objection;
        breakOff(objection);
        return;
      }
      welcomed = true;
      const { sessionId, desiredSet } = body.value;
      peer = createPeerClock(sessionId, () => clock.monotonicMs());
      parts.onWelcome();
      commands.hold(false);
      results.queuePending();
      outbox.strays(commands.strays());
      if (desiredSet) commands.applyDesiredSet(peer.setWithRemaining(desiredSet), true);
      const wanted = body.value.heartbeatIntervalMs;
      beat(Math.min(Math.max(wanted, heartbeatBounds.minMs), heartbeatBounds.maxMs));
      inBackground(sendAll(call, ended, parts, over.signal), (error) => breakOff(messageOf(error)));
      return;
    }
    handle(parts, peer, body, over.signal);
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
  call.write(create(SessionRequestSchema, { body: { case: 'hello', value: commands.hello() } }));
  const final = await ended;
  over.abort();
  cancelWatchdog();
  cancelHeartbeat();
  letGo();
  if (disobeyed !== undefined) return { kind: 'disobeyed', message: disobeyed };
  if (ownReason !== undefined) return { kind: 'lost', message: ownReason, welcomed };
  return sessionEndOf(final, 'session', welcomed);
}

function handle(
  { channel, outbox, commands, results }: SessionParts,
  peer: PeerClock,
  body: SessionResponse['body'],
  over: AbortSignal,
): void {
  switch (body.case) {
    case 'ensure':
      commands.ensure(peer.withRemaining(body.value));
      break;
    case 'desiredSet':
      commands.applyDesiredSet(peer.setWithRemaining(body.value), false);
      break;
    case 'desiredChanges':
      if (!commands.applyDesiredChanges(peer.setWithRemaining(body.value))) {
        outbox.desiredSetWanted(commands.desiredVersion());
      }
      break;
    case 'cancelTask':
      commands.cancelTask(body.value.taskId);
      break;
    case 'openTail':
      commands.openTail(channel, body.value, over);
      break;
    case 'adopt':
      commands.adopt(body.value);
      break;
    case 'resultAck':
      results.acknowledged(body.value.taskId);
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
  { outbox, results, commands }: SessionParts,
  signal: AbortSignal,
): Promise<void> {
  const source: OutboxSource = {
    resultOf: (taskId) => results.resultOf(taskId),
    observationOf: (bot) => commands.observationOf(bot),
  };
  while (!signal.aborted) {
    const message = outbox.next(source);
    if (message) await send(call, message, ended);
    else await outbox.wait(signal);
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
