import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createMasker, masked } from './masking.ts';
import { leastLength } from './secret-forms.ts';

const odd = 'p\u00e4"ss\'w\\o/r d\n+1~(x)*!';
const token = '123456789:AAE-abcdefghijklmnopqrstuvwxyz_0123';

describe('a secret is masked', () => {
  // What the programs print, taken from them: Python 3.11, Node.js 24, PHP 8.2.
  it.each<[string, string, string]>([
    ['repr of Python', odd, "'p\u00e4\"ss\\'w\\\\o/r d\\n+1~(x)*!'"],
    ['ascii of Python', odd, "'p\\xe4\"ss\\'w\\\\o/r d\\n+1~(x)*!'"],
    ['bytes of Python', odd, "b'p\\xc3\\xa4\"ss\\'w\\\\o/r d\\n+1~(x)*!'"],
    ['a string of emoji in ascii of Python', 'clown \u{1f921} \u2603 face', "'clown \\U0001f921 \\u2603 face'"],
    ['json.dumps', odd, '"p\\u00e4\\"ss\'w\\\\o/r d\\n+1~(x)*!"'],
    ['JSON of JavaScript', odd, '"p\u00e4\\"ss\'w\\\\o/r d\\n+1~(x)*!"'],
    ['json_encode of PHP', odd, '"p\\u00e4\\"ss\'w\\\\o\\/r d\\n+1~(x)*!"'],
    ['console.log of JavaScript', odd, '{ v: `p\u00e4"ss\'w\\\\o/r d\\n+1~(x)*!` }'],
    ['console.log with a control character', 'pass\u001bword', "{ v: 'pass\\x1Bword' }"],
    ['urllib.parse.quote', odd, 'p%C3%A4%22ss%27w%5Co/r%20d%0A%2B1~%28x%29%2A%21'],
    ['urllib.parse.quote_plus', odd, 'p%C3%A4%22ss%27w%5Co%2Fr+d%0A%2B1~%28x%29%2A%21'],
    ['encodeURIComponent', odd, "p%C3%A4%22ss'w%5Co%2Fr%20d%0A%2B1~(x)*!"],
    ['URLSearchParams', odd, 'p%C3%A4%22ss%27w%5Co%2Fr+d%0A%2B1%7E%28x%29*%21'],
    ['lower-case percent encoding', odd, 'p%c3%a4%22ss%27w%5co%2fr+d%0a%2b1%7e%28x%29*%21'],
    ['hexadecimal', token, Buffer.from(token).toString('hex')],
    ['upper-case hexadecimal', token, Buffer.from(token).toString('hex').toUpperCase()],
    ['base64', token, Buffer.from(token).toString('base64')],
    ['base64 for URLs', 'a?>b?>c?>d', Buffer.from('a?>b?>c?>d').toString('base64url')],
  ])('as %s prints it', (_how, secret, printed) => {
    const shown = createMasker([secret])(`before ${printed} after`);
    expect(shown).toMatch(/^before .*\[masked\].* after$/s);
    // Quotes and what stands around the secret may stay.
    expect(shown.replaceAll(masked, '').length).toBeLessThanOrEqual('before { v: `` } after'.length);
  });

  it('in the base64 of any text that holds it', () => {
    const secret = fc.string({ unit: 'binary', minLength: leastLength + 1, maxLength: 60 });
    fc.assert(
      fc.property(
        secret,
        fc.string(),
        fc.string(),
        fc.constantFrom('base64' as const, 'base64url' as const),
        (value, before, after, how) => {
          const printed = Buffer.from(before + value + after).toString(how);
          const shown = createMasker([value])(printed);
          expect(shown).toContain(masked);
          // Of the secret's bytes at most one at each end can be read, and not all of its bits.
          expect(printed.length - shown.replace(masked, '').length).toBeGreaterThanOrEqual(
            (Buffer.byteLength(value) - 2) * (8 / 6),
          );
        },
      ),
      { numRuns: 30 },
    );
  });

  it('as a Telegram token that no variable holds, in a URL', () => {
    expect(createMasker([])(`url=https%3a%2F%2Fapi%2Fbot${encodeURIComponent(token)}%2FgetMe`)).toBe(
      `url=https%3a%2F%2Fapi%2Fbot${masked}%2FgetMe`,
    );
  });

  it('in plain however long it is and however many there are', () => {
    const values = Array.from({ length: 60 }, (_, i) => String(i).padStart(4, '0').repeat(1000));
    const mask = createMasker(values);
    for (const value of values) expect(mask(`x ${value} y`)).toBe(`x ${masked} y`);
  });

  it('in all forms only for the shortest of very many values, whose forms would fill the memory', () => {
    const short = 'short-secret-value';
    const long = Array.from({ length: 20 }, (_, i) => `${i}-${'abc+/='.repeat(300)}`);
    const mask = createMasker([...long, short]);
    expect(mask(Buffer.from(short).toString('hex'))).toBe(masked);
    expect(mask(Buffer.from(long.at(-1) ?? '').toString('hex'))).not.toContain(masked);
    expect(mask(encodeURIComponent(long.at(-1) ?? ''))).toBe(masked);
  });
});
