/**
 * Gives memory back to the system after a burst. V8 lets its space for new objects grow to a hundred MB while much is allocated, and makes it
 * small again in a collection of everything, which it may not begin for hours once nothing is allocated any more.
 */
import { performance } from 'node:perf_hooks';
import { getHeapSpaceStatistics } from 'node:v8';
import type { Clock } from './clock.ts';

/** V8's space for new objects, both halves: what start-up gives it is not worth a collection. */
const spaceMaxBytes = 32 * 1024 * 1024;
const checkMs = 5000;
/** The part of the time in which the event loop did anything. */
const idleMax = 0.1;
/** A collection takes tens of milliseconds: whoever has a burst every few seconds is spared one after each. */
const betweenMs = 60_000;
/** The first collection finds the rate of allocations of the burst; the second, that it is over. */
const collections = 2;

export interface MemoryFacts {
  readonly newSpaceBytes: number;
  /** Since the last time that it was asked for, 0 to 1. */
  readonly utilization: number;
}

/** Looks every 5 s, and runs `collect`, twice at most and once a minute, when the space is large and the program is idle. Returns what ends it. */
export function watchIdleMemory(clock: Clock, collect: () => void, facts = createMemoryFacts()): () => void {
  let left = collections;
  let beganMs = Number.NEGATIVE_INFINITY;
  let cancel = () => {};
  const check = () => {
    cancel = clock.after(checkMs, check);
    const { newSpaceBytes, utilization } = facts();
    if (newSpaceBytes <= spaceMaxBytes || utilization > idleMax) return;
    const nowMs = clock.monotonicMs();
    if (nowMs - beganMs >= betweenMs) {
      beganMs = nowMs;
      left = collections;
    }
    if (left === 0) return;
    left -= 1;
    collect();
  };
  cancel = clock.after(checkMs, check);
  return () => cancel();
}

function createMemoryFacts(): () => MemoryFacts {
  let before = performance.eventLoopUtilization();
  return () => {
    const now = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(now, before);
    before = now;
    const newSpace = getHeapSpaceStatistics().find(({ space_name: name }) => name === 'new_space');
    return { newSpaceBytes: newSpace?.space_size ?? 0, utilization };
  };
}
