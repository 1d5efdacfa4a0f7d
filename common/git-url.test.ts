import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { checkGitRef, checkGitSubdir, parseGitUrl } from './git-url.ts';

const verdict = (text: unknown, allow: readonly string[] = []) => {
  const result = parseGitUrl(text, allow);
  return result.ok ? result.value : result.problem.code;
};
const hint = (text: string) => {
  const result = parseGitUrl(text, []);
  return result.ok ? '' : result.problem.hint;
};

describe('a git URL', () => {
  test.each([
    'https://github.com/me/bot.git',
    'https://github.com/me/bot',
    'https://gitlab.com/group/sub/bot.git',
    'https://git.example.com:8443/me/bot',
    'https://dev.azure.com/org/project/_git/repo',
  ])('%s is accepted', (url) => {
    expect(verdict(url)).toBe(url);
  });

  test.each([
    [undefined],
    [''],
    [5],
    ['ext::sh -c touch% /tmp/x'],
    ['fd::17'],
    ['file:///srv/repo'],
    ['/srv/repo'],
    ['./repo'],
    ['../repo'],
    ['git://github.com/me/bot.git'],
    ['ssh://git@github.com/me/bot.git'],
    ['git@github.com:me/bot.git'],
    ['git@-oProxyCommand=x:y'],
    ['http://github.com/me/bot.git'],
    ['ftp://github.com/me/bot.git'],
    ['--upload-pack=touch /tmp/x'],
    ['-https://github.com/me/bot.git'],
    ['https://-oProxyCommand/me/bot'],
    ['https://user:pass@github.com/me/bot.git'],
    ['https://token@github.com/me/bot.git'],
    ['https://github.com%0ahost/me/bot'],
    ['https://github.com/me/bot%0a.git'],
    ['https://github.com/me/bot.git\nx'],
    ['https://git hub.com/me/bot'],
    ['https://github.com/me/bot.git#main'],
    ['https://github.com/me/bot.git?x=1'],
    ['https://github.com'],
    ['https://github.com/me/bot/archive/main.tar.gz'],
    [`https://github.com/${'x'.repeat(3000)}`],
  ])('%j is refused', (url) => {
    expect(verdict(url)).toBe('INVALID_GIT_URL');
  });

  test.each([
    'https://127.0.0.1/me/bot.git',
    'https://0x7f000001/me/bot.git',
    'https://localhost/me/bot',
    'https://[::1]/me/bot',
    'https://169.254.169.254/me/bot',
    'https://gitea:3000/me/bot',
  ])('%s is refused for where it leads', (url) => {
    expect(verdict(url)).toBe('FORBIDDEN_URL');
  });

  test('may be http, or private, only where the operator lists it', () => {
    const allow = ['127.0.0.1:3000'];
    expect(verdict('http://127.0.0.1:3000/me/bot.git', allow)).toBe('http://127.0.0.1:3000/me/bot.git');
    expect(verdict('https://127.0.0.1:3000/me/bot.git', allow)).toBe('https://127.0.0.1:3000/me/bot.git');
    expect(verdict('http://127.0.0.1:3001/me/bot.git', allow)).toBe('INVALID_GIT_URL');
  });

  test('that is refused comes with what to write instead', () => {
    expect(hint('git@github.com:me/bot.git')).toContain('https://github.com/me/bot.git');
    expect(hint('ssh://git@gitlab.com:22/me/bot.git')).toContain('https://gitlab.com/me/bot.git');
    expect(hint('https://me:pw@github.com/me/bot')).toContain('git_auth');
    expect(hint('https://github.com/me/bot/archive/main.tar.gz')).toContain('archive_url');
    expect(hint('http://github.com/me/bot')).toContain('https://');
  });

  test('is never repeated when it is refused: it may hold a password', () => {
    for (const url of ['https://me:canary-99@github.com/me/bot', 'git@canary-99:x y', 'ssh://me:canary-99@h/x']) {
      expect(JSON.stringify(parseGitUrl(url, []))).not.toContain('canary-99');
    }
  });
});

describe('a branch or tag', () => {
  test.each([
    'main',
    'v1.2',
    'feature/new-bot',
    'feature/#123',
    'релиз',
    'a@b',
    'x'.repeat(244),
    'deadbeef',
    'Head',
    '0123456789abcdef0123456789abcdef01234567',
    'F'.repeat(64),
  ])('%s is accepted', (ref) => {
    expect(checkGitRef(ref)).toEqual({ ok: true, value: ref });
  });
  test.each([undefined, null, ''])('%j stands for the default branch', (ref) => {
    expect(checkGitRef(ref)).toEqual({ ok: true, value: '' });
  });
  test.each([
    [5],
    [['main']],
    ['a..b'],
    ['@{-1}'],
    ['main@{1}'],
    ['@'],
    ['refs/../x'],
    ['refs/heads/main'],
    ['HEAD'],
    ['FETCH_HEAD'],
    ['main;rm'],
    ['$(id)'],
    ['`id`'],
    ['a b'],
    ['a\nb'],
    ['a\0'],
    ['a~1'],
    ['a^'],
    ['a:b'],
    ['a?'],
    ['a*'],
    ['a[b'],
    ['a\\b'],
    ['-u'],
    ['--upload-pack=x'],
    ['/a'],
    ['a/'],
    ['a//b'],
    ['.a'],
    ['a/.b'],
    ['a.'],
    ['a.lock'],
    ['a.lock/b'],
    ['a\u202eb'],
    ['a\ud800'],
    ['x'.repeat(245)],
    ['x'.repeat(1_000_000)],
  ])('%# is refused', (ref) => {
    expect(checkGitRef(ref)).toMatchObject({ ok: false, problem: { code: 'INVALID_GIT_REF' } });
  });

  test('that is accepted keeps the rules of git-check-ref-format(1), whatever it is', () => {
    const piece = fc.oneof(
      fc.constantFrom('..', '.', '/', '@', '{', '@{', '.lock', '-', '~', ' ', '\\', '*', 'main', 'a'),
      fc.string({ maxLength: 2 }),
    );
    fc.assert(
      fc.property(fc.array(piece, { minLength: 1, maxLength: 6 }), (pieces) => {
        const ref = pieces.join('');
        if (ref === '' || !checkGitRef(ref).ok) return;
        expect(ref).not.toMatch(/\.\.|@\{|\/\/|[\u0000-\u0020\u007f~^:?*[\\]|(^|\/)\.|\.lock(\/|$)|^\/|[./]$|^-|^@$/);
      }),
      { numRuns: 2000 },
    );
  });
});

describe('a folder of a repository', () => {
  test.each([
    [undefined, ''],
    [null, ''],
    ['', ''],
    ['.', ''],
    ['./', ''],
    ['bots/echo', 'bots/echo'],
    ['bots/echo/', 'bots/echo'],
    ['./bots', 'bots'],
  ])('%j is read', (subdir, path) => {
    expect(checkGitSubdir(subdir)).toEqual({ ok: true, value: path });
  });
  test.each([['..'], ['/'], ['/etc'], ['a/../../etc'], ['.//etc'], ['a//'], ['-x'], ['a\\b'], ['a\n'], [7]])(
    '%j is refused',
    (subdir) => {
      expect(checkGitSubdir(subdir)).toMatchObject({
        ok: false,
        problem: { code: 'INVALID_FILE_PATH', details: { field: 'git_subdir' } },
      });
    },
  );
});
