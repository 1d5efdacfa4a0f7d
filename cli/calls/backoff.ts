/** How long to wait before the next try to reach the orchestrator. */
import { type Backoff, backoffMs } from '#common/waiting/backoff.ts';

/** Many clients must not come back at once. */
const unreached: Backoff = { firstMs: 250, mostMs: 5_000, jitter: 0.5 };

/** Doubles from 0.25 s to 5 s, half of it random. `failures` in a row since the last success; `random` in [0, 1). */
export const reachAgainMs = (failures: number, random: number): number => backoffMs(unreached, failures, random);
