import fc from 'fast-check';
import { expect, it } from 'vitest';
import { createStringFinder, mergeSpans, type Span } from './find-strings.ts';

/** The same, one string after the other. */
function foundOneByOne(text: string, strings: readonly string[]): readonly Span[] {
  const covered = new Set<number>();
  const joined = new Set<number>();
  for (const string of strings.filter((each) => each !== '')) {
    for (let at = text.indexOf(string); at >= 0; at = text.indexOf(string, at + 1)) {
      for (let i = at; i < at + string.length; i += 1) covered.add(i);
      for (let i = at + 1; i < at + string.length; i += 1) joined.add(i);
    }
  }
  const spans: Span[] = [];
  for (const at of [...covered].sort((a, b) => a - b)) {
    const last = spans.at(-1);
    if (last?.end === at && joined.has(at)) spans[spans.length - 1] = { start: last.start, end: at + 1 };
    else spans.push({ start: at, end: at + 1 });
  }
  return spans;
}

const fewLetters = (maxLength: number) => fc.string({ unit: fc.constantFrom('a', 'b', 'c', '\ud83d', 'š'), maxLength });

it('finds what a search for one string after the other finds', () => {
  fc.assert(
    fc.property(fewLetters(40), fc.array(fewLetters(6), { maxLength: 8 }), (text, strings) => {
      expect(createStringFinder(strings)(text)).toEqual(foundOneByOne(text, strings));
    }),
    { numRuns: 2000 },
  );
});

it('merges spans of two lists, overlapping ones into one', () => {
  const span = (start: number, end: number) => ({ start, end });
  expect(mergeSpans([span(0, 3), span(5, 9)], [span(2, 4), span(9, 12)])).toEqual([
    span(0, 4),
    span(5, 9),
    span(9, 12),
  ]);
  expect(mergeSpans([span(2, 4), span(5, 6)], [span(0, 9)])).toEqual([span(0, 9)]);
});
