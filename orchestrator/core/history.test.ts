import { describe, expect, it } from 'vitest';
import { createForkOf, type History, momentAt, type Opening } from './history.ts';

const line = (...parts: readonly (readonly [string, number])[]): readonly Opening[] =>
  parts.map(([id, fromSeq], index) => ({ id, fromSeq, after: parts[index - 1]?.[0] ?? '' }));
const ours: History = { openings: line(['a', 0], ['b', 100], ['d', 140]), now: 190 };
const at = (opening: string, seq: number) => ({ opening, seq });

describe('where histories part', () => {
  it.each([
    ['in its own past', [], at('a', 40), undefined],
    ['at the end of an opening', [], at('a', 100), undefined],
    ['now', [], at('d', 190), undefined],
    ['after the backup, in the same opening', [], at('b', 150), 140],
    ['after the backup, with a number that has been passed since', [], at('b', 141), 140],
    ['in an opening that the store has lost', line(['a', 0], ['b', 100], ['c', 160]), at('c', 170), 140],
    ['in one that began before the backup ended', line(['a', 0], ['b', 100], ['c', 120]), at('c', 170), 120],
    ['two lost openings on', line(['b', 100], ['c', 150], ['e', 160]), at('e', 170), 140],
    ['in one that nobody knows', [], at('x', 5), 0],
    ['before there were openings', line(['y', 30], ['z', 60]), at('z', 70), 0],
  ] as const)('%s', (_name, theirs, moment, fork) => {
    expect(createForkOf(ours, theirs)(moment)).toBe(fork);
  });

  it('a backup of a store without openings is the same up to its first', () => {
    expect(createForkOf({ openings: line(['n', 80]), now: 95 }, line(['y', 90], ['z', 99]))(at('z', 120))).toBe(80);
  });

  it('a circle in a reported history ends', () => {
    const circle = [
      { id: 'p', fromSeq: 1, after: 'q' },
      { id: 'q', fromSeq: 1, after: 'p' },
    ];
    expect(createForkOf(ours, circle)(at('p', 1))).toBe(0);
  });
});

it('a moment is named by the opening in which it came about', () => {
  expect(momentAt(ours.openings, 100)).toEqual(at('a', 100));
  expect(momentAt(ours.openings, 101)).toEqual(at('b', 101));
  expect(momentAt(ours.openings, 0)).toBeUndefined();
});
