/**
 * When the engine was away. A bot that ended with it did not end on its own, even with exit code 0: engines end their
 * containers by SIGTERM when they stop, and most bots then leave cleanly.
 */

/** One moment by both clocks. */
export interface ClockReading {
  readonly wallMs: number;
  readonly monotonicMs: number;
}

export interface Outages {
  began(at: ClockReading): void;
  ended(at: ClockReading): void;
  /** Whether a container that ended at this time ended with the engine or the machine. */
  covers(finishedAtMs: number | undefined): boolean;
}

// An engine that stops gives its containers 15 s before it closes its event stream.
const beforeMs = 20_000;
const afterMs = 1000;
const keptMax = 16;

/** `hostBootMs`: when the machine was started; what ended before that ended at the latest with it. */
export function createOutages(hostBootMs: number): Outages {
  const past: { readonly fromMs: number; readonly toMs: number }[] = [];
  let openSince: ClockReading | undefined;
  return {
    began(at) {
      openSince ??= at;
    },
    ended(at) {
      if (openSince === undefined) return;
      // The engine dates ends by the wall clock. Where that was set meanwhile, both of its readings are meant.
      const lastedMs = at.monotonicMs - openSince.monotonicMs;
      past.push({
        fromMs: Math.min(openSince.wallMs, at.wallMs - lastedMs),
        toMs: Math.max(at.wallMs, openSince.wallMs + lastedMs),
      });
      if (past.length > keptMax) past.shift();
      openSince = undefined;
    },
    covers(finishedAtMs) {
      if (finishedAtMs === undefined) return false;
      if (finishedAtMs < hostBootMs) return true;
      if (openSince !== undefined && finishedAtMs >= openSince.wallMs - beforeMs) return true;
      return past.some(({ fromMs, toMs }) => finishedAtMs >= fromMs - beforeMs && finishedAtMs <= toMs + afterMs);
    },
  };
}
