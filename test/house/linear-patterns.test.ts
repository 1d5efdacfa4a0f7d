/** No regular expression of our programs takes more than linear time: what others write is matched with them. */
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { slowTextOf } from './regex-growth.ts';
import { regexLiteralsOf } from './regex-literals.ts';

const root = join(import.meta.dirname, '..', '..');
const files = globSync('{cli,common,orchestrator,worker}/**/*.{ts,js,mjs}', { cwd: root }).filter(
  (file) => !file.endsWith('.test.ts'),
);

it.each([
  [/[a-z][a-z0-9+.-]*:\/\/([^\s/?#@]+)@/gi],
  [/\/+$/],
  [/@.*\//],
  [/^\s*ARG\s+(.*)$/i],
  [/^(?:[A-Za-z0-9._:/@-]|\$\w+|\$\{\w+\})+$/],
  [/repository '.*' not found/i],
  [/(a+)+$/],
])('finds what makes %s slow', (pattern) => {
  expect(slowTextOf(pattern.source, pattern.flags)).toBeDefined();
});

it.each([[/^[a-z0-9_-]{1,64}$/], [/^(?:\.\/)+/], [/^[0-9]+$/], [/--from=(\S*)/gi], [/[\\`][ \t]*\n/g]])(
  'leaves %s alone',
  (pattern) => {
    expect(slowTextOf(pattern.source, pattern.flags)).toBeUndefined();
  },
);

it('finds patterns between all that looks like them', () => {
  const source =
    "const a = b / c / d; /* /no/ */ const x = '/no/'; // /no/\nreturn /y[/]es\\/1/g.test(`/no/${e.replace(/yes2/, '')}/no/`) && f(/yes3/u);";
  expect(regexLiteralsOf(source).map(({ pattern, flags }) => `${pattern} ${flags}`)).toEqual([
    'y[/]es\\/1 g',
    'yes2 ',
    'yes3 u',
  ]);
});

it('no pattern of our programs is slow on any text: write a scan, or bound what repeats', () => {
  const patterns = files.flatMap((file) =>
    regexLiteralsOf(readFileSync(join(root, file), 'utf8')).map((literal) => ({ file, ...literal })),
  );
  expect(patterns.length).toBeGreaterThan(150);
  const slow = patterns.flatMap(({ file, line, pattern, flags }) => {
    const text = slowTextOf(pattern, flags);
    return text === undefined ? [] : [`${file}:${line} /${pattern}/${flags} on ${JSON.stringify(text)}`];
  });
  expect(slow).toEqual([]);
}, 240_000);

// Put together out of parts that are written out; their users' texts are tried whole in test/linear.
const putTogether = [
  'common/image-reference.ts',
  'common/safe-path.ts',
  'common/requirements/plain.ts',
  'cli/options/env-file.ts',
];

it('no other pattern is put together at run time, where its text cannot be read', () => {
  const found = files.filter((file) => /\bRegExp\(/.test(readFileSync(join(root, file), 'utf8')));
  expect(found.filter((file) => !putTogether.includes(file))).toEqual([]);
});
