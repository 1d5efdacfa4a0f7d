/**
 * The connected workers: who has a session, how each is, when each was last heard of.
 *
 * Invariants:
 * 1. One live session per worker id; a newer one ends the older.
 * 2. Whether a worker is silent follows from monotonic time alone.
 */
import type { Clock } from '#common/clock.ts';
import type { SessionResponse } from '#gen/botrunner/v1/worker_service_pb.js';
import type { BotRecord } from '../core/records.ts';
import type { FleetPort, LiveWorker } from '../engine/context.ts';
import type { BotView } from '../views/bot-view.ts';
import type { SendQueue } from './send-queue.ts';

export interface SessionFacts {
  readonly workerId: string;
  readonly sessionId: string;
  readonly runtime: string;
  readonly memoryBytes: number;
  readonly cpuMillis: number;
  readonly queue: SendQueue;
}

interface Session extends SessionFacts {
  ready: boolean;
  notReadyReason: string;
}

export interface FleetTimes {
  /** How often workers send a heartbeat. */
  readonly heartbeatMs: number;
  /** How long a worker may be silent before its bots' state is unknown. */
  readonly unknownAfterMs: number;
}

export const defaultFleetTimes: FleetTimes = { heartbeatMs: 2_000, unknownAfterMs: 10_000 };

/** Ends a session that a newer one of the same worker replaced. */
export class FencedError extends Error {
  constructor() {
    super('a newer session of this worker has begun');
    this.name = 'FencedError';
  }
}

export class Fleet implements FleetPort {
  readonly #clock: Clock;
  readonly #times: FleetTimes;
  readonly #sessions = new Map<string, Session>();
  /** Monotonic ms; only of workers heard of since this process began. */
  readonly #lastSeen = new Map<string, number>();
  /** docker or process, by worker; kept after the session. */
  readonly #runtimes = new Map<string, string>();
  readonly #startedAt: number;

  constructor(clock: Clock, times: FleetTimes, runtimes: Iterable<readonly [string, string]>) {
    this.#clock = clock;
    this.#times = times;
    this.#startedAt = clock.monotonicMs();
    for (const [workerId, runtime] of runtimes) this.#runtimes.set(workerId, runtime);
  }

  /** Makes this the worker's session and ends an older one. */
  join(facts: SessionFacts, ready: boolean, notReadyReason: string): void {
    this.#sessions.get(facts.workerId)?.queue.end(new FencedError());
    this.#sessions.set(facts.workerId, { ...facts, ready, notReadyReason });
    this.#runtimes.set(facts.workerId, facts.runtime);
    this.heard(facts);
  }

  /** True while this is the worker's session: messages of any other are not its to send. */
  isCurrent({ workerId, sessionId }: SessionFacts): boolean {
    return this.#sessions.get(workerId)?.sessionId === sessionId;
  }

  leave(facts: SessionFacts): void {
    if (this.isCurrent(facts)) this.#sessions.delete(facts.workerId);
  }

  heard({ workerId }: SessionFacts): void {
    this.#lastSeen.set(workerId, this.#clock.monotonicMs());
  }

  /** Takes a heartbeat; true when the worker has just become ready. */
  heartbeat(facts: SessionFacts, ready: boolean, notReadyReason: string): boolean {
    this.heard(facts);
    const session = this.#sessions.get(facts.workerId);
    if (session === undefined || session.sessionId !== facts.sessionId) return false;
    const becameReady = ready && !session.ready;
    session.ready = ready;
    session.notReadyReason = notReadyReason;
    return becameReady;
  }

  live(): readonly LiveWorker[] {
    return [...this.#sessions.values()].map(({ workerId, ready, notReadyReason, memoryBytes, cpuMillis }) => ({
      workerId,
      ready,
      notReadyReason,
      memoryBytes,
      cpuMillis,
    }));
  }

  send(workerId: string, body: SessionResponse['body']): boolean {
    return this.#sessions.get(workerId)?.queue.push(body) ?? false;
  }

  sessions(): readonly SessionFacts[] {
    return [...this.#sessions.values()];
  }

  /** A worker that was never heard of counts from this process's start. */
  isSilent(workerId: string): boolean {
    const since = this.#lastSeen.get(workerId) ?? this.#startedAt;
    return this.#clock.monotonicMs() - since >= this.#times.unknownAfterMs;
  }

  view(bot: BotRecord): BotView {
    const runtime = bot.workerId === null ? '' : (this.#runtimes.get(bot.workerId) ?? '');
    const settled = bot.state === 'stopped' || bot.state === 'failed';
    const unknown = bot.workerId !== null && !settled && this.isSilent(bot.workerId);
    return { bot, state: unknown ? 'unknown' : bot.state, runtime };
  }

  /** Ends every session, for shutdown; workers dial again. */
  close(): void {
    for (const { queue } of this.#sessions.values()) queue.end();
    this.#sessions.clear();
  }
}
