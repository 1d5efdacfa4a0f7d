import { expect, it } from 'vitest';
import { Buckets } from './buckets.ts';

it('gives what is there at once, and the rest over time', () => {
  const buckets = new Buckets({ burst: 3, perSecond: 2 });
  const taken = [0, 0, 0, 0].map((now) => buckets.take('a', 1, now));
  expect(taken).toEqual([0, 0, 0, 0.5]);
  expect(buckets.take('b', 3, 0)).toBe(0);
  expect(buckets.take('a', 1, 500)).toBe(0);
  expect(buckets.take('a', 1, 500)).toBe(0.5);
  // Never more than the burst.
  expect([1, 1, 1, 1].map((amount) => buckets.take('a', amount, 60_000))).toEqual([0, 0, 0, 0.5]);
});

it('says how long to wait without taking', () => {
  const buckets = new Buckets({ burst: 1, perSecond: 1 });
  expect([buckets.wait('a', 1, 0), buckets.wait('a', 1, 0)]).toEqual([0, 0]);
  buckets.take('a', 1, 0);
  expect(buckets.wait('a', 1, 0)).toBe(1);
});

it('remembers no more keys than it may, those used last', () => {
  const buckets = new Buckets({ burst: 1, perSecond: 0.001 }, 10);
  for (let n = 0; n < 1_000; n++) {
    buckets.take(`key ${n}`, 1, 0);
    buckets.take('always', 1, 0);
  }
  expect(buckets.keys).toBe(10);
  expect(buckets.take('always', 1, 0)).toBeGreaterThan(0);
});
