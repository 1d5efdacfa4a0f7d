/**
 * Values on their way from their producers to one reader, which waits while there are none. Bounded: a reader that does not
 * keep up costs `max` values and no more.
 *
 * 1. Values come out in the order they went in.
 * 2. A queue that has ended cleanly gives out what it still holds; one that ended with an error drops it and throws.
 * 3. Pushing never waits.
 */
import { onAbort } from './abort.ts';
import { Bell } from './bell.ts';

export class AsyncQueue<T> {
  readonly #max: number;
  readonly #bell = new Bell();
  #values: T[] = [];
  /** How many of #values are taken: shifting each would move all that wait. */
  #taken = 0;
  #ended: { readonly reason: Error | undefined } | undefined;

  constructor(max: number) {
    this.#max = max;
  }

  /** How many values wait. */
  get size(): number {
    return this.#values.length - this.#taken;
  }

  get isFull(): boolean {
    return this.size >= this.#max;
  }

  /** False, and the value is dropped, when the queue is full or has ended. */
  push(value: T): boolean {
    if (this.#ended !== undefined || this.isFull) return false;
    this.#values.push(value);
    this.#bell.ring();
    return true;
  }

  /** Drops the oldest value if the queue is full. False, and the value is dropped, when it has ended. */
  pushNewest(value: T): boolean {
    if (this.#ended !== undefined) return false;
    if (this.isFull) this.#shift();
    return this.push(value);
  }

  /** Drops the values that wait and are `unwanted`. */
  drop(unwanted: (value: T) => boolean): void {
    this.#values = this.#values.slice(this.#taken).filter((value) => !unwanted(value));
    this.#taken = 0;
  }

  /** No more values come. With a reason, those that wait are dropped and the reader gets it thrown. Only the first end counts. */
  end(reason?: Error): void {
    if (this.#ended !== undefined) return;
    this.#ended = { reason };
    if (reason !== undefined) this.drop(() => true);
    this.#bell.ring();
  }

  /** For one reader: values up to the end of the queue, or until aborted. */
  async *read(signal?: AbortSignal): AsyncGenerator<T, void, undefined> {
    while (signal?.aborted !== true) {
      if (this.size > 0) yield this.#shift();
      else if (this.#ended === undefined) await this.#bell.wait({ signal });
      else if (this.#ended.reason !== undefined) throw this.#ended.reason;
      else return;
    }
  }

  /** Ends the queue cleanly when the signal aborts. The returned function takes that back. */
  endOnAbort(signal: AbortSignal): () => void {
    return onAbort(signal, () => this.end());
  }

  /** Callers have looked that there is one. */
  #shift(): T {
    const value = this.#values[this.#taken] as T;
    this.#taken += 1;
    if (this.size === 0) this.#compact();
    // Half of it is room that nobody needs: so each value is copied once at most.
    else if (this.#taken > compactFrom && this.#taken * 2 > this.#values.length) this.#compact();
    return value;
  }

  #compact(): void {
    this.#values.splice(0, this.#taken);
    this.#taken = 0;
  }
}

const compactFrom = 64;
