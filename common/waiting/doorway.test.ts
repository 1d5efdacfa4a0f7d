import { expect, it } from 'vitest';
import { nextTurn } from '../background.ts';
import { Doorway } from './doorway.ts';

const fail = (error: unknown) => {
  throw error;
};

it('lets a few through at once, the others a few in each turn, in the order they came', async () => {
  const doorway = new Doorway(2, fail);
  const through: number[] = [];
  const waits = Array.from({ length: 7 }, (_, index) => {
    const wait = doorway.enter();
    if (wait === undefined) through.push(index);
    return wait?.then(() => through.push(index));
  });
  expect(through).toEqual([0, 1]);
  const perTurn: number[] = [];
  while (through.length < 7) {
    const before = through.length;
    await nextTurn();
    perTurn.push(through.length - before);
  }
  expect(through).toEqual([0, 1, 2, 3, 4, 5, 6]);
  expect(Math.max(...perTurn)).toBe(2);
  await Promise.all(waits);
});

it('counts every turn anew, and nobody passes those who wait', async () => {
  const doorway = new Doorway(1, fail);
  expect(doorway.enter()).toBeUndefined();
  const second = doorway.enter();
  expect(second).toBeDefined();
  await second;
  expect(doorway.enter()).toBeDefined();
  await nextTurn();
  await nextTurn();
  await nextTurn();
  expect(doorway.enter()).toBeUndefined();
});
