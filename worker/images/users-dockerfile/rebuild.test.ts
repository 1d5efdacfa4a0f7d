import { describe, expect, it } from 'vitest';
import { engineFrontend } from './frontend.ts';
import { platformOf } from './platform.ts';
import { prepareDockerfile } from './prepare.ts';
import type { DockerfileTerms } from './terms.ts';

const usual: DockerfileTerms = {
  platform: platformOf('linux', 'amd64', 'x86_64'),
  frontend: { syntax: 20 },
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
const lines = (text: string, choice: Partial<DockerfileTerms> = {}) =>
  prepared(text, choice)
    .text.split('\n')
    .filter((line) => line !== '');

const otherwise = /<< in line 2 of the Dockerfile .* engines interpret differently/;

describe('one spelling', () => {
  it.each<[string, string]>([
    ['copy --link=true "a b" c /x', 'COPY --link=true ["\\"a", "b\\"", "c", "/x"]'],
    ['COPY ["a b", "c", "/x y/"]', 'COPY ["a b", "c", "/x y/"]'],
    ['COPY [ "a" ,"/x" ]', 'COPY a /x'],
    ['COPY\tx\t/x', 'COPY x /x'],
    ['COPY a\\ b /x', 'COPY ["a\\\\", "b", "/x"]'],
    ['ADD --chmod=755 x /x', 'ADD --chmod=755 x /x'],
    ['RUN [ "sh","-c" , "cat <<EOF" ]', 'RUN ["sh", "-c", "cat <<EOF"]'],
    ['RUN [ -f x ] && true', 'RUN [ -f x ] && true'],
    ['RUN -- --odd', 'RUN -- --odd'],
    ['RUN echo "<<EOF"', 'RUN echo "<<EOF"'],
    ['RUN echo "\u00a0<< EOF" $((1<<3))', 'RUN echo "\u00a0<< EOF" $((1<<3))'],
    ['RUN echo ${X:-y} $((1<<3)) <<<z', 'RUN echo ${X:-y} $((1<<3)) <<<z'],
    ['RUN ["sh", "-c", "cat << EOF ${X:-y}"]', 'RUN ["sh", "-c", "cat << EOF ${X:-y}"]'],
    ['RUN --network=none true', 'RUN --network=none true'],
    ['RUN --security=sandbox true', 'RUN true'],
  ])('%j', (text, expected) => {
    expect(lines(`FROM a\n${text}`)).toEqual(['FROM a', expected]);
  });

  it('of stages: a name in lower case, a number as it is counted', () => {
    const text = `FROM a AS One
FROM b AS TWO
COPY --from=ONE /x /x
COPY --from=00 /x /x
RUN --mount=from=oNe,target=/m true
FROM tWo
COPY --from=1 /x /x
`;
    expect(lines(text)).toEqual([
      'FROM a AS one',
      'FROM b AS two',
      'COPY --from=one /x /x',
      'COPY --from=0 /x /x',
      'RUN --mount=type=bind,from=one,target=/m true',
      'FROM two',
      'COPY --from=1 /x /x',
    ]);
    expect(prepared(text).bases).toEqual(['a', 'b']);
  });

  it.each<[string, RegExp]>([
    // Engines take it for a part of an image's id.
    ['COPY --from=99999999999999999999 / /x', /the stage 9+, which does not come before/],
    ['COPY --from=0 / /x', /the stage 0, which does not come before/],
    ['FROM a AS b\nCOPY --from=B / /x', /the stage B, which does not come before/],
    ['FROM a AS b\nFROM c AS B\nCOPY --from=b / /x', /second stage with the name B/],
    // Engines before 28 stop reading at the end of the list.
    ['RUN ["true"] <<EOF\nCOPY --from=0 / /x\nEOF', /text behind the JSON list of RUN/],
    ['ADD ["http://127.0.0.1/x","/x"] y', /text behind the JSON list of ADD/],
    ['ADD \u00a0["http://127.0.0.1/x","/x"] /y', /text behind the JSON list of ADD/],
    ['ADD ["http://127.0.0.1/x]","/x"]]', /text behind the JSON list of ADD/],
    // BuildKit finds no here-document in a line with a substitution that it does not know.
    ['RUN echo ${x^^} <<EOF\nCOPY --from=bot_image_x:g1 / /x\nEOF', /a line that engines interpret differently/],
    ["RUN echo 'a <<EOF\nx\nEOF\nRUN b' <<EOF\nx\nEOF", /unknown instruction|interpret differently/],
    ['RUN cat <<"E OF"\nx\nE OF', /interpret differently/],
    ['RUN \u00a0["true"] <<EOF\nx\nEOF', /interpret differently/],
    ['ONBUILD RUN <<EOF\ntrue\nEOF', /ONBUILD RUN <<EOF/],
    ['RUN --mount=type=bind,from=bot_image_aaaa:g1,target=/m true', /names an image that may not be used/],
    ['RUN --mount=from=$X,target=/m true', /does not name a stage or an image plainly/],
    ['RUN --mount=type=bind,from=b,from=c,target=/m true', /gives "from" twice/],
    ['RUN --mount=type=cache true', /has no target/],
    ['RUN --mount=type=odd,target=/m true', /has no type of bind, cache or tmpfs/],
    ['RUN --mount=type=cache,target=/m,sharing=all true', /a "sharing" that cannot be used/],
    ['RUN --mount=type=cache,target=/m,weird=1 true', /a "weird" that cannot be used/],
    ['RUN --mount=type=secret,id=x cat /run/secrets/x', /builds have no secrets/],
    ['RUN --mount=type=ssh git clone x', /builds have no SSH keys/],
    ['RUN --network=host true', /RUN --network=host in line 2: builds may not use that/],
    ['RUN --security=insecure true', /RUN --security=insecure in line 2: builds may not use that/],
    ['RUN --device=nvidia true', /RUN --device=nvidia in line 2/],
    ['CMD a\\ \\\n', /ends in an escape character/],
    // Engines drop carriage returns at the end of a line, and the escape character before them joins the next one.
    ['ARG A=x\\\r \nFROM b AS c\nFROM c', /ends in an escape character/],
    ['ARG A=x\\\v\nFROM b AS c\nFROM c', /ends in an escape character/],
    ['ARG A=x\\  B=y', /ends in an escape character/],
    ['ONBUILD ARG A=x\\\r \nFROM b AS c\nFROM c', /ends in an escape character/],
    ['RUN <<EOF echo \\\r \nEOF\nFROM b AS c\nRUN <<EOF\nEOF\nFROM c', /ends in an escape character/],
    // What an engine takes for the lines of a here-document, it does not take for instructions.
    ['RUN true\u00a0<<"RUN b"\nFROM b AS c\nRUN b\nFROM c', otherwise],
    ["RUN echo ${X:-'a <<EOF '}", otherwise],
    ['RUN echo ${X:-a <\\<EOF }', otherwise],
    ["RUN --mount=type=cache,target=/c,id=${X:- echo 'a <<EOF '}", otherwise],
    ["RUN --mount=type=cache,target=/c,id=\\$\\{X:- <<EOF echo 'a <<END '}\nEOF", otherwise],
    ['RUN cat << EOF', otherwise],
    ['RUN cat <<EOF << END\nEOF', /interpret differently/],
    ['RUN cat <<EOF x\u00a0<<END\nEOF', /interpret differently/],
    ['RUN echo ${1a} <<EOF\nCOPY --from=0 / /x\nEOF', /interpret differently/],
    ['ONBUILD RUN cat << EOF', otherwise],
    ['ADD <<EOF http://127.0.0.1/x /y/\nEOF', /ADD of a here-document and a URL in line 2: builds may not use that/],
    ['ARG X=http://127.0.0.1/x\nADD <<EOF $X /y/\nEOF', /ADD of a here-document and a URL in line 3/],
  ])('refused: %j', (text, message) => {
    expect(prepare(`FROM a\n${text}`)).toMatchObject({
      ok: false,
      problem: { code: 'BUILD_FAILED', message: expect.stringMatching(message), hint: expect.stringMatching(/./) },
    });
  });
});

describe('with BuildKit', () => {
  it('here-documents go along with the line that opens them', () => {
    const text = `FROM a
RUN <<EOF cat - <<-"END" > /x
# no comment
FROM bot_image_aaaa:g1
EOF
\tone $X
\tEND
COPY <<one <<two /x/
1
one
two
FROM b
`;
    expect(prepared(text).text).toBe(text.replace('\tEND', 'END'));
    expect(prepared(text).bases).toEqual(['a', 'b']);
  });

  it('a here-document ends where every engine finds its end', () => {
    expect(lines('FROM a\nRUN <<EOF\nEOF\r\r\nCMD a')).toEqual(['FROM a', 'RUN <<EOF', 'EOF', 'CMD a']);
  });

  it.each<[string, string]>([
    ['RUN --mount=type=cache,target=/c true', 'RUN --mount=type=cache,target=/c,id=uabc-/c true'],
    [
      'RUN --mount=type=cache,dst=/c,id=pip-$X,sharing=locked true',
      'RUN --mount=type=cache,target=/c,id=uabc-pip-$X,sharing=locked true',
    ],
    [
      'RUN --mount=target=/m,rw --mount=type=tmpfs,target=/t,size=1m true',
      'RUN --mount=type=bind,target=/m,readwrite --mount=type=tmpfs,target=/t,size=1m true',
    ],
    ['RUN --mount=from=img:1,target=/m,src=/x true', 'RUN --mount=type=bind,from=img:1,target=/m,source=/x true'],
    ['COPY --chmod=u+x --parents --exclude=*.md a /', 'COPY --chmod=u+x --parents --exclude=*.md a /'],
    ['ENV A=${B#x} C=${D/a/b}', 'ENV A=${B#x} C=${D/a/b}'],
    ['HEALTHCHECK --start-interval=1s CMD true', 'HEALTHCHECK --start-interval=1s CMD true'],
  ])('%s', (text, expected) => {
    expect(lines(`FROM a\n${text}`)).toEqual(['FROM a', expected]);
  });

  it('an image of a mount is one that the Dockerfile builds on', () => {
    const text = 'FROM a\nRUN --mount=from=img:1,target=/m true\nONBUILD RUN --mount=from=img:2,target=/m true';
    expect(prepared(text)).toMatchObject({ bases: ['a', 'img:1'], mentioned: ['img:2'] });
  });

  it.each<[string, string, RegExp]>([
    ['20.10.24+dfsg1', 'RUN <<EOF\ntrue\nEOF', /that needs the Dockerfile syntax 1\.4, and .* has 1\.2/],
    ['26.1.5+dfsg1', 'COPY --exclude=x a /', /COPY --exclude in line 2: that needs .* 1\.19, and .* has 1\.7/],
    ['28.5.2+dfsg4', 'COPY --parents a /', /COPY --parents in line 2: that needs .* 1\.20, and .* has 1\.19/],
    ['odd', 'RUN --network=none true', /1\.3, and .* has 1\.2/],
  ])('on engine %s gets an error that names what is missing: %s', (version, text, message) => {
    expect(prepare(`FROM a\n${text}`, { frontend: engineFrontend(version) })).toMatchObject({
      ok: false,
      problem: { message: expect.stringMatching(message) },
    });
  });
});

describe('build arguments and a target', () => {
  const text = `ARG BASE=python:3.11
ARG TAG
FROM \${BASE}\${TAG:+-\${TAG}} AS build
ARG USED
FROM scratch AS Final
ARG BASE
FROM other AS test
`;
  it('decide which images it builds on, and which stages are left', () => {
    expect(prepared(text).bases).toEqual(['python:3.11', 'other']);
    const buildArgs = { BASE: 'node:24', TAG: 'slim', NEVER: '1', http_proxy: 'x' };
    const result = prepared(text, { buildArgs, target: 'FINAL' });
    expect(result.bases).toEqual(['node:24-slim']);
    expect(result.text).not.toContain('other');
    expect(result.unused).toEqual(['NEVER']);
    expect(prepared(text, { target: '0' }).bases).toEqual(['python:3.11']);
  });

  it.each<[Partial<DockerfileTerms>, RegExp, RegExp]>([
    [{ target: 'nowhere' }, /no stage "nowhere"/, /build, final, test/],
    [{ target: '3' }, /no stage "3"/, /build, final, test/],
    [{ buildArgs: { BASE: 'bot_image_aaaa:g1' } }, /may not be used as a base/, /./],
    [{ buildArgs: { BASE: 'a b' } }, /does not resolve to an image name/, /./],
  ])('%j is refused', (choice, message, hint) => {
    expect(prepare(text, choice)).toMatchObject({
      ok: false,
      problem: { message: expect.stringMatching(message), hint: expect.stringMatching(hint) },
    });
  });
});
