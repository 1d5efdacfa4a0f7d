import fc from 'fast-check';
import { expect, it } from 'vitest';
import { matchesGlob, parseGlob } from './glob.ts';

const matches = (pattern: string, path: string): boolean => {
  const glob = parseGlob(pattern);
  if (glob === undefined) throw new Error(`${pattern} is no pattern`);
  return matchesGlob(glob, path);
};

it.each<[string, string[], string[]]>([
  ['notes.txt', ['notes.txt'], ['notes1txt', 'notes.txt2', 'a/notes.txt', '']],
  ['*', ['a', '.env', 'a b'], ['a/b']],
  ['*.md', ['README.md', '.md'], ['docs/README.md', 'README.mdx']],
  ['docs/*.md', ['docs/a.md'], ['docs/a/b.md', 'a/docs/b.md']],
  ['?.py', ['a.py', 'é.py', '😀.py'], ['ab.py', '.py', '/.py']],
  ['a?c', ['abc'], ['ac', 'a/c']],
  ['**', ['a', 'a/b/c', '.git/x'], []],
  ['**/tmp', ['tmp', 'a/tmp', 'a/b/tmp'], ['xtmp', 'a/xtmp', 'tmp/a']],
  ['tmp/**', ['tmp/a', 'tmp/a/b'], ['tmp', 'tmpa']],
  ['a/**/z', ['a/z', 'a/b/z', 'a/b/c/z'], ['az', 'a/bz', 'a/z/b']],
  ['**/a/**', ['a/x', 'b/a/x/y'], ['a', 'ba/x']],
  ['**/*.pyc', ['x.pyc', 'a/b/x.pyc'], ['x.py', 'x.pyc/a']],
  ['**x', ['x', 'a/x', 'a/b/x'], ['ax']],
  ['a**b', ['ab', 'a/b', 'ax/b', 'ax/y/b'], ['axb']],
  ['x*y*z', ['xyz', 'x1y2z', 'xyyzz'], ['xz', 'xy/z']],
  ['[a-c].py', ['a.py', 'c.py'], ['d.py', '-.py', 'ab.py']],
  ['[^a-c].py', ['d.py', '-.py'], ['a.py']],
  ['[ax]', ['a', 'x'], ['b', 'ax']],
  ['[a\\-c]', ['a', '-', 'c'], ['b']],
  ['\\*', ['*'], ['a', '\\*']],
  ['a+(b).{c}|$^', ['a+(b).{c}|$^'], ['aab.c']],
])('%j matches all of %j and none of %j', (pattern, good, bad) => {
  expect(good.filter((path) => !matches(pattern, path))).toEqual([]);
  expect(bad.filter((path) => matches(pattern, path))).toEqual([]);
});

it.each(['[', '[a', '[]', '[]a]', '[^]', '[a-]', '[-a]', 'a\\', '[\\'])('%j is no pattern', (pattern) => {
  expect(parseGlob(pattern)).toBeUndefined();
});

it('matches as the regular expression that Docker makes of the pattern', () => {
  const pieces = ['**/', '**', '*', '?', '/', 'a', 'b', '.', 'ab'];
  const pattern = fc.array(fc.constantFrom(...pieces), { minLength: 1, maxLength: 5 }).map((parts) => parts.join(''));
  const path = fc.array(fc.constantFrom('a', 'b', '.', '/'), { maxLength: 8 }).map((letters) => letters.join(''));
  fc.assert(
    fc.property(pattern, path, (text, name) => {
      expect(matches(text, name)).toBe(asRegExp(text).test(name));
    }),
    { numRuns: 3000 },
  );
});

function asRegExp(pattern: string): RegExp {
  const source = pattern.replace(/\*\*\/?|\*|\?|\./g, (piece, at: number) => {
    if (piece.startsWith('**')) return at + piece.length === pattern.length ? '.*' : '(.*/)?';
    return { '*': '[^/]*', '?': '[^/]', '.': '\\.' }[piece] ?? piece;
  });
  return new RegExp(`^${source}$`);
}

it('takes no long time for a pattern that sends regular expressions astray', () => {
  const pattern = `${'**/*a'.repeat(40)}b`;
  const path = 'a/'.repeat(200);
  const began = performance.now();
  expect(matches(pattern, path)).toBe(false);
  expect(performance.now() - began).toBeLessThan(2_000);
});
