/**
 * Messages that come from somewhere, such as a stream of a connection: read one by one, and then handed to a taker as they come, which
 * holds no promise while none do.
 */

export interface Taker<T> {
  /** False: no more for now; `resume` says when. */
  take(message: T): boolean;
  /** No more come: cleanly, or with an error. */
  end(failure: { readonly error: unknown } | undefined): void;
}

export interface PushedMessages<T> extends AsyncIterableIterator<T> {
  /** From now on, for good: `next` is not called any more. Those that have come already are taken before it returns. */
  handTo(taker: Taker<T>): void;
  /** The taker takes again. */
  resume(): void;
}
