/**
 * Whether work grows with the size of what it is given, and no faster. Two sizes are compared in one run, by the processor
 * time of this thread, so that neither the machine nor what else it does matters.
 */
import { threadCpuUsage } from 'node:process';
import { expect } from 'vitest';

/** Eight times the size takes about eight times as long if the work is linear, 64 times if it is quadratic. */
const factor = 8;
const mostTimesLonger = 24;
/** What takes no longer at its largest delays nobody, and is too short to be compared. */
const unnoticedMs = 20;
/** Some systems count processor time in steps of 10 ms; and a collection of garbage falls into every longer run. */
const measuredMs = 40;

const cpuMs = (): number => {
  const { user, system } = threadCpuUsage();
  return (user + system) / 1000;
};

/** The mean of as many runs as can be measured. */
async function meanMs(work: () => unknown): Promise<number> {
  const startMs = cpuMs();
  let runs = 0;
  let tookMs = 0;
  for (; tookMs < measuredMs; tookMs = cpuMs() - startMs) {
    await work();
    runs += 1;
  }
  return tookMs / runs;
}

/** `prepare` makes the work for a size; `size` is the largest one that is accepted. */
export async function expectLinear(size: number, prepare: (size: number) => () => unknown): Promise<void> {
  const small = prepare(Math.ceil(size / factor));
  const large = prepare(size);
  await small();
  const startMs = cpuMs();
  await large();
  if (cpuMs() - startMs <= unnoticedMs) return;
  const smallMs = await meanMs(small);
  const largeMs = await meanMs(large);
  expect(largeMs, `for ${size}; an eighth of it took ${smallMs.toFixed(2)} ms`).toBeLessThanOrEqual(
    Math.max(unnoticedMs, smallMs * mostTimesLonger),
  );
}
