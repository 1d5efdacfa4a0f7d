/** Keeps the times of the store right while the wall clock is set: those that lie ahead move along, so that what is left of them stays. */
import type { Clock } from '#common/clock.ts';
import { type ClockMark, ClockSteps } from '#common/clock-steps.ts';
import type { Logger } from '#common/log.ts';
import type { Store } from '../store/store.ts';

export class StoredTimes {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #steps: ClockSteps;

  private constructor(store: Store, clock: Clock, logger: Logger, mark: ClockMark | undefined) {
    this.#store = store;
    this.#clock = clock;
    this.#logger = logger;
    this.#steps = new ClockSteps(clock, mark);
  }

  static async open(store: Store, clock: Clock, logger: Logger): Promise<StoredTimes> {
    return new StoredTimes(store, clock, logger, await store.look([], (tx) => tx.clock.mark()));
  }

  /** Where the clock stands, to be kept for the next process on this boot of the machine; undefined where that says nothing. */
  mark(): ClockMark | undefined {
    return this.#steps.mark();
  }

  /** What is left of a time that is stored, ms. */
  remainingMs(at: number): number {
    return at + this.#steps.pending() - this.#clock.wallMs();
  }

  /** Moves the times if the clock was set. The change is queued before that of the caller. */
  follow(): void {
    const stepMs = this.#steps.take();
    if (stepMs === 0) return;
    this.#logger.warn({ stepMs }, 'the clock of this machine was changed; deadlines keep their remaining time');
    const mark = this.mark();
    this.#store
      .change([], (tx) => {
        tx.jobs.followClock(stepMs);
        tx.bots.followClock(stepMs);
        if (mark !== undefined) tx.clock.setMark(mark);
      })
      .catch((error: unknown) => {
        this.#steps.giveBack(stepMs);
        this.#logger.error({ err: error }, 'the deadlines of jobs could not be adjusted to the new clock; will retry');
      });
  }
}
