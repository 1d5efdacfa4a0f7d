import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { createManualClock } from '../test/kit/manual-clock.ts';
import { type MemoryFacts, watchIdleMemory } from './idle-memory.ts';

const megabyte = 1024 * 1024;
const large: MemoryFacts = { newSpaceBytes: 64 * megabyte, utilization: 0.02 };

function watched() {
  const clock = createManualClock();
  const state = { facts: large, collected: 0 };
  const end = watchIdleMemory(
    clock,
    () => {
      state.collected += 1;
    },
    () => state.facts,
  );
  return { clock, state, end };
}

it('collects when the space for new objects is large and little is done, and at no other time', () => {
  const { clock, state, end } = watched();
  state.facts = { ...large, utilization: 0.2 };
  clock.advance(30_000);
  state.facts = { ...large, newSpaceBytes: 32 * megabyte };
  clock.advance(30_000);
  expect(state.collected).toBe(0);
  state.facts = large;
  clock.advance(5000);
  expect(state.collected).toBe(1);
  end();
  clock.advance(600_000);
  expect(state.collected).toBe(1);
});

it('collects twice a minute at most', () => {
  const { clock, state } = watched();
  clock.advance(55_000);
  expect(state.collected).toBe(2);
  clock.advance(60_000);
  expect(state.collected).toBe(4);
});

/** Its allocations live for a while, as in a flood of log lines. Prints how many bytes the space grew to, and how many it has later. */
const program = `
import { getHeapSpaceStatistics } from 'node:v8';
import { setTimeout as sleep } from 'node:timers/promises';
const { createGarbageCollector } = await import(${JSON.stringify(join(import.meta.dirname, 'collect-garbage.ts'))});
const { watchIdleMemory } = await import(${JSON.stringify(join(import.meta.dirname, 'idle-memory.ts'))});
const size = () => getHeapSpaceStatistics().find(({ space_name: name }) => name === 'new_space').space_size;
const burst = () => {
  let kept = [];
  for (let turn = 0; turn < 60; turn += 1)
    kept = [...kept.slice(-6), Array.from({ length: 20_000 }, (_, n) => ({ text: 'line ' + n + ' of ' + turn }))];
  return size();
};
const clock = {
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  // A second of the program takes a tenth of a second here.
  after(delayMs, callback) {
    const timer = setTimeout(callback, delayMs / 10);
    return () => clearTimeout(timer);
  },
};
const first = burst();
watchIdleMemory(clock, createGarbageCollector());
while (size() > ${32 * megabyte}) await sleep(50);
const idle = size();
process.stdout.write(JSON.stringify({ first, idle, again: burst() }), () => process.exit());
`;

it('makes the space small after a burst, and lets it grow for the next', { timeout: 60_000 }, async () => {
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', program]);
  const { first, idle, again } = JSON.parse(stdout) as Record<string, number>;
  expect(first).toBeGreaterThan(32 * megabyte);
  expect(idle).toBeLessThanOrEqual(32 * megabyte);
  expect(again).toBeGreaterThan(32 * megabyte);
});
