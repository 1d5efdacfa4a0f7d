import { expect, it } from 'vitest';
import { judge } from '../../bench/logs/losses.ts';
import { Shown } from '../../bench/logs/shown.ts';

const samples = [
  { atMs: 0, oldest: 1 },
  { atMs: 100, oldest: 50 },
  { atMs: 200, oldest: 80 },
];

it('counts as ours what the engine still had after the hole was shown, and holes that were not reported', () => {
  expect(judge([{ first: 10, last: 49, atMs: 90, isMarked: true }], samples)).toEqual({
    rotated: 40,
    ours: 0,
    silent: 0,
  });
  expect(judge([{ first: 10, last: 50, atMs: 90, isMarked: true }], samples)).toEqual({
    rotated: 40,
    ours: 1,
    silent: 0,
  });
  expect(judge([{ first: 60, last: 69, atMs: 90, isMarked: false }], samples)).toEqual({
    rotated: 0,
    ours: 10,
    silent: 1,
  });
  expect(judge([{ first: 60, last: 69, atMs: 300, isMarked: true }], samples)).toEqual({
    rotated: 0,
    ours: 10,
    silent: 0,
  });
});

it('sees the holes in what a follower has shown, with the mark before the line behind them, and those at the end', () => {
  const shown = new Shown('a follower', { lines: 12, bytes: 10, pings: 0 });
  const text = (n: number) => `1 ${n} ..........`.slice(0, 9);
  shown.expect(1);
  shown.push(`${text(1)}\n[gap] lines are missing here\n${text(4)}\n${text(5)}\n${text(8)}\n${text(7)}\n${text(10)}\n`);
  expect(shown.holes().map(({ first, last, isMarked }) => [first, last, isMarked])).toEqual([
    [2, 3, true],
    [6, 6, false],
    [9, 9, false],
    [11, 12, false],
  ]);
  expect(shown.gaps).toBe(1);
});
