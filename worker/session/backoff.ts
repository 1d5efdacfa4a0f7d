/** How long to wait before dialling again. Pure. */
import { type Backoff, backoffMs } from '#common/waiting/backoff.ts';
import type { SessionEnd } from './session-end.ts';

const longestMs = 8000;

/** Workers that lost their orchestrator together come back spread out. */
const lost: Backoff = { firstMs: 100, mostMs: longestMs, jitter: 1 };

/** From nothing up to a bound, which doubles from 100 ms to 8 s with each failure in a row. `random` is in [0, 1). */
export const dialDelayMs = (failures: number, random: number): number => backoffMs(lost, failures + 1, random);

/** Never at once, and never so long that an operator waits for the worker. */
const refused: Backoff = { firstMs: 1000, mostMs: longestMs, jitter: 0.5 };

/**
 * After a refusal, which somebody has to take back: between half of a bound and the bound, which doubles from 1 s to 8 s with
 * each failure in a row.
 */
const refusedDelayMs = (failures: number, random: number): number => backoffMs(refused, failures + 1, random);

/** After another worker of the same id took the session: coming back at once would only throw that one out in turn. */
export const fencedDelayMs = (random: number): number => Math.round(longestMs * (1 + random));

/** How long to wait after a try with this end, given each orchestrator's failures in a row before it. */
export function delayAfter(end: SessionEnd, failures: number, random: number): number {
  switch (end.kind) {
    case 'fenced':
      return fencedDelayMs(random);
    case 'refused':
    case 'unknown':
    case 'disobeyed':
      return refusedDelayMs(failures, random);
    case 'lost':
      return dialDelayMs(failures, random);
  }
}
