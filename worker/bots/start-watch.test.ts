import { expect, it } from 'vitest';
import { silentLogger } from '#common/log.ts';
import { createManualClock } from '../../test/kit/manual-clock.ts';
import { StartWatch } from './start-watch.ts';

/** CPU time used, in ms, by the time since the start in seconds. */
async function watched(cores: number, used: Readonly<Record<number, number>>): Promise<number> {
  const clock = createManualClock();
  const begin = clock.monotonicMs();
  const watch = new StartWatch(begin, false, cores);
  let take: (usedMs: number) => void = () => {};
  const measuring = watch.measure(
    'id',
    {
      clock,
      logger: silentLogger,
      runtime: {
        watchCpu: (_id, onSample, signal) => {
          take = onSample;
          return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
        },
      },
    },
    new AbortController().signal,
  );
  for (let second = 1; ; second += 1) {
    clock.advance(1000);
    const usedMs = used[second];
    if (usedMs !== undefined) take(usedMs);
    const now = clock.monotonicMs();
    if (now < watch.untilMs || watch.prolong(now)) continue;
    watch.end();
    await measuring;
    return now - begin;
  }
}

it('lasts two seconds for a bot that is at rest by then', async () => {
  expect(await watched(0.5, { 1: 400, 2: 410 })).toBe(2000);
});

it('lasts two seconds where CPU time cannot be seen, and little longer where it is seen no more', async () => {
  expect(await watched(0.5, {})).toBe(2000);
  expect(await watched(0.5, { 1: 500, 2: 1000 })).toBe(6000);
});

it('lasts as long as the bot uses a tenth of what it may, whatever that is', async () => {
  expect(await watched(0.5, { 1: 500, 2: 1000, 3: 1500, 4: 1600, 5: 1610 })).toBe(5000);
  expect(await watched(0.1, { 1: 100, 2: 200, 3: 205 })).toBe(3000);
  expect(await watched(4, { 1: 1000, 2: 2000, 3: 2050 })).toBe(3000);
});

it('ends for a bot that never rests: by CPU time, and by time where it gets little', async () => {
  const busy = (share: number) =>
    Object.fromEntries(Array.from({ length: 40 }, (_, index) => [index + 1, (index + 1) * share * 1000]));
  expect(await watched(0.5, busy(0.5))).toBe(10_000);
  expect(await watched(0.5, busy(0.1))).toBe(30_000);
});
