/**
 * Watches the container engine: whether it answers, what it reports, and when everything must be looked at again.
 * Events are hints and may be missed, so all containers are listed again now and then whatever the events say.
 */
import type { Clock } from '#common/clock.ts';
import type { Logger } from '#common/log.ts';
import { ProblemError } from '#common/problem.ts';
import { unlessAborted } from '#common/waiting/abort.ts';
import { Bell, pause } from '#common/waiting/bell.ts';
import { withTimeLimit } from '#common/waiting/time-limit.ts';
import { pauseAfterFailures } from '../failures/transient.ts';
import {
  type ContainerRuntime,
  type EngineInfo,
  EngineUnavailableError,
  type RuntimeEvent,
} from '../runtime/container-runtime.ts';
import type { ClockReading, Outages } from './outages.ts';

export interface EngineHealth {
  readonly ready: boolean;
  /** Why not, for everybody; empty when ready. */
  readonly reason: string;
  /** What the engine's client said, for the operator alone: it may name paths of this machine. */
  readonly detail: string;
  /** What the operator does about it, where that is known. */
  readonly cure?: string;
  /** As last reported; undefined until the engine answered once. */
  readonly info: EngineInfo | undefined;
}

export interface EngineWatchHooks {
  /** A container has changed. */
  onEvent(event: RuntimeEvent): void;
  /** Look at everything again. Failures are retried at the next time. */
  onResync(): Promise<void>;
  /** The engine answers again after it was away. */
  onReturn(): void;
  /** It became ready or not ready. */
  onHealth(health: EngineHealth): void;
}

const awayReason = 'engine_unavailable: the container engine does not answer';
const checkEveryMs = 10_000;
/** How long an engine may take to say what it is. */
export const checkLimitMs = 5000;
// One slow answer is not an outage.
const failuresForNotReady = 2;
const resyncMs = 30_000;
const resyncWithoutEventsMs = 5000;
// A subscription that holds this long is taken to work.
const eventsSettleMs = 500;

export class EngineWatch {
  readonly #runtime: ContainerRuntime;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #outages: Outages;
  readonly #hooks: EngineWatchHooks;
  readonly #ending = new AbortController();
  readonly #checkBell = new Bell();
  readonly #resyncBell = new Bell();
  #health: EngineHealth = { ready: false, reason: awayReason, detail: 'not asked yet', info: undefined };
  #failures = 0;
  #eventsAlive = false;
  #mustReturn = false;
  #running: Promise<unknown> = Promise.resolve();

  constructor(runtime: ContainerRuntime, clock: Clock, logger: Logger, outages: Outages, hooks: EngineWatchHooks) {
    this.#runtime = runtime;
    this.#clock = clock;
    this.#logger = logger;
    this.#outages = outages;
    this.#hooks = hooks;
  }

  get health(): EngineHealth {
    return this.#health;
  }

  /** Asks the engine once, then watches until stopped. */
  async start(): Promise<void> {
    await this.#check();
    this.#running = Promise.all([this.#keepChecking(), this.#keepListening(), this.#keepResyncing()]);
  }

  async stop(): Promise<void> {
    this.#ending.abort(new Error('the engine is no longer watched'));
    await this.#running;
  }

  async #keepChecking(): Promise<void> {
    const { signal } = this.#ending;
    while (!signal.aborted) {
      const afterMs = this.#failures === 0 ? checkEveryMs : pauseAfterFailures(this.#failures);
      await this.#checkBell.wait({ signal, clock: this.#clock, afterMs });
      if (!signal.aborted) await this.#check();
    }
  }

  async #check(): Promise<void> {
    const { signal } = this.#ending;
    try {
      const info = await withTimeLimit(this.#clock, 'asking the engine', checkLimitMs, signal, (limited) =>
        this.#runtime.info(limited),
      );
      this.#failures = 0;
      this.#setHealth({ ready: true, reason: '', detail: '', info });
      if (!this.#mustReturn) return;
      this.#mustReturn = false;
      this.#outages.ended(this.#now());
      this.#hooks.onReturn();
    } catch (error) {
      if (signal.aborted) return;
      this.#failures += 1;
      const neverAnswered = this.#health.info === undefined;
      if (!neverAnswered && this.#failures < failuresForNotReady) return;
      this.#noteAway();
      const detail = error instanceof Error ? error.message : String(error);
      const { info } = this.#health;
      if (error instanceof ProblemError) {
        const reason = `engine_unavailable: ${detail}`;
        this.#setHealth({ ready: false, reason, detail, cure: error.problem.hint, info });
      } else {
        const cure = error instanceof EngineUnavailableError ? error.cure : undefined;
        this.#setHealth({ ready: false, reason: awayReason, detail, ...(cure !== undefined && { cure }), info });
      }
    }
  }

  #now(): ClockReading {
    return { wallMs: this.#clock.wallMs(), monotonicMs: this.#clock.monotonicMs() };
  }

  #noteAway(): void {
    this.#mustReturn = true;
    this.#outages.began(this.#now());
  }

  #setHealth(health: EngineHealth): void {
    const before = this.#health;
    this.#health = health;
    if (before.ready === health.ready && before.detail === health.detail) return;
    this.#hooks.onHealth(health);
  }

  async #keepListening(): Promise<void> {
    const { signal } = this.#ending;
    let failures = 0;
    while (!signal.aborted) {
      const stream = new AbortController();
      const watching = this.#runtime.watchEvents((event) => this.#hooks.onEvent(event), signal);
      const ended = unlessAborted(signal, watching)
        .catch((error: unknown) => this.#logger.debug({ err: error }, 'the event stream of the engine broke'))
        .then(() => stream.abort());
      await pause(this.#clock, eventsSettleMs, stream.signal);
      if (!stream.signal.aborted) {
        failures = 0;
        this.#eventsAlive = true;
        // What happened before the subscription is seen by listing after it.
        this.#resyncBell.ring();
        await ended;
        if (!signal.aborted) this.#noteAway();
      }
      this.#eventsAlive = false;
      failures += 1;
      this.#checkBell.ring();
      await pause(this.#clock, pauseAfterFailures(failures), signal);
    }
  }

  async #keepResyncing(): Promise<void> {
    const { signal } = this.#ending;
    while (!signal.aborted) {
      const afterMs = this.#eventsAlive ? resyncMs : resyncWithoutEventsMs;
      await this.#resyncBell.wait({ signal, clock: this.#clock, afterMs });
      if (signal.aborted || !this.#health.ready) continue;
      await this.#hooks
        .onResync()
        .catch((error: unknown) => this.#logger.debug({ err: error }, 'the containers could not be listed'));
    }
  }
}
