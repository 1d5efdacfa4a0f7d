/** Time as an input: programs use `systemClock`, tests a clock they move by hand (test/kit/manual-clock.ts). */

export interface Clock {
  /** Wall time in ms since 1970, for display and storage only; it may jump. */
  wallMs(): number;
  /** Monotonic ms, for durations; what its zero means is only known to those who compare `bootId` first. */
  monotonicMs(): number;
  /**
   * Names what monotonicMs counts from. Two processes may compare their monotonic times when both have the same one;
   * undefined: nobody may.
   */
  readonly bootId?: string | undefined;
  /** Calls back once after `delayMs` (monotonic). The returned function cancels; calling it twice is harmless. */
  after(delayMs: number, callback: () => void): () => void;
}

// setTimeout treats longer delays as 1 ms (https://nodejs.org/api/timers.html#settimeoutcallback-delay-args).
const longestTimeoutMs = 2 ** 31 - 1;

/** On Linux hrtime counts from the machine's boot, for every process alike; a program that wants to use that adds `bootId`. */
export const systemClock: Clock = {
  wallMs: () => Date.now(),
  monotonicMs: () => Number(process.hrtime.bigint()) / 1e6,
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
