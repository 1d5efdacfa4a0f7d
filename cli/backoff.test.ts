import { expect, it } from 'vitest';
import { backoffMs } from './backoff.ts';

it('doubles up to five seconds, at least half of it certain', () => {
  expect([0, 1, 2, 3, 4, 5, 6, 1000].map((attempt) => backoffMs(attempt, 1))).toEqual([
    250, 500, 1000, 2000, 4000, 5000, 5000, 5000,
  ]);
  expect(backoffMs(0, 0)).toBe(125);
});
