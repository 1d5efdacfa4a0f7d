/**
 * Abort signals that live longer than what listens to them: of the whole program, of a token, of a session. Nothing of a
 * listener stays with such a signal once its work is over, as it does after AbortSignal.any for as long as anybody listens.
 */

/**
 * Calls back once when the signal aborts, at once if it has. The returned function takes the listener back: to be called when
 * the work that listened is over, however it ended. Without a signal nothing is ever called.
 */
export function onAbort(signal: AbortSignal | undefined, listener: () => void): () => void {
  if (signal === undefined) return () => undefined;
  if (signal.aborted) {
    listener();
    return () => undefined;
  }
  signal.addEventListener('abort', listener, { once: true });
  return () => signal.removeEventListener('abort', listener);
}

/** Resolves when one of the signals aborts. */
export function whenAborted(...signals: readonly AbortSignal[]): Promise<void> {
  return new Promise((resolve) => {
    const linked = linkSignals(...signals);
    onAbort(linked.signal, resolve);
  });
}

export interface LinkedSignal {
  readonly signal: AbortSignal;
  /** Lets go of the signals it came from; to be called when the work that it is for is over. */
  [Symbol.dispose](): void;
}

/** A signal that aborts with the first of the others, and with its reason. */
export function linkSignals(...signals: readonly AbortSignal[]): LinkedSignal {
  const linked = new AbortController();
  const release = () => {
    for (const signal of signals) signal.removeEventListener('abort', onFirst);
  };
  const onFirst = () => {
    release();
    linked.abort(signals.find(({ aborted }) => aborted)?.reason);
  };
  for (const signal of signals) signal.addEventListener('abort', onFirst);
  if (signals.some(({ aborted }) => aborted)) onFirst();
  return { signal: linked.signal, [Symbol.dispose]: release };
}

/**
 * What the work returns or throws, or undefined as soon as the signal aborts, whether the work listens or not. What it
 * throws after that is nobody's business any more.
 */
export function unlessAborted<T>(signal: AbortSignal, work: Promise<T>): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    const release = onAbort(signal, () => resolve(undefined));
    work.then(resolve, reject).finally(release);
  });
}

/** As unlessAborted, but rejects with the signal's reason when it aborts. */
export function orAbort<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const release = onAbort(signal, () => reject(signal.reason));
    work.then(resolve, reject).finally(release);
  });
}
