/**
 * Bounds how much work of one key is under way, for each key by itself: what asks for much waits for its own, and nobody waits for it.
 *
 * 1. Work begins in the order of asking, also where some of it had to wait.
 * 2. Where there is room it begins at once: nothing that is asked for meanwhile comes before it.
 */

interface Queue {
  underWay: number;
  /** From `next` on; those before have begun. */
  waiting: (() => void)[];
  next: number;
  /** For who asks for nothing yet, but would. */
  room: PromiseWithResolvers<void> | undefined;
}

export class Turns {
  readonly #max: number;
  readonly #queues = new Map<string, Queue>();

  /** `max`: as much of one key is under way. */
  constructor(max: number) {
    this.#max = max;
  }

  /** How many keys have work. */
  get size(): number {
    return this.#queues.size;
  }

  /** What `work` returns or throws. */
  run<T>(key: string, work: () => Promise<T>): Promise<T> {
    const queue = this.#queues.get(key) ?? { underWay: 0, waiting: [], next: 0, room: undefined };
    this.#queues.set(key, queue);
    if (queue.underWay < this.#max) return this.#begin(key, queue, work);
    return new Promise((resolve) => queue.waiting.push(() => resolve(this.#begin(key, queue, work))));
  }

  /** Undefined while work of the key would begin at once; else it resolves when some of what is under way has ended. */
  whenFree(key: string): Promise<void> | undefined {
    const queue = this.#queues.get(key);
    if (queue === undefined || queue.underWay < this.#max) return undefined;
    queue.room ??= Promise.withResolvers();
    return queue.room.promise;
  }

  async #begin<T>(key: string, queue: Queue, work: () => Promise<T>): Promise<T> {
    queue.underWay += 1;
    try {
      return await work();
    } finally {
      queue.underWay -= 1;
      this.#continue(key, queue);
    }
  }

  #continue(key: string, queue: Queue): void {
    const begin = queue.waiting[queue.next];
    if (begin !== undefined) {
      queue.next += 1;
      if (queue.next === queue.waiting.length) {
        queue.waiting = [];
        queue.next = 0;
      }
      begin();
      return;
    }
    queue.room?.resolve();
    queue.room = undefined;
    if (queue.underWay === 0) this.#queues.delete(key);
  }
}
