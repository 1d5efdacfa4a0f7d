/** How long to wait before the next try to reach the orchestrator. */

const firstMs = 250;
const longestMs = 5_000;

/**
 * Doubles from 0.25 s to 5 s, of which a random half is jitter, so that many clients do not come back at once.
 * `attempt` counts from 0 since the last success; `random` is 0 to 1.
 */
export function backoffMs(attempt: number, random: number): number {
  const whole = Math.min(longestMs, firstMs * 2 ** Math.min(attempt, 10));
  return Math.round(whole / 2 + (whole / 2) * random);
}
