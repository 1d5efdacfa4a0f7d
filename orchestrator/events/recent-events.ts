/**
 * The newest events, each as one LiveEvent with all that was made of it, so that many who read the same stretch again, as after
 * a restart, share it and leave the store alone.
 *
 * Invariant: of the events after `#from` none is missing, and they are in the order of seq.
 */
import type { LiveEvent } from '../views/event.ts';

export type ReadAfter = (seq: number, limit: number) => Promise<readonly LiveEvent[]>;

export class RecentEvents {
  readonly #max: number;
  readonly #readAfter: ReadAfter;
  #from: number;
  #events: LiveEvent[] = [];
  #reachingBack: Promise<void> | undefined;

  /** @param from the place after which events are added; what was before is read by `readAfter`, once. */
  constructor(max: number, from: number, readAfter: ReadAfter) {
    this.#max = max;
    this.#from = from;
    this.#readAfter = readAfter;
  }

  /** Reads the newest of the events before its own time, if they are of use to somebody at that place. */
  async reachBack(seq: number): Promise<void> {
    if (seq >= this.#from) return;
    this.#reachingBack ??= this.#readBack();
    await this.#reachingBack;
  }

  async #readBack(): Promise<void> {
    const upTo = this.#from;
    const from = Math.max(0, upTo - this.#max);
    try {
      const read = await this.#readAfter(from, upTo - from);
      if (this.#from !== upTo) return;
      this.#events = [...read.filter(({ record }) => record.seq <= upTo), ...this.#events];
      this.#from = from;
    } catch {
      // Whoever asked reads the store himself, and meets what is wrong with it.
    }
  }

  add(event: LiveEvent): void {
    this.#events.push(event);
    // Now and then, as moving all of them for each would cost.
    if (this.#events.length >= 2 * this.#max) {
      this.#from = this.#events[this.#max - 1]?.record.seq ?? this.#from;
      this.#events = this.#events.slice(this.#max);
    }
  }

  /** Undefined when it is not here. */
  find(seq: number): LiveEvent | undefined {
    const event = this.#events[this.#firstAfter(seq - 1)];
    return event?.record.seq === seq ? event : undefined;
  }

  /**
   * At most `limit` events after `seq` that are wanted; fewer mean that there are no more. Undefined when the place is too old
   * to be known here.
   */
  after(seq: number, wanted: (event: LiveEvent) => boolean, limit: number): LiveEvent[] | undefined {
    if (seq < this.#from) return undefined;
    const found: LiveEvent[] = [];
    for (let index = this.#firstAfter(seq); index < this.#events.length && found.length < limit; index++) {
      const event = this.#events[index];
      if (event !== undefined && wanted(event)) found.push(event);
    }
    return found;
  }

  #firstAfter(seq: number): number {
    let [low, high] = [0, this.#events.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#events[middle]?.record.seq ?? 0) <= seq) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
