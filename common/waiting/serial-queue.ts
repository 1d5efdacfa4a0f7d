/** Work that must not overlap: each piece begins when all before it have settled, in the order of asking. */

export class SerialQueue {
  #last: Promise<unknown> = Promise.resolve();

  /** What `work` returns or throws. A piece that fails holds up none of the next. */
  run<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#last.then(work);
    this.#last = done.catch(() => undefined);
    return done;
  }

  /** Resolves when all that was asked for so far has settled. */
  async idle(): Promise<void> {
    await this.#last;
  }
}

/** A serial queue for each key; work of different keys runs concurrently. Keeps nothing for a key whose work is done. */
export class KeyedSerialQueue {
  readonly #queues = new Map<string, { readonly queue: SerialQueue; pieces: number }>();

  /** How many keys have work. */
  get size(): number {
    return this.#queues.size;
  }

  /** As SerialQueue.run, among the work of `key`. */
  async run<T>(key: string, work: () => Promise<T>): Promise<T> {
    const of = this.#queues.get(key) ?? { queue: new SerialQueue(), pieces: 0 };
    this.#queues.set(key, of);
    of.pieces += 1;
    try {
      return await of.queue.run(work);
    } finally {
      of.pieces -= 1;
      if (of.pieces === 0) this.#queues.delete(key);
    }
  }
}
