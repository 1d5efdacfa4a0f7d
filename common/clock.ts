/** Time as an input: programs use `systemClock`, tests a clock they move by hand (test/kit/manual-clock.ts). */

export interface Clock {
  /** Wall time in ms since 1970, for display and storage only; it may jump. */
  wallMs(): number;
  /** Monotonic ms, for durations; its zero means nothing and it is never stored. */
  monotonicMs(): number;
  /** Calls back once after `delayMs` (monotonic). The returned function cancels; calling it twice is harmless. */
  after(delayMs: number, callback: () => void): () => void;
}

// setTimeout treats longer delays as 1 ms (https://nodejs.org/api/timers.html#settimeoutcallback-delay-args).
const longestTimeoutMs = 2 ** 31 - 1;

export const systemClock: Clock = {
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  after(delayMs, callback) {
    const timer = setTimeout(callback, Math.min(Math.max(0, delayMs), longestTimeoutMs));
    return () => clearTimeout(timer);
  },
};

/** Resolves after `delayMs`, or rejects with the signal's reason when aborted. */
export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const onAbort = () => {
      cancel();
      reject(signal?.reason);
    };
    const cancel = clock.after(delayMs, () => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    });
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}
