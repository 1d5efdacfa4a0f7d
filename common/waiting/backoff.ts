/** How long to wait before the next try. Pure: the randomness comes as input. */

export interface Backoff {
  /** After the first failure, ms. */
  readonly firstMs: number;
  /** The pause doubles with each failure up to this, ms. */
  readonly mostMs: number;
  /**
   * How much of a pause is left to chance, 0 to 1 (default 0): with 0.25 a pause is up to a quarter shorter, with 1 it is anything
   * from nothing to the whole ("full jitter"). Those who failed together so do not come back together.
   */
  readonly jitter?: number;
}

// 2^30 times a pause of 1 ms is longer than any bound here; beyond 2^1023 the power would be infinite.
const doublingsMax = 30;

/** The pause in whole ms after so many failures in a row, counted from 1. `random` is in [0, 1). */
export function backoffMs({ firstMs, mostMs, jitter = 0 }: Backoff, failures: number, random = 0): number {
  const doublings = Math.min(Math.max(0, failures - 1), doublingsMax);
  return Math.round(Math.min(firstMs * 2 ** doublings, mostMs) * (1 - jitter * random));
}
