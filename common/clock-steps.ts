/**
 * Notices when the wall clock is set, by NTP or by an operator: times that were stored before then have to move along, or
 * every distance to them is wrong. What is compared is the distance between the wall clock and the monotonic one, which
 * only a step changes. Pure.
 */
import type { Clock } from './clock.ts';

/** Where the wall clock stood against the monotonic one; for another process on the same boot of the machine. */
export interface ClockMark {
  readonly bootId: string;
  /** Wall time at the zero of the monotonic clock, ms. */
  readonly offsetMs: number;
}

// Far above what passes between the two readings, far below what matters to a deadline.
const noticedMs = 1000;

/** Wall time at the zero of the monotonic clock. */
export const wallOffsetMs = (clock: Clock): number => clock.wallMs() - clock.monotonicMs();

export class ClockSteps {
  readonly #clock: Clock;
  #offsetMs: number;

  /** With the mark of an earlier process on this boot, a step between the two processes is noticed too. */
  constructor(clock: Clock, mark?: ClockMark) {
    this.#clock = clock;
    const known = mark !== undefined && mark.bootId === clock.bootId;
    this.#offsetMs = known ? mark.offsetMs : wallOffsetMs(clock);
  }

  /** How far the wall clock was set (back: negative) since it was last taken, ms; 0 while it only runs. */
  pending(): number {
    const stepMs = Math.round(wallOffsetMs(this.#clock) - this.#offsetMs);
    return Math.abs(stepMs) < noticedMs ? 0 : stepMs;
  }

  /** As pending; from now on the clock counts as right again. */
  take(): number {
    const stepMs = this.pending();
    this.#offsetMs += stepMs;
    return stepMs;
  }

  /** What was taken could not be acted on: it is pending again. */
  giveBack(stepMs: number): void {
    this.#offsetMs -= stepMs;
  }

  /** To be kept for the next process; undefined where monotonic times of two processes cannot be compared. */
  mark(): ClockMark | undefined {
    const { bootId } = this.#clock;
    return bootId === undefined ? undefined : { bootId, offsetMs: Math.round(this.#offsetMs) };
  }
}
