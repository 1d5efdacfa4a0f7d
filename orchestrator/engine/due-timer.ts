/** One timer for all that is due at a time: deadlines of jobs, and bots that get too old. It is set for the next one after each change. */
import { soon } from '#common/background.ts';
import type { Clock } from '#common/clock.ts';
import type { Logger } from '#common/log.ts';

const againMs = 5_000;

export interface DueTimerParts {
  readonly clock: Clock;
  readonly logger: Logger;
  /** What is left of a stored time, ms. */
  readonly remainingMs: (at: number) => number;
  /** Ends what is due. */
  readonly expire: () => Promise<void>;
}

export class DueTimer {
  readonly #parts: DueTimerParts;
  /** Wall time, ms; infinite when nothing is due. */
  #next = Number.POSITIVE_INFINITY;
  #arms = false;
  #isStopped = false;
  #cancel: (() => void) | undefined;

  constructor(parts: DueTimerParts) {
    this.#parts = parts;
  }

  /**
   * The next stored time, as of the newest change. Arms once for all changes of a turn, in a microtask: a clock that a test moves must find the
   * timer set when the change is answered.
   */
  note(next: number): void {
    this.#next = next;
    if (this.#arms) return;
    this.#arms = true;
    soon(() => {
      this.#arms = false;
      this.#arm();
    });
  }

  stop(): void {
    this.#isStopped = true;
    this.#cancel?.();
  }

  #arm(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    if (!this.#isStopped && Number.isFinite(this.#next)) this.#expireIn(this.#parts.remainingMs(this.#next));
  }

  #expireIn(ms: number): void {
    const { clock, logger, expire } = this.#parts;
    this.#cancel?.();
    this.#cancel = clock.after(ms, () => {
      expire().catch((error: unknown) => {
        logger.error({ err: error }, 'ending overdue jobs and expired bots failed');
        // The disk is full, for example. Nothing else need ever happen that would set the timer.
        if (!this.#isStopped) this.#expireIn(againMs);
      });
    });
  }
}
