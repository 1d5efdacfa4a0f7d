import { describe, expect, it } from 'vitest';
import { decodePipText, mentionOf, pipLines } from './pip-text.ts';

describe('the lines of a requirements file', () => {
  it('are joined, without comments, and know where they begin', () => {
    const text =
      '# head\r\naiogram>=3.0,<4 \\\r\n  --hash=sha256:aa \\\r\n  --hash=sha256:bb\r\n\r\n  httpx  # why\nx @ https://h/x.zip#sha=1\n';
    expect(pipLines(text)).toEqual([
      { text: 'aiogram>=3.0,<4   --hash=sha256:aa   --hash=sha256:bb', number: 2 },
      { text: 'httpx', number: 6 },
      { text: 'x @ https://h/x.zip#sha=1', number: 7 },
    ]);
  });

  it('end where a comment stands in between, as for pip', () => {
    expect(pipLines('a \\\n# no\nb').map(({ text }) => text)).toEqual(['a', 'b']);
    expect(pipLines('a\\')).toEqual([{ text: 'a', number: 1 }]);
  });
});

it.each([
  ['UTF-8', Buffer.from('café')],
  ['UTF-8 with a mark', Buffer.from('\ufeffcafé')],
  ['UTF-16, as PowerShell writes it', Buffer.from('\ufeffcafé', 'utf16le')],
  ['UTF-16 of the other order', Buffer.from('\ufeffcafé', 'utf16le').swap16()],
  ['Latin-1', Buffer.from('café', 'latin1')],
  ['UTF-32', Buffer.from([0xff, 0xfe, 0, 0, ...[...'café'].flatMap((letter) => [letter.charCodeAt(0), 0, 0, 0])])],
])('%s is read', (_name, bytes) => {
  expect(decodePipText(bytes)).toBe('café');
});

it.each<[string, unknown]>([
  ['-r base.txt', { kind: 'file', path: 'base.txt' }],
  ['-rbase.txt', { kind: 'file', path: 'base.txt' }],
  ['--requirement=../base.txt', { kind: 'file', path: '../base.txt' }],
  ['--requirement "a b.txt"', { kind: 'file', path: 'a b.txt' }],
  ['-c limits.txt', { kind: 'file', path: 'limits.txt' }],
  ['--constraint https://example.org/c.txt', undefined],
  ['-e .', { kind: 'source' }],
  ['--editable=./lib[x]', { kind: 'source' }],
  ['-e git+https://example.org/x.git#egg=x', undefined],
  ['-f wheels', { kind: 'source' }],
  ['--find-links https://example.org/', undefined],
  ['--index-url https://example.org/simple', undefined],
  ['--no-binary :all:', undefined],
  ['.', { kind: 'source' }],
  ['.[extra]', { kind: 'source' }],
  ['./pkg', { kind: 'source' }],
  ['pkg/', { kind: 'source' }],
  ['a-1.0-py3-none-any.whl', { kind: 'source' }],
  ['file:./pkg', { kind: 'source' }],
  ['a @ file:///app/pkg', { kind: 'source' }],
  ['a @ https://example.org/a.zip', undefined],
  ['git+https://example.org/a.git@main', undefined],
  ['aiogram>=3,<4 ; python_version > "3.8" --hash=sha256:ab/cd', undefined],
])('%s names %j', (line, expected) => {
  expect(mentionOf(line)).toEqual(expected);
});
