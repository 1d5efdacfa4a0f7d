import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createLineSplitter, lineMaxBytes } from './output-lines.ts';

function linesOf(bytes: Buffer, pieces: readonly number[]): string[] {
  const lines: string[] = [];
  const splitter = createLineSplitter((line) => lines.push(line));
  let from = 0;
  for (const length of [...pieces, bytes.length]) {
    splitter.push(bytes.subarray(from, from + length));
    from += length;
  }
  splitter.end();
  return lines;
}

describe('printed bytes as lines', () => {
  test('are the same however they are cut into pieces', () => {
    const texts = fc.array(
      fc.oneof(fc.string({ unit: 'grapheme' }), fc.constantFrom('\n', '\r\n', '', 'я'.repeat(40_000))),
    );
    fc.assert(
      fc.property(texts, fc.array(fc.nat(50_000), { maxLength: 20 }), (parts, pieces) => {
        const bytes = Buffer.from(parts.join(''));
        expect(linesOf(bytes, pieces)).toEqual(linesOf(bytes, []));
      }),
      { numRuns: 200 },
    );
  });

  test('end at line feeds, without these and without a carriage return before', () => {
    expect(linesOf(Buffer.from('a\r\n\nb\rc\nlast'), [])).toEqual(['a', '', 'b\rc', 'last']);
  });

  test('are cut between characters when they are too long, and lose nothing', () => {
    const text = `x${'я'.repeat(100_000)}`;
    const lines = linesOf(Buffer.from(`${text}\n`), []);
    expect(lines.join('')).toBe(text);
    expect(lines.map((line) => Buffer.byteLength(line))).toEqual([65_535, 65_536, 65_536, 3_394]);
  });

  test('of exactly the largest length stay whole', () => {
    expect(linesOf(Buffer.from(`${'x'.repeat(lineMaxBytes)}\ny\n`), [lineMaxBytes]).map((line) => line.length)).toEqual(
      [lineMaxBytes, 1],
    );
  });

  test('that are not UTF-8 become text all the same', () => {
    expect(linesOf(Buffer.from([0x61, 0xff, 0x0a, 0x80]), [])).toEqual(['a\ufffd', '\ufffd']);
    expect(linesOf(Buffer.alloc(lineMaxBytes + 10, 0x80), []).length).toBe(2);
  });
});
