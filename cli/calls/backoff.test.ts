import { expect, it } from 'vitest';
import { reachAgainMs } from './backoff.ts';

it('doubles up to five seconds, at least half of it certain', () => {
  expect([1, 2, 3, 4, 5, 6, 7, 1000].map((failures) => reachAgainMs(failures, 0))).toEqual([
    250, 500, 1000, 2000, 4000, 5000, 5000, 5000,
  ]);
  expect(reachAgainMs(1, 1)).toBe(125);
});
