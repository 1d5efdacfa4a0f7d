/**
 * What time it is for deleting what is old. A clock that was set forward by mistake must not delete what is young: a step
 * forward is believed only once it has lasted for a day, a step back at once, because it only makes things younger. Pure.
 */
import type { Clock } from './clock.ts';
import { wallOffsetMs } from './clock-steps.ts';

/** What is believed of the clock, kept over restarts of a program on one boot of the machine. */
export interface AgeMark {
  readonly bootId: string;
  readonly offsetMs: number;
  /** A later clock that is not believed yet, and since when (monotonic) it says so. */
  readonly ahead?: { readonly offsetMs: number; readonly sinceMs: number } | undefined;
}

const believedAfterMs = 24 * 60 * 60 * 1000;
const noticedMs = 60_000;

export class AgeClock {
  readonly #clock: Clock;
  readonly #onChange: (mark: AgeMark) => void;
  #offsetMs: number;
  #ahead: AgeMark['ahead'];

  /** `onChange` gets what is to be kept for the next process; it is never called where no process could use it. */
  constructor(clock: Clock, mark?: AgeMark, onChange: (mark: AgeMark) => void = () => undefined) {
    this.#clock = clock;
    this.#onChange = onChange;
    const known = mark !== undefined && mark.bootId === clock.bootId;
    this.#offsetMs = known ? mark.offsetMs : wallOffsetMs(clock);
    this.#ahead = known ? mark.ahead : undefined;
    if (!known) this.#keep();
  }

  /** Wall time that is safe to reckon ages with, ms since 1970. */
  nowMs(): number {
    const nowMs = this.#clock.monotonicMs();
    const offsetMs = wallOffsetMs(this.#clock);
    if (offsetMs < this.#offsetMs + noticedMs) {
      this.#believe(Math.min(offsetMs, this.#offsetMs));
    } else if (this.#ahead === undefined || Math.abs(this.#ahead.offsetMs - offsetMs) >= noticedMs) {
      this.#ahead = { offsetMs, sinceMs: nowMs };
      this.#keep();
    } else if (nowMs - this.#ahead.sinceMs >= believedAfterMs) {
      this.#believe(offsetMs);
    }
    return Math.floor(nowMs + this.#offsetMs);
  }

  #believe(offsetMs: number): void {
    const changed = this.#ahead !== undefined || Math.abs(offsetMs - this.#offsetMs) >= noticedMs;
    this.#offsetMs = offsetMs;
    this.#ahead = undefined;
    if (changed) this.#keep();
  }

  #keep(): void {
    const { bootId } = this.#clock;
    if (bootId !== undefined) this.#onChange({ bootId, offsetMs: this.#offsetMs, ahead: this.#ahead });
  }
}
