import fc from 'fast-check';
import { expect, it } from 'vitest';
import { JsonCount } from './json-count.ts';
import { parseStrictJson } from './json-text.ts';

const bounds = { depthMax: 3, valuesMax: 4 };

/** The verdict on a text whose bytes come in pieces of these lengths, over and over. */
function verdict(text: string, lengths: readonly number[]): string {
  const count = new JsonCount(bounds);
  const bytes = Buffer.from(text);
  for (let at = 0, n = 0; at < bytes.length; n++) {
    const end = at + (lengths[n % lengths.length] ?? 1);
    const problem = count.add(bytes.subarray(at, end));
    if (problem !== undefined) return problem.message;
    at = end;
  }
  return 'fine';
}

const pieces = fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 5 });

it.each<[string, string]>([
  ['[1,2,3]', 'fine'],
  ['[1,2,3,4]', 'The body holds more than 4 values.'],
  ['[1,-2,3.5e+7]', 'fine'],
  ['[true,null,"[1,2,3]"]', 'fine'],
  ['{"a":1,"b":"c","d":"\\\\\\",{,["}', 'fine'],
  ['{"a":{},"b":{},"c":{},"d":{}}', 'The body holds more than 4 values.'],
  ['{"a":1,"b":2,"c":3}', 'fine'],
  [',{"":,"":,"":,"":,"":', 'The body holds more than 4 values.'],
  ['[[[]]]', 'fine'],
  ['[[[[]]]]', 'The body is nested more than 3 levels deep.'],
  ['["é",1,"\\"",2', 'The body holds more than 4 values.'],
  ['["é\\\\","é"]', 'fine'],
])('%s is %s, in one piece and in many', (text, expected) => {
  for (const lengths of [[1000], [1], [2, 3]]) expect(verdict(text, lengths), String(lengths)).toBe(expected);
});

it('counts what the strict parser counts, wherever the text is cut', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 4 }), pieces, (value, lengths) => {
      const text = JSON.stringify(value);
      const strict = parseStrictJson(text, bounds);
      // The strict parser may find something else first, such as a number that is not exact.
      const isBound = !strict.ok && / more than \d/.test(strict.problem.message);
      const expected = isBound ? strict.problem.message : 'fine';
      if (isBound || strict.ok) expect(verdict(text, lengths)).toBe(expected);
    }),
    { numRuns: 500 },
  );
});

it('says the same of any bytes, wherever they are cut', () => {
  const part = fc.constantFrom('{', '}', '[', ']', ',', ':', '"', '"a"', '\\', '\\"', '1', '-', 'e', 'true', ' ', 'é');
  fc.assert(
    fc.property(fc.array(part, { maxLength: 20 }), pieces, (parts, lengths) => {
      expect(verdict(parts.join(''), lengths)).toBe(verdict(parts.join(''), [1000]));
    }),
    { numRuns: 1000 },
  );
});
