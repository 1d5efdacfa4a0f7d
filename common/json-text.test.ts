import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseStrictJson } from './json-text.ts';

const parse = (text: string) => {
  const result = parseStrictJson(text);
  return result.ok ? result.value : result.problem.code;
};

describe('JSON text', () => {
  test.each<[string, unknown]>([
    ['{"a":1,"b":[{"a":2},{"a":3}],"c":{"a":{}}}', { a: 1, b: [{ a: 2 }, { a: 3 }], c: { a: {} } }],
    ['{"a":"b","b":"a"}', { a: 'b', b: 'a' }],
    ['{"a":["a","a"],"x":"a"}', { a: ['a', 'a'], x: 'a' }],
    ['"quote \\" backslash \\\\"', 'quote " backslash \\'],
    ['["\\\\","\\\\\\"","{[,1e400"]', ['\\', '\\"', '{[,1e400']],
    ['"\\ud83e\\udd16 \u{1f916}"', '\u{1f916} \u{1f916}'],
    [
      '[0,1,-1,0.5,-0.5,1e3,1E-3,9007199254740991,1000000000000000000,0.1]',
      [0, 1, -1, 0.5, -0.5, 1000, 0.001, 9007199254740991, 1e18, 0.1],
    ],
    [' \t\r\n[ ] ', []],
  ])('%j is read', (text, value) => {
    expect(parse(text)).toEqual(value);
  });

  test.each([
    ['a key twice', '{"a":1,"a":1}'],
    ['a key twice, once escaped', '{"code":1,"c\\u006fde":2}'],
    ['a key twice, deep', '[{"x":{"a":[],"b":{},"a":0}}]'],
    ['the key __proto__ twice', '{"__proto__":1,"__proto__":2}'],
    ['an infinite number', '[1e400]'],
    ['a negative infinite number', '[-1e400]'],
    ['negative zero', '[-0]'],
    ['negative zero as a fraction', '[-0.0]'],
    ['a whole number that a double cannot hold', '[9007199254740993]'],
    ['ten thousand digits', `[${'9'.repeat(10_000)}]`],
    ['NaN', '[NaN]'],
    ['Infinity', '[Infinity]'],
    ['a number with a plus', '[+1]'],
    ['a number with a leading zero', '[01]'],
    ['a hexadecimal number', '[0x10]'],
    ['a lone surrogate', '["\\ud800"]'],
    ['a lone surrogate as a key', '{"\\udc00":1}'],
    ['a NUL', '["\0"]'],
    ['a bad escape', '["\\x41"]'],
    ['an open string', '["abc'],
    ['a string that ends in an escape', '["abc\\"'],
    ['trailing garbage', '{} x'],
    ['two values', '{}{}'],
    ['a trailing comma', '[1,]'],
    ['single quotes', "{'a':1}"],
    ['a comment', '[/* */]'],
    ['a byte order mark', '\ufeff{}'],
    ['nothing', ''],
    ['a hundred thousand brackets', '['.repeat(100_000)],
    ['a hundred thousand objects', '{"a":'.repeat(100_000)],
  ])('with %s is refused', (_title, text) => {
    expect(parse(text)).toBe('MALFORMED_REQUEST');
  });

  test('is refused beyond 64 levels', () => {
    const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth);
    expect(parseStrictJson(nested(64)).ok).toBe(true);
    expect(parseStrictJson(nested(65)).ok).toBe(false);
  });

  test('is read in a time that grows with its length only', () => {
    const text = JSON.stringify(['\\"'.repeat(1_000_000), 'x'.repeat(4_000_000)]);
    const began = performance.now();
    expect(parseStrictJson(text).ok).toBe(true);
    expect(performance.now() - began).toBeLessThan(5_000);
  });

  test('that JSON.stringify wrote is read back as it was', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const text = JSON.stringify(value);
        const plain = JSON.parse(text);
        const result = parseStrictJson(text);
        // Its numbers are the shortest text of a double; as whole numbers beyond 2^53 these need not be exact.
        if (result.ok) expect(result.value).toEqual(plain);
        else expect(text).toMatch(/\d{17}/);
      }),
      { numRuns: 500 },
    );
  });

  test('is never accepted when JSON.parse refuses it, whatever it is', () => {
    const piece = fc.oneof(
      fc.constantFrom('{', '}', '[', ']', ',', ':', '"', '"a"', '\\', '\\"', '1', '-', '-0', '1e9', 'e', 'true', ' '),
      fc.string({ maxLength: 3 }),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        const text = pieces.join('');
        const result = parseStrictJson(text);
        if (result.ok) expect(result.value).toEqual(JSON.parse(text));
      }),
      { numRuns: 3000 },
    );
  });
});
