/**
 * Makes the same checks at its start, every minute, and when somebody cannot wait for that.
 *
 * 1. They are never made twice at once: whoever asks meanwhile gets the outcome of those under way.
 * 2. Checks that do not end in time have failed. Until they have ended after all, none are begun, and they count as failed.
 * 3. After one has failed they are made again soon, and then more often, so that what passes or was put right is soon seen to be.
 * 4. The log has each check once at first, and from then on what has changed.
 */
import { inBackground } from '../background.ts';
import type { Clock } from '../clock.ts';
import type { Logger } from '../log.ts';
import { orAbort } from '../waiting/abort.ts';
import { pause } from '../waiting/bell.ts';
import { withTimeLimit } from '../waiting/time-limit.ts';
import { type Check, type CheckReport, failedOf } from './check.ts';

export interface CheckWatchOptions<Name extends string> {
  /** Every check that there is. The checks of each run have the same names. */
  readonly names: readonly Name[];
  /** Makes them all. A name that is missing in its answer has failed. */
  readonly make: (signal: AbortSignal) => Promise<readonly Check<Name>[]>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** In [0, 1). */
  readonly random: () => number;
  /** They were made. */
  readonly onReport?: (report: CheckReport<Name>) => void;
}

const everyMs = 60_000;
const afterFirstFailureMs = 5_000;
const afterMoreFailuresMs = 15_000;
/** How much sooner or later, so that many programs that began together do not check together for ever. */
const jitter = 0.1;
/** All of them together. Each has a limit of its own that is shorter. */
const checksLimitMs = 55_000;

export class CheckWatch<Name extends string> {
  readonly #options: CheckWatchOptions<Name>;
  readonly #ending = new AbortController();
  /** What the log has of each. */
  readonly #said = new Map<Name, string>();
  #report: CheckReport<Name> | undefined;
  #running: Promise<CheckReport<Name>> | undefined;
  /** The last ones have not ended. */
  #hanging = false;
  #failuresInRow = 0;

  constructor(options: CheckWatchOptions<Name>) {
    this.#options = options;
  }

  /** As they were last; undefined until they were made once. */
  get report(): CheckReport<Name> | undefined {
    return this.#report;
  }

  /** How many times in a row, up to now, one of them has failed. */
  get failuresInRow(): number {
    return this.#failuresInRow;
  }

  /** Makes them now and keeps making them. */
  start(): void {
    inBackground(this.#keepChecking(), (error) => {
      if (!this.#ending.signal.aborted) this.#options.logger.error({ err: error }, 'the checks have stopped');
    });
  }

  /** Breaks off what is under way. */
  stop(): void {
    this.#ending.abort(new Error('the checks end with the program'));
  }

  /** Those of at most `maxAgeMs` ago, made now if there are none. Rejects with the reason of the signal, or after `stop`. */
  async ofLast(maxAgeMs: number, signal: AbortSignal): Promise<CheckReport<Name>> {
    const report = this.#report;
    if (report !== undefined && this.#options.clock.monotonicMs() - report.atMs <= maxAgeMs) return report;
    return orAbort(signal, this.#make());
  }

  async #keepChecking(): Promise<void> {
    const { clock, random } = this.#options;
    const { signal } = this.#ending;
    while (!signal.aborted) {
      await this.#make();
      const ms = [everyMs, afterFirstFailureMs][this.#failuresInRow] ?? afterMoreFailuresMs;
      await pause(clock, ms * (1 + jitter * (2 * random() - 1)), signal);
    }
  }

  #make(): Promise<CheckReport<Name>> {
    this.#running ??= this.#makeOnce().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  async #makeOnce(): Promise<CheckReport<Name>> {
    const { clock, names, onReport } = this.#options;
    const found = this.#hanging ? [] : await this.#madeInTime();
    const missing = this.#hanging ? 'The checks hang: the engine does not answer.' : 'It was not checked.';
    const byName = new Map(found.map((check) => [check.name, check]));
    const checks = names.map((name) => byName.get(name) ?? { name, ok: false, message: missing });
    const report = { checks, atMs: clock.monotonicMs() };
    this.#report = report;
    this.#failuresInRow = failedOf(checks).length === 0 ? 0 : this.#failuresInRow + 1;
    this.#say(checks);
    try {
      onReport?.(report);
    } catch (error) {
      // Checks that are made no more would hold for ever.
      this.#options.logger.error({ err: error }, 'nobody could be told of the safety checks');
    }
    return report;
  }

  /** Empty when they did not end in time, or failed as a whole. */
  async #madeInTime(): Promise<readonly Check<Name>[]> {
    const { clock, make, logger } = this.#options;
    const { signal } = this.#ending;
    const run = (limited: AbortSignal) => {
      const made = make(limited);
      this.#hanging = true;
      const ended = () => {
        this.#hanging = false;
      };
      made.then(ended, ended);
      return made;
    };
    try {
      return await withTimeLimit(clock, 'the safety checks', checksLimitMs, signal, run);
    } catch (error) {
      signal.throwIfAborted();
      logger.warn({ err: error }, 'the safety checks could not be made');
      return [];
    }
  }

  #say(checks: readonly Check<Name>[]): void {
    const { logger } = this.#options;
    for (const { name, ok, message, hint } of checks) {
      const text = hint === undefined ? message : `${message} ${hint}`;
      if (this.#said.get(name) === text) continue;
      this.#said.set(name, text);
      if (ok) logger.info({ check: name }, `safety check ${name} holds: ${text}`);
      else logger.warn({ check: name }, `safety check ${name} has failed: ${text}`);
    }
  }
}
