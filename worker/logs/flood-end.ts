/**
 * Notices that a flood of output is over, and has what it left behind collected. V8 collects garbage when more is to be
 * allocated: after a flood nothing is, and a hundred MB of it would stay for hours.
 */
import type { Clock } from '#common/clock.ts';

const windowMs = 10_000;
// Less, in the windows of late, leaves no more behind than a worker's other work.
const floodBytes = 8 * 1024 * 1024;
// How much of it counts still after each further window: a flood of 0.2 MB a second is one too, as on a busy machine.
const stillCounts = 0.75;
// A window with less is quiet.
const quietBytes = 1024 * 1024;

export class FloodEnd {
  readonly #clock: Clock;
  readonly #collect: () => void;
  /** Of the present window; of those before it, the older the less. */
  #bytes = 0;
  #recentBytes = 0;
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
    const isQuiet = this.#bytes < quietBytes;
    this.#recentBytes = this.#recentBytes * stillCounts + this.#bytes;
    this.#bytes = 0;
    if (this.#recentBytes >= floodBytes) this.#isFlood = true;
    const isOver = this.#isFlood && isQuiet;
    const continues = !isOver && (this.#isFlood || this.#recentBytes >= quietBytes);
    if (!continues) this.#recentBytes = 0;
    this.#cancel = continues ? this.#clock.after(windowMs, () => this.#endWindow()) : undefined;
    if (!isOver) return;
    this.#isFlood = false;
    this.#collect();
  }
}
