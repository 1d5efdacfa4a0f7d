/**
 * A hub of live values by key: publishers never wait, subscribers read at their own pace. A subscriber that falls behind
 * keeps only the newest values; what it missed it must read from the store.
 */
import { onAbort } from '#common/waiting/abort.ts';
import { AsyncQueue } from '#common/waiting/async-queue.ts';

export interface Subscription<T> extends AsyncIterable<T> {
  close(): void;
}

export class Hub<T> {
  readonly #subscribers = new Map<string, Set<AsyncQueue<T>>>();
  readonly #max: number;

  /** @param max values kept for a slow subscriber, the newest ones. */
  constructor(max = 256) {
    this.#max = max;
  }

  publish(key: string, value: T): void {
    for (const queue of this.#subscribers.get(key) ?? []) queue.pushNewest(value);
  }

  /** Begins to collect at once, so that nothing falls between subscribing and reading. It has one reader. */
  subscribe(key: string, signal: AbortSignal): Subscription<T> {
    const queue = new AsyncQueue<T>(this.#max);
    const queues = this.#subscribers.get(key) ?? new Set();
    this.#subscribers.set(key, queues.add(queue));
    const remove = () => {
      queue.end();
      queues.delete(queue);
      if (queues.size === 0 && this.#subscribers.get(key) === queues) this.#subscribers.delete(key);
    };
    const letGo = onAbort(signal, remove);
    const close = () => {
      letGo();
      remove();
    };
    return {
      close,
      async *[Symbol.asyncIterator]() {
        try {
          yield* queue.read();
        } finally {
          close();
        }
      },
    };
  }
}
