/**
 * Abort signals that live longer than what listens to them: of the whole program, of a token, of a session. Nothing of a
 * listener stays with such a signal once its work is over, as it does after AbortSignal.any for as long as anybody listens.
 */

/** Resolves when one of the signals aborts. */
export function whenAborted(...signals: readonly AbortSignal[]): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const listen = () => {
    for (const signal of signals) signal.removeEventListener('abort', listen);
    resolve();
  };
  for (const signal of signals) signal.addEventListener('abort', listen);
  if (signals.some(({ aborted }) => aborted)) listen();
  return promise;
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
    for (const signal of signals) signal.removeEventListener('abort', onAbort);
  };
  const onAbort = () => {
    release();
    linked.abort(signals.find(({ aborted }) => aborted)?.reason);
  };
  for (const signal of signals) signal.addEventListener('abort', onAbort);
  if (signals.some(({ aborted }) => aborted)) onAbort();
  return { signal: linked.signal, [Symbol.dispose]: release };
}
