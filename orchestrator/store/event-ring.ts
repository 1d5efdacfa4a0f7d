/** The newest events that are on disk, which those who watch read right after their commit. */
import type { EventRecord } from '../core/records.ts';

// Few: what is kept for longer is what the garbage collector copies.
const keptMin = 1_024;

export class EventRing {
  readonly #onDisk: (seq: number, limit: number) => readonly EventRecord[];
  /** Without a hole, up to the newest on disk. */
  #newest: EventRecord[] = [];
  #lastSeq: number;

  /** `onDisk` reads events where they are kept; `lastSeq` is that of the newest there. */
  constructor(onDisk: (seq: number, limit: number) => readonly EventRecord[], lastSeq: number) {
    this.#onDisk = onDisk;
    this.#lastSeq = lastSeq;
  }

  get lastSeq(): number {
    return this.#lastSeq;
  }

  /** They are on disk. */
  add(events: readonly EventRecord[]): void {
    // One by one: a call has a limit of arguments, and what is on disk must not fail any more.
    for (const event of events) this.#newest.push(event);
    this.#lastSeq = events.at(-1)?.seq ?? this.#lastSeq;
    // All of the newest commit, however many, as nobody has read them yet.
    const kept = Math.max(keptMin, events.length);
    if (this.#newest.length > 2 * kept) this.#newest = this.#newest.slice(-kept);
  }

  /** Events up to here are read where they are kept: some are gone. */
  forget(seq: number): void {
    this.#newest = this.#newest.filter((event) => event.seq > seq);
  }

  after(from: number, limit: number): readonly EventRecord[] {
    const first = this.#newest[0]?.seq;
    if (first === undefined || from + 1 < first) {
      // Where they are kept they are seen as soon as they are written, which is before they are on disk.
      return this.#onDisk(from, limit).filter((event) => event.seq <= this.#lastSeq);
    }
    return this.#newest.slice(from + 1 - first, from + 1 - first + limit);
  }
}
