/** Bounds the cache of an engine's BuildKit by age and size. What a build in progress uses stays. */
import type { EngineClient } from '../engine-client.ts';

export interface CacheBounds {
  /** In bytes: what was used longest ago goes first. */
  readonly maxBytes: number;
  /** What nothing has used for so long goes. */
  readonly unusedHours: number;
}

export const defaultCacheBounds: CacheBounds = { maxBytes: 5 * 1024 ** 3, unusedHours: 7 * 24 };

const pruneMs = 120_000;
/** The N of the API's version 1.N in which the parameter got its new name. */
const renamedIn = 48;

export async function pruneBuildCache(
  engine: Pick<EngineClient, 'api' | 'call'>,
  { maxBytes, unusedHours }: CacheBounds,
  signal: AbortSignal,
): Promise<void> {
  const size = (await engine.api(signal)) >= renamedIn ? 'max-used-space' : 'keep-storage';
  const queries = [
    { all: true, filters: { until: [`${unusedHours}h`] } },
    { all: true, [size]: maxBytes },
  ];
  for (const query of queries) {
    await engine.call({ method: 'POST', path: '/build/prune', query, timeoutMs: pruneMs, slow: true }, signal);
  }
}
