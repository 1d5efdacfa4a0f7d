/**
 * A hub of live values by key: publishers never wait, subscribers read at their own pace. A subscriber that falls behind
 * keeps only the newest values; what it missed it must read from the store.
 */

export interface Subscription<T> extends AsyncIterable<T> {
  close(): void;
}

export class Hub<T> {
  readonly #subscribers = new Map<string, Set<(value: T) => void>>();
  readonly #max: number;

  /** @param max values kept for a slow subscriber, the newest ones. */
  constructor(max = 256) {
    this.#max = max;
  }

  publish(key: string, value: T): void {
    for (const push of this.#subscribers.get(key) ?? []) push(value);
  }

  /** Begins to collect at once, so that nothing falls between subscribing and reading. */
  subscribe(key: string, signal: AbortSignal): Subscription<T> {
    const values: T[] = [];
    let wake: (() => void) | undefined;
    let closed = signal.aborted;
    const push = (value: T) => {
      if (values.length >= this.#max) values.shift();
      values.push(value);
      wake?.();
    };
    const close = () => {
      closed = true;
      const set = this.#subscribers.get(key);
      set?.delete(push);
      if (set?.size === 0) this.#subscribers.delete(key);
      signal.removeEventListener('abort', close);
      wake?.();
    };
    const set = this.#subscribers.get(key) ?? new Set();
    this.#subscribers.set(key, set.add(push));
    signal.addEventListener('abort', close, { once: true });
    return {
      close,
      async *[Symbol.asyncIterator]() {
        try {
          for (;;) {
            const value = values.shift();
            if (value !== undefined) yield value;
            else if (closed) return;
            else {
              await new Promise<void>((resolve) => {
                wake = resolve;
              });
              wake = undefined;
            }
          }
        } finally {
          close();
        }
      },
    };
  }
}
