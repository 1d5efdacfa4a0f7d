/**
 * The connected workers: who has a session, how each is, when each was last seen.
 *
 * Invariants:
 * 1. One live session per worker id; a newer one ends the older.
 * 2. A process whose session was ended by a newer process gets none again while the newer one is there: otherwise two with
 *    the same id and credential would take the session from each other forever.
 * 3. Whether a worker is silent follows from monotonic time alone.
 */
import type { Clock } from '#common/clock.ts';
import type { Labels } from '#common/labels.ts';
import type { SessionResponse } from '#gen/botrunner/v1/worker_service_pb.js';
import type { ShownBot } from '../core/records.ts';
import type { FleetPort, LiveWorker } from '../engine/context.ts';
import { type WorkerSafety, whyUnsafe } from '../safety/worker-safety.ts';
import type { BotView } from '../views/bot-view.ts';
import type { DesiredTold } from './desired.ts';
import type { SendQueue } from './send-queue.ts';

export interface SessionFacts {
  readonly workerId: string;
  readonly sessionId: string;
  /** Names the worker's process. */
  readonly bootId: string;
  readonly capabilities: readonly string[];
  readonly labels: Labels;
  /** How much longer than others it may be silent: a polling worker is only seen when it polls. */
  readonly patienceMs: number;
  readonly runtime: string;
  readonly memoryBytes: number;
  readonly cpuMillis: number;
  readonly queue: SendQueue;
  /** What it has said of its own safety; undefined for one that says nothing. */
  readonly safety: WorkerSafety | undefined;
  /** What it was sent of what it should run; undefined for one that is sent everything each time. */
  readonly told: DesiredTold | undefined;
}

interface Session extends Omit<SessionFacts, 'safety'> {
  safety: WorkerSafety | undefined;
  ready: boolean;
  notReadyReason: string;
}

export interface FleetTimes {
  /** How often workers send a heartbeat. */
  readonly heartbeatMs: number;
  /** How long a worker may be silent before no bots are placed on it: three heartbeats. */
  readonly suspectAfterMs: number;
  /** How long a worker may be silent before its bots' state is unknown. */
  readonly unknownAfterMs: number;
}

export const defaultFleetTimes: FleetTimes = { heartbeatMs: 2_000, suspectAfterMs: 6_000, unknownAfterMs: 10_000 };

/** What the fleet knows of a worker. */
export interface Presence {
  readonly connected: boolean;
  readonly ready: boolean;
  readonly notReadyReason: string;
  /** What it last said of its own safety in this session. */
  readonly safety: WorkerSafety | undefined;
  /** Why no new bots are started on it, for the operator; undefined when they are. */
  readonly unsafe: string | undefined;
  /** How long it has been silent; undefined when it was not seen since this process began. */
  readonly silentMs: number | undefined;
  readonly suspect: boolean;
  /** True when the state of its bots is unknown. */
  readonly away: boolean;
}

/** Ends, or refuses, a session because another one of the same worker has it. */
export class FencedError extends Error {
  constructor(workerId: string) {
    super(`another process has connected as worker ${workerId}`);
    this.name = 'FencedError';
  }
}

/** What is wrong with a bot as the orchestrator has it; shown as its reason. Usually undefined. */
export type OddityOf = (bot: ShownBot) => string | undefined;

export interface SafetyRules {
  /** Whether workers have to prove themselves. */
  readonly strangers: boolean;
  /** Whether the orchestrator's own safety checks hold. */
  readonly ownHold: () => boolean;
}

// Per worker; more than a few means that somebody starts copies of it over and over.
const fencedMax = 64;

export class Fleet implements FleetPort {
  readonly #clock: Clock;
  readonly #times: FleetTimes;
  readonly #sessions = new Map<string, Session>();
  /** Monotonic ms; only of workers seen since this process began. */
  readonly #lastSeen = new Map<string, number>();
  /** docker or process, by worker; kept after the session. */
  readonly #runtimes = new Map<string, string>();
  /** How much longer than others each may be silent. */
  readonly #patience = new Map<string, number>();
  /** Seen again after it was suspect, and not yet asked to take what waits. */
  readonly #wasQuiet = new Set<string>();
  /** Processes whose session a newer process has ended, by worker. */
  readonly #fenced = new Map<string, Set<string>>();
  readonly #startedAt: number;
  readonly #oddityOf: OddityOf;
  readonly #safetyRules: SafetyRules;

  constructor(
    clock: Clock,
    times: FleetTimes,
    runtimes: Iterable<readonly [string, string]>,
    oddityOf: OddityOf = () => undefined,
    safetyRules: SafetyRules = { strangers: false, ownHold: () => true },
  ) {
    this.#clock = clock;
    this.#times = times;
    this.#oddityOf = oddityOf;
    this.#safetyRules = safetyRules;
    this.#startedAt = clock.monotonicMs();
    for (const [workerId, runtime] of runtimes) this.#runtimes.set(workerId, runtime);
  }

  /** Throws FencedError for a process that lost its session to one that is still there. */
  assertNotFenced(workerId: string, bootId: string): void {
    const current = this.#sessions.get(workerId);
    if (current === undefined || current.bootId === bootId || this.#isQuiet(workerId)) return;
    if (this.#fenced.get(workerId)?.has(bootId)) throw new FencedError(workerId);
  }

  /** Makes this the worker's session and ends an older one. */
  join(facts: SessionFacts, ready: boolean, notReadyReason: string): void {
    this.assertNotFenced(facts.workerId, facts.bootId);
    const older = this.#sessions.get(facts.workerId);
    older?.queue.end(new FencedError(facts.workerId));
    this.#noteFenced(facts, older?.bootId);
    this.#patience.set(facts.workerId, facts.patienceMs);
    this.#sessions.set(facts.workerId, { ...facts, ready, notReadyReason });
    this.#runtimes.set(facts.workerId, facts.runtime);
    this.heard(facts);
  }

  /** True while this is the worker's session: messages of any other are not its to send. */
  isCurrent({ workerId, sessionId }: SessionFacts): boolean {
    return this.#sessions.get(workerId)?.sessionId === sessionId;
  }

  #noteFenced({ workerId, bootId }: SessionFacts, older: string | undefined): void {
    const fenced = this.#fenced.get(workerId) ?? new Set();
    fenced.delete(bootId);
    if (older !== undefined && older !== bootId) fenced.add(older);
    const [oldest] = fenced;
    if (fenced.size > fencedMax && oldest !== undefined) fenced.delete(oldest);
    if (fenced.size > 0) this.#fenced.set(workerId, fenced);
  }

  /** Ends the worker's session with the error: it may not continue. */
  expel(workerId: string, error: Error): void {
    this.#sessions.get(workerId)?.queue.end(error);
    this.#sessions.delete(workerId);
  }

  leave(facts: SessionFacts): void {
    if (this.isCurrent(facts)) this.#sessions.delete(facts.workerId);
  }

  heard({ workerId }: SessionFacts): void {
    if (this.#isQuiet(workerId)) this.#wasQuiet.add(workerId);
    this.#lastSeen.set(workerId, this.#clock.monotonicMs());
  }

  /**
   * Takes a heartbeat; true when the worker has just become ready or safe, or was silent for long. `safety`: as it is now; undefined
   * when nothing new is said of it.
   */
  heartbeat(facts: SessionFacts, ready: boolean, notReadyReason: string, safety?: WorkerSafety): boolean {
    const wasQuiet = this.#wasQuiet.delete(facts.workerId) || this.#isQuiet(facts.workerId);
    this.heard(facts);
    const session = this.#sessions.get(facts.workerId);
    if (session === undefined || session.sessionId !== facts.sessionId) return false;
    const becameReady = ready && (!session.ready || wasQuiet);
    const wasRefused = this.#whyUnsafe(session) !== undefined;
    if (safety !== undefined) session.safety = safety;
    session.ready = ready;
    session.notReadyReason = notReadyReason;
    return becameReady || (wasRefused && this.#whyUnsafe(session) === undefined);
  }

  live(): readonly LiveWorker[] {
    return [...this.#sessions.values()].map((session) => this.#liveOf(session));
  }

  liveOne(workerId: string): LiveWorker | undefined {
    const session = this.#sessions.get(workerId);
    return session && this.#liveOf(session);
  }

  #liveOf(session: Session): LiveWorker {
    return {
      workerId: session.workerId,
      ready: session.ready,
      notReadyReason: session.notReadyReason,
      startsRefused: !this.#safetyRules.ownHold() || this.#whyUnsafe(session) !== undefined,
      silentMs: this.#isQuiet(session.workerId) ? this.#silenceMs(session.workerId) : 0,
      capabilities: session.capabilities,
      labels: session.labels,
      memoryBytes: session.memoryBytes,
      cpuMillis: session.cpuMillis,
    };
  }

  #whyUnsafe({ safety }: Session): string | undefined {
    return whyUnsafe(safety, this.#safetyRules.strangers, this.#clock.monotonicMs());
  }

  startsRefused(): boolean {
    return !this.#safetyRules.ownHold();
  }

  presence(workerId: string): Presence {
    const session = this.#sessions.get(workerId);
    return {
      connected: session !== undefined,
      ready: session?.ready ?? false,
      notReadyReason: session?.notReadyReason ?? '',
      safety: session?.safety,
      unsafe: session === undefined ? undefined : this.#whyUnsafe(session),
      silentMs: this.#lastSeen.has(workerId) ? Math.round(this.#silenceMs(workerId)) : undefined,
      suspect: this.#isQuiet(workerId),
      away: session === undefined || this.isSilent(workerId),
    };
  }

  /** For a worker that was never seen, time counts from this process's start. */
  #silenceMs(workerId: string): number {
    return this.#clock.monotonicMs() - (this.#lastSeen.get(workerId) ?? this.#startedAt);
  }

  /** Silent for so long that nothing new goes to it. */
  #isQuiet(workerId: string): boolean {
    return this.#silenceMs(workerId) >= this.#times.suspectAfterMs + (this.#patience.get(workerId) ?? 0);
  }

  send(workerId: string, body: SessionResponse['body']): boolean {
    return this.#sessions.get(workerId)?.queue.push(body) ?? false;
  }

  sessions(): readonly SessionFacts[] {
    return [...this.#sessions.values()];
  }

  /** Silent for so long that the state of its bots is unknown. */
  isSilent(workerId: string): boolean {
    return this.#silenceMs(workerId) >= this.#times.unknownAfterMs + (this.#patience.get(workerId) ?? 0);
  }

  /** docker, process or rest; empty for a worker that was never seen. */
  runtimeOf(workerId: string): string {
    return this.#runtimes.get(workerId) ?? '';
  }

  view(bot: ShownBot): BotView {
    const runtime = bot.workerId === null ? '' : this.runtimeOf(bot.workerId);
    const settled = bot.state === 'stopped' || bot.state === 'failed';
    const unknown = bot.workerId !== null && !settled && this.isSilent(bot.workerId);
    const oddity = this.#oddityOf(bot);
    if (oddity !== undefined) {
      const odd = { ...bot, observed: { ...bot.observed, reason: oddity } };
      return { bot: odd, state: unknown ? 'unknown' : bot.state, runtime };
    }
    if (!unknown || bot.workerId === null) return { bot, state: bot.state, runtime };
    const seconds = Math.round(this.#silenceMs(bot.workerId) / 1000);
    const silence = `its worker ${bot.workerId} has not been heard from for ${seconds} s`;
    const reason =
      bot.desired === 'running'
        ? `${silence}; it may keep running`
        : `${silence}; it will be stopped when the worker is back, and may keep running until then`;
    return { bot: { ...bot, observed: { ...bot.observed, reason } }, state: 'unknown', runtime };
  }

  /** Ends every session, for shutdown; workers dial again. */
  close(): void {
    for (const { queue } of this.#sessions.values()) queue.end();
    this.#sessions.clear();
  }
}
