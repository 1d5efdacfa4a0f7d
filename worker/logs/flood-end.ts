/**
 * Notices that a flood of output is over, and has what it left behind collected. V8 collects garbage when more is to be
 * allocated: after a flood nothing is, and a hundred MB of it would stay for hours.
 */
import type { Clock } from '#common/clock.ts';

const windowMs = 10_000;
// Less in a window leaves no more behind than a worker's other work.
const floodBytes = 8 * 1024 * 1024;

export class FloodEnd {
  readonly #clock: Clock;
  readonly #collect: () => void;
  #bytes = 0;
  #isFlood = false;
  #isClosed = false;
  #cancel: (() => void) | undefined;

  constructor(clock: Clock, collect: () => void) {
    this.#clock = clock;
    this.#collect = collect;
  }

  /** So many bytes of output were moved, of whichever bot. */
  moved(bytes: number): void {
    // Pumps that are just ending still move what they have read.
    if (this.#isClosed) return;
    this.#bytes += bytes;
    this.#cancel ??= this.#clock.after(windowMs, () => this.#endWindow());
  }

  close(): void {
    this.#isClosed = true;
    this.#cancel?.();
  }

  #endWindow(): void {
    const wasFlood = this.#isFlood;
    this.#isFlood = this.#bytes >= floodBytes;
    this.#bytes = 0;
    this.#cancel = this.#isFlood ? this.#clock.after(windowMs, () => this.#endWindow()) : undefined;
    if (wasFlood && !this.#isFlood) this.#collect();
  }
}
