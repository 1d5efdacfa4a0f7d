import { expect, it } from 'vitest';
import { createManualClock } from '../../../../test/kit/manual-clock.ts';
import { createNeededImages } from './prune-images.ts';

const repository = 'bot_image_a_b';

it('an image is needed while it is made, however long that takes, and for a quarter of an hour after', async () => {
  const clock = createManualClock();
  const needed = createNeededImages(clock);
  expect(needed.isNeeded(repository)).toBe(false);
  const { promise, resolve } = Promise.withResolvers<void>();
  const first = needed.during(`${repository}:g1`, () => promise);
  const second = needed.during(`${repository}:g2`, async () => {});
  await second;
  clock.advance(3_600_000);
  expect(needed.isNeeded(repository)).toBe(true);
  resolve();
  await first;
  clock.advance(899_999);
  expect([needed.isNeeded(repository), needed.isNeeded('bot_image_a_c')]).toEqual([true, false]);
  clock.advance(1);
  expect(needed.isNeeded(repository)).toBe(false);
});

it('what failed is needed, too: it is tried again', async () => {
  const clock = createManualClock();
  const needed = createNeededImages(clock);
  await expect(needed.during(`${repository}:g1`, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
  expect(needed.isNeeded(repository)).toBe(true);
  needed.need(`${repository}:g1`);
  clock.advance(900_000);
  needed.need('bot_image_a_c:g1');
  expect([needed.isNeeded(repository), needed.isNeeded('bot_image_a_c')]).toEqual([false, true]);
});
