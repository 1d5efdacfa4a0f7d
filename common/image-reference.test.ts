import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { imageName } from './ids.ts';
import { formatImageReference, parseImageReference } from './image-reference.ts';

const sha = 'a'.repeat(64);
const verdict = (text: unknown, allow: readonly string[] = []) => {
  const result = parseImageReference(text, allow);
  return result.ok ? formatImageReference(result.value) : result.problem.code;
};

describe('an image reference', () => {
  test.each([
    ['python', 'python:latest'],
    ['python:3.11-slim', 'python:3.11-slim'],
    ['me/bot', 'me/bot:latest'],
    ['docker.io/library/python:3', 'docker.io/library/python:3'],
    ['ghcr.io/me/my-bot:1.0', 'ghcr.io/me/my-bot:1.0'],
    ['registry.example.com:5000/a/b/c', 'registry.example.com:5000/a/b/c:latest'],
    ['Registry.Example.com/me/bot', 'registry.example.com/me/bot:latest'],
    [`python@sha256:${sha}`, `python@sha256:${sha}`],
    [`ghcr.io/me/bot:1@sha256:${sha}`, `ghcr.io/me/bot:1@sha256:${sha}`],
    ['a__b/c--d/e.f_g', 'a__b/c--d/e.f_g:latest'],
    ['localhost', 'localhost:latest'],
    ['deadbeefcafe:latest', 'deadbeefcafe:latest'],
    ['deadbeef', 'deadbeef:latest'],
    ['8.8.8.8/x', '8.8.8.8/x:latest'],
    [`x:${'t'.repeat(128)}`, `x:${'t'.repeat(128)}`],
    ['ghcr.io/me/bot_image_tools:1', 'ghcr.io/me/bot_image_tools:1'],
    ['a'.repeat(255), `${'a'.repeat(255)}:latest`],
  ])('%s is read as %s', (text, formatted) => {
    expect(verdict(text)).toBe(formatted);
  });

  test('is split into its parts', () => {
    expect(parseImageReference(`ghcr.io/me/bot:1@sha256:${sha}`)).toEqual({
      ok: true,
      value: { registry: 'ghcr.io', repository: 'me/bot', tag: '1', digest: `sha256:${sha}` },
    });
    expect(parseImageReference('me/bot')).toEqual({ ok: true, value: { repository: 'me/bot', tag: 'latest' } });
  });

  test.each([[undefined], [null], ['']])('%j is missing', (text) => {
    expect(verdict(text)).toBe('MISSING_DOCKER_IMAGE');
  });

  test.each([
    [5],
    [{}],
    [' '],
    ['a b'],
    ['b388826eb31f'],
    ['a'.repeat(63)],
    ['UPPER/x'],
    ['Python'],
    ['http://r/x'],
    ['https://ghcr.io/me/bot'],
    ['docker://ghcr.io/me/bot'],
    ['-x'],
    ['--all'],
    ['a@sha256:short'],
    [`a@md5:${sha}`],
    [`a@sha256:${sha.toUpperCase()}`],
    [`a@sha256:${sha}@sha256:${sha}`],
    ['x'.repeat(300)],
    [`x:${'t'.repeat(129)}`],
    ['x:'],
    ['x@'],
    ['x/'],
    ['/x'],
    ['x//y'],
    ['..'],
    ['../x'],
    ['a/../b'],
    ['a/.b'],
    ['a..b'],
    ['a___b'],
    ['a-'],
    ['-a/b'],
    ['реестр.рф/x'],
    ['ghcr.io/я'],
    ['x:y:z'],
    ['x:.y'],
    ['a\nb'],
    ['python\n'],
    ['python\u0000'],
    ['$(id)'],
    ['r.example:0/x'],
    ['r.example:99999/x'],
    ['r.example:/x'],
    ['r.example:5a/x'],
    ['-r.example/x'],
    ['[::1/x'],
    ['r.example/'],
    ['1.2.3.4.5/x'],
    [`sha256:${sha}`],
    ['sha256:aaaaaaaaaaaa'],
    [sha],
    ['bot_image_abc:g1'],
    ['docker.io/library/bot_image_abc'],
    ['library/bot_image_abc'],
    ['x'.repeat(1_000_000)],
  ])('%# is refused', (text) => {
    expect(verdict(text)).toBe('INVALID_IMAGE_NAME');
  });

  test.each([
    'localhost/x',
    'localhost:5000/x',
    '127.0.0.1:5000/x',
    '0x7f000001:5000/x',
    '2130706433:5000/x',
    '127.1/x',
    '169.254.169.254/x',
    '10.0.0.5:22/x',
    '172.17.0.1:5000/x',
    '[::1]:5000/x',
    '[fd00::1]/x',
    'registry:5000/x',
    'metadata.google.internal/x',
    'user@ghcr.io/x',
    'user:pass@ghcr.io/me/bot:1',
  ])('%s leads to a registry that is forbidden', (text) => {
    expect(verdict(text)).toBe('FORBIDDEN_REGISTRY');
    expect(JSON.stringify(parseImageReference(text))).not.toContain('user:pass');
  });

  test('of a registry that the operator lists is accepted', () => {
    const allow = ['127.0.0.1:5000', 'registry:443'];
    expect(verdict('127.0.0.1:5000/me/bot', allow)).toBe('127.0.0.1:5000/me/bot:latest');
    expect(verdict('registry:443/me/bot', allow)).toBe('registry:443/me/bot:latest');
    expect(verdict('127.0.0.1:5001/me/bot', allow)).toBe('FORBIDDEN_REGISTRY');
    expect(verdict('u:p@127.0.0.1:5000/me/bot', allow)).toBe('FORBIDDEN_REGISTRY');
  });

  test.each([
    ['ghcr.io/Me/Bot:1.0', /lower case/, 'Write ghcr.io/me/bot:1.0; upper case is only allowed in the tag.'],
    ['Python', /lower case/, 'Write python; upper case is only allowed in the tag.'],
    [
      `GHCR.io/Me/bot:V1@sha256:${sha}`,
      /lower case/,
      `Write ghcr.io/me/bot:V1@sha256:${sha}; upper case is only allowed in the tag.`,
    ],
    ['ghcr.io/me/bot 1', /a space/, undefined],
    ['ghcr.io/me/bot:1\n', /a line end/, undefined],
    ['ghcr.io/<user>/bot', /placeholder/, undefined],
    ['ghcr.io/${USER}/bot', /placeholder/, undefined],
    ['ghcr.io/me/bot:', /no tag/, undefined],
    ['ghcr.io/Me/..', /is not valid/, undefined],
  ])('%s is refused by its fault', (text, message, hint) => {
    const result = parseImageReference(text);
    expect(result).toMatchObject({ ok: false, problem: { message: expect.stringMatching(message) } });
    if (!result.ok && hint !== undefined) expect(result.problem.hint).toBe(hint);
  });

  test('of an image that a worker built for anybody is refused', () => {
    expect(verdict(imageName({ userId: 'a', botId: 'b' }, 1))).toBe('INVALID_IMAGE_NAME');
  });

  test('that is accepted is read the same again, and always has a tag or a digest', () => {
    const piece = fc.oneof(
      fc.constantFrom('a', 'b0', '.', '_', '-', '/', ':', '@', `sha256:${sha}`, 'ghcr.io', 'localhost', ':5000', 'A'),
      fc.string({ maxLength: 2 }),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 8 }), (pieces) => {
        const first = parseImageReference(pieces.join(''), ['localhost:443', 'localhost:5000']);
        if (!first.ok) return;
        expect(first.value.tag ?? first.value.digest).toBeDefined();
        const text = formatImageReference(first.value);
        expect(text).toMatch(/^[a-z0-9[][\w.:@/[\]-]*$/);
        expect(parseImageReference(text, ['localhost:443', 'localhost:5000'])).toEqual(first);
      }),
      { numRuns: 3000 },
    );
  });
});
