/** How long to wait before dialling again. Pure. */

const firstMs = 100;
const longestMs = 8000;

/**
 * Full jitter: anywhere from nothing to the bound, which doubles from 100 ms to 8 s with each failure in a row. Workers
 * that lost their orchestrator together so come back spread out. `random` is in [0, 1).
 */
export const dialDelayMs = (failures: number, random: number): number =>
  Math.round(random * Math.min(firstMs * 2 ** Math.min(failures, 20), longestMs));

const refusedFirstMs = 1000;

/**
 * After a refusal, which somebody has to take back: between half of the bound and the bound, which doubles from 1 s to 8 s with
 * each failure in a row. Never at once, and never so long that an operator waits for the worker.
 */
export const refusedDelayMs = (failures: number, random: number): number =>
  Math.round((Math.min(refusedFirstMs * 2 ** Math.min(failures, 20), longestMs) * (1 + random)) / 2);

/** After another worker of the same id took the session: coming back at once would only throw that one out in turn. */
export const fencedDelayMs = (random: number): number => Math.round(longestMs * (1 + random));
