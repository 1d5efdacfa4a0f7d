import fc from 'fast-check';
import { expect, it } from 'vitest';
import { backoffMs } from './backoff.ts';

it('doubles from the first pause to the longest, and stays there', () => {
  const failures = [0, 1, 2, 3, 4, 5, 6, 7, 1e6, Number.MAX_SAFE_INTEGER];
  expect(failures.map((n) => backoffMs({ firstMs: 250, mostMs: 5000 }, n))).toEqual([
    250, 250, 500, 1000, 2000, 4000, 5000, 5000, 5000, 5000,
  ]);
});

it('leaves to chance what jitter says, and never more', () => {
  const settings = fc.record({
    firstMs: fc.integer({ min: 1, max: 1000 }),
    mostMs: fc.integer({ min: 1000, max: 300_000 }),
    jitter: fc.double({ min: 0, max: 1, noNaN: true }),
  });
  const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
  fc.assert(
    fc.property(settings, fc.integer({ min: 1, max: 100 }), random, (backoff, failures, chance) => {
      const whole = backoffMs({ ...backoff, jitter: 0 }, failures);
      const pause = backoffMs(backoff, failures, chance);
      expect(pause).toBeLessThanOrEqual(whole);
      expect(pause).toBeGreaterThanOrEqual(Math.floor(whole * (1 - backoff.jitter)));
    }),
  );
});
