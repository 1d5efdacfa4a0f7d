import { describe, expect, test } from 'vitest';
import { platformOf } from './platform.ts';
import { prepareDockerfile } from './prepare.ts';
import type { DockerfileTerms } from './terms.ts';

const usual: DockerfileTerms = {
  platform: platformOf('linux', 'amd64', 'x86_64'),
  frontend: { syntax: 0 },
  buildArgs: {},
  target: '',
  cacheScope: 'uabc',
  addedImage: 'bot_image_x:g1.added',
};
const prepare = (text: string, choice: Partial<DockerfileTerms> = {}) =>
  prepareDockerfile(text, { ...usual, ...choice });
const prepared = (text: string, choice: Partial<DockerfileTerms> = {}) => {
  const result = prepare(text, choice);
  if (!result.ok) throw new Error(result.problem.message);
  return result.value;
};

describe('ADD of a URL', () => {
  const sum = 'ab'.repeat(32);
  const added = (text: string) => {
    const result = prepared(`FROM a\n${text}`);
    const lines = result.text.split('\n').filter((line) => line !== '');
    return [lines.slice(1), result.added] as const;
  };

  test('hostile 48: is a copy of what the worker fetches', () => {
    expect(added('ADD https://example.com/a/bot.bin /x')).toEqual([
      ['COPY --from=bot_image_x:g1.added /0/file /x'],
      [{ line: 2, url: 'https://example.com/a/bot.bin', sha256: undefined, mode: 0o600, name: 'file' }],
    ]);
    const url = 'https://example.com/a%20b?c=d';
    expect(added(`ADD --chown=1:1 --chmod=0755 --checksum=sha256:${sum} --link ${url} /x/`)).toEqual([
      ['COPY --from=bot_image_x:g1.added --chown=1:1 /0/ /x/'],
      [{ line: 2, url, sha256: sum, mode: 0o755, name: 'a b' }],
    ]);
    expect(added('ADD one https://example.com/1 two.tar three ["four" HTTP://example.com/2 /x/')[0]).toEqual([
      'ADD one /x/',
      'COPY --from=bot_image_x:g1.added /0/ /x/',
      'ADD ["two.tar", "three", "[\\"four\\"", "/x/"]',
      'COPY --from=bot_image_x:g1.added /1/ /x/',
    ]);
  });

  test.each<[string, string]>([
    ['ADD "ht"\\tp://127.0.0.1/x /x', 'http://127.0.0.1/x'],
    ['ADD http://127.0.0.1/x\\ /x', 'http://127.0.0.1/x'],
    ['ADD ["http://127.0.0.1/x", "/x"]', 'http://127.0.0.1/x'],
    ['ADD "http://127.0.0.1/x" /x', 'http://127.0.0.1/x'],
    ['ARG U=http://127.0.0.1/x\nADD $U /x', 'http://127.0.0.1/x'],
    ['ARG U=p\nADD htt${U}://127.0.0.1/x /x', 'http://127.0.0.1/x'],
  ])('is one however it is written: %j', (text, url) => {
    const [lines, files] = added(text);
    expect(lines.filter((line) => line.startsWith('ADD'))).toEqual([]);
    expect(files.map((file) => file.url)).toEqual([url]);
  });

  test('may have its address in variables', () => {
    const text = `ARG V=1
FROM a AS one
ENV HOST=example.com
FROM one
ARG V
ARG X=y
ENV U=https://$HOST/$V FILE=bot-$X.tar
ADD $U/\${FILE} /x
ADD bot-$X.tar x-$NEVER.tar $FILE /x/
`;
    const result = prepared(text, { buildArgs: { V: '2' } });
    expect(result.added.map(({ url }) => url)).toEqual(['https://example.com/2/bot-y.tar']);
    expect(result.text).toContain('\nADD bot-$X.tar x-$NEVER.tar bot-y.tar /x/\n');
  });

  test.each<[string, RegExp]>([
    ['ADD $NEVER /x', /any URL/],
    ['ARG X\nADD $X /x', /any URL/],
    ['ENV X=$NEVER\nARG X=a\nADD $X /x', /any URL/],
    ['ADD g$X /x', /any URL/],
    ['ENV X="a b"\nADD $X /x', /any URL/],
    ['ADD git://example.com/x /x', /git repository/],
    ['ADD ssh://git@example.com/x /x', /git repository/],
    ['ADD me@example.com:x /x', /git repository/],
    ['ADD https://example.com/x.git#main /x', /git repository/],
    ['ENV X=https://example.com/x.git\nADD $X /x', /git repository/],
    ['ADD https://example.com/ /x/', /without a file name/],
    ['ADD https://example.com/a%2Fb /x/', /without a file name/],
    ['ADD --checksum=sha256:12 https://example.com/x /x', /not a SHA-256/],
    [`ADD --checksum=sha512:${sum} https://example.com/x /x`, /not a SHA-256/],
    ['ADD --chmod=u+x https://example.com/x /x', /not a number in octal/],
    ['ADD --keep-git-dir=true https://example.com/x /x', /ADD --keep-git-dir=true/],
    ['ADD --exclude=x https://example.com/x /x', /ADD --exclude/],
    [`ADD --checksum=sha256:${sum} x https://example.com/x /x/`, /at once/],
    [`ADD --checksum=sha256:${sum} x /x`, /ADD --checksum/],
    [`ENV X=x\nADD --checksum=sha256:${sum} $X /x`, /ADD --checksum/],
    ['ONBUILD ADD https://example.com/x /x', /ONBUILD ADD of a URL/],
    ['ONBUILD ADD $X /x', /ONBUILD ADD of a URL/],
    ['ADD https://example.com/x /x\n'.repeat(51), /more than 50 files/],
  ])('is refused: %s', (text, message) => {
    expect(prepare(`FROM a\n${text}`)).toMatchObject({
      ok: false,
      problem: { code: 'BUILD_FAILED', message: expect.stringMatching(message), hint: expect.stringMatching(/./) },
    });
  });
});
