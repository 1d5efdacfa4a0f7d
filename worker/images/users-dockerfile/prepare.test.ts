import { describe, expect, test } from 'vitest';
import { classicFrontend } from './frontend.ts';
import { platformOf } from './platform.ts';
import { prepareDockerfile } from './prepare.ts';

const amd64 = platformOf('linux', 'amd64', 'x86_64');
const plain = { frontend: classicFrontend, buildArgs: {}, target: '', cacheScope: 'scope', addedImage: 'added:1' };
const prepare = (text: string, platform = amd64) => prepareDockerfile(text, { ...plain, platform });
const prepared = (text: string, platform = amd64) => {
  const result = prepare(text, platform);
  if (!result.ok) throw new Error(result.problem.message);
  return result.value;
};
/** What the engine gets, without blank lines. */
const lines = (text: string, platform = amd64) =>
  prepared(text, platform)
    .text.split('\n')
    .filter((line) => line !== '');

describe('a Dockerfile is made ready for the engine', () => {
  test.each<[string, readonly string[]]>([
    ['FROM python:3.11-slim', ['FROM python:3.11-slim']],
    ['\uFEFFfrom python:3.11-slim\r\nrun pip \\\r\n  install x\r\n', ['FROM python:3.11-slim', 'RUN pip   install x']],
    ['FROM a\nRUN one && \\\n# comment\n\n  # another\n  two', ['FROM a', 'RUN one &&   two']],
    ['FROM a\nRUN echo a \\  \n b\nCMD ["x"]', ['FROM a', 'RUN echo a  b', 'CMD ["x"]']],
    ['FROM a\nRUN echo "# no comment"', ['FROM a', 'RUN echo "# no comment"']],
    ['FROM a\nRUN echo one \\', ['FROM a', 'RUN echo one']],
    ['# escape=`\nFROM a\nRUN dir C:\\\nRUN echo `\n  b', ['# escape=`', 'FROM a', 'RUN dir C:\\', 'RUN echo   b']],
    ['# Escape = `\n# syntax=docker/dockerfile:1\nFROM a\nRUN x `\ny', ['# escape=`', 'FROM a', 'RUN x y']],
    ['# comment\n# escape=`\nFROM a\nRUN echo `', ['FROM a', 'RUN echo `']],
    ['# syntax=docker/dockerfile:1.7-labs\nFROM a', ['FROM a']],
    ['# check=skip=all\n# syntax=docker.io/docker/dockerfile:1@sha256:00\nFROM a', ['FROM a']],
    ['FROM a\nCOPY --link --chown=1:1 x /x', ['FROM a', 'COPY --chown=1:1 x /x']],
    ['FROM a\nADD --link=false x /x\nCOPY --link --from=b x /x', ['FROM a', 'ADD x /x', 'COPY --from=b x /x']],
    ['FROM a\nCOPY --"from"=b\\:1 x /x', ['FROM a', 'COPY --from=b:1 x /x']],
    ['FROM a\nCOPY -- --odd /x', ['FROM a', 'COPY ["--odd", "/x"]']],
    ['FROM a\nRUN --network=default --security=sandbox true', ['FROM a', 'RUN true']],
    [
      'FROM a\nRUN cat <<<word; echo $((1<<2)) "<<EOF" "x << EOF"',
      ['FROM a', 'RUN cat <<<word; echo $((1<<2)) "<<EOF" "x << EOF"'],
    ],
    ['FROM a\nRUN ["sh", "-c", "cat <<EOF"]', ['FROM a', 'RUN ["sh", "-c", "cat <<EOF"]']],
    [
      "FROM a\nENV B=${A:-x} C=${A:+y} D=\\${A#x} E='${A#x}'",
      ['FROM a', "ENV B=${A:-x} C=${A:+y} D=\\${A#x} E='${A#x}'"],
    ],
    ['FROM a\nRUN echo ${A#x} ${A/x/y}', ['FROM a', 'RUN echo ${A#x} ${A/x/y}']],
    [
      'FROM a\nHEALTHCHECK --interval=5s --retries=3 CMD true',
      ['FROM a', 'HEALTHCHECK --interval=5s --retries=3 CMD true'],
    ],
    ['FROM a\nONBUILD COPY --link x /x', ['FROM a', 'ONBUILD COPY x /x']],
    ['FROM a\nADD bot-$V.tar.gz x://y /x', ['FROM a', 'ADD bot-$V.tar.gz x://y /x']],
    ['FROM a\nARG A B=1', ['FROM a', 'ARG A', 'ARG B=1']],
  ])('%j', (text, expected) => {
    expect(lines(text)).toEqual(expected);
  });

  test('and instructions keep their line numbers', () => {
    const { text } = prepared('# syntax=docker/dockerfile:1\n\nFROM a\nRUN b \\\n  c\n\nCMD d\n');
    expect(text.split('\n')).toEqual(['', '', 'FROM a', 'RUN b   c', '', '', 'CMD d', '']);
  });

  test.each([
    ['amd64', 'x86_64', 'linux/amd64', ''],
    ['arm64', 'aarch64', 'linux/arm64', ''],
    ['arm', 'armv7l', 'linux/arm/v7', 'v7'],
    ['arm', 'armv6l', 'linux/arm/v6', 'v6'],
  ])('with the variables of its platform on %s (%s)', (architecture, machine, platform, variant) => {
    const text =
      'FROM a\nARG TARGETARCH\nARG TARGETPLATFORM\nARG BUILDPLATFORM TARGETVARIANT\nARG BUILDOS\nONBUILD ARG TARGETOS';
    expect(lines(text, platformOf('linux', architecture, machine))).toEqual([
      'FROM a',
      `ARG TARGETARCH=${architecture}`,
      `ARG TARGETPLATFORM=${platform}`,
      `ARG BUILDPLATFORM=${platform}`,
      `ARG TARGETVARIANT=${variant}`,
      'ARG BUILDOS=linux',
      'ONBUILD ARG TARGETOS=linux',
    ]);
  });

  test.each([
    ['ARG TARGETARCH=riscv64', 'ARG TARGETARCH=riscv64'],
    ['ARG OTHER', 'ARG OTHER'],
  ])('and a value of its own is kept: %s', (arg, expected) => {
    expect(lines(`FROM a\n${arg}`)).toEqual(['FROM a', expected]);
    expect(lines(`ARG TARGETARCH=mips\nFROM a-$TARGETARCH\nARG TARGETARCH`).slice(1)).toEqual([
      'FROM a-mips',
      'ARG TARGETARCH',
    ]);
  });
});

describe('the images that a Dockerfile builds on', () => {
  test.each<[string, readonly string[], readonly string[]]>([
    ['ARG V=3.11\nFROM python:${V}-slim', ['FROM python:3.11-slim'], ['python:3.11-slim']],
    ['ARG BASE="python:3.11"\nFROM $BASE', ['FROM python:3.11'], ['python:3.11']],
    ['FROM ${BASE:-python:3.11-slim}', ['FROM python:3.11-slim'], ['python:3.11-slim']],
    ['ARG BASE\nFROM ${BASE:-${OTHER:-a:1}}', ['FROM a:1'], ['a:1']],
    ['ARG BASE=b\nFROM ${BASE:-a:1} AS One', ['FROM b AS one'], ['b']],
    ['ARG BASE=\nFROM ${BASE:-a}\nFROM ${BASE-b}c', ['FROM a', 'FROM c'], ['a', 'c']],
    ['ARG DEBUG=1\nFROM python:3.11${DEBUG:+-slim}', ['FROM python:3.11-slim'], ['python:3.11-slim']],
    ['FROM ${MIRROR}python:3.11-slim', ['FROM python:3.11-slim'], ['python:3.11-slim']],
    [
      'ARG MIRROR=reg.example/\nFROM ${MIRROR}python:3.11',
      ['FROM reg.example/python:3.11'],
      ['reg.example/python:3.11'],
    ],
    ['ARG A=python\nARG A=node\nFROM $A:24', ['FROM node:24'], ['node:24']],
    ['ARG A=python\nARG B=$A:3.11\nFROM $B', ['FROM python:3.11'], ['python:3.11']],
    ['ARG I=a:1\nFROM $I AS b\nARG I=x\nRUN true\nFROM $I', ['FROM a:1 AS b', 'FROM a:1'], ['a:1']],
    ['FROM --platform=$BUILDPLATFORM node:24 AS b', ['FROM node:24 AS b'], ['node:24']],
    ['FROM --platform=${TARGETPLATFORM:-x} a', ['FROM a'], ['a']],
    ['FROM --platform=linux/amd64 a\nFROM --platform=amd64 b', ['FROM a', 'FROM b'], ['a', 'b']],
    ['FROM --platform=linux/arm64 a', ['FROM --platform=linux/arm64 a'], ['a']],
    ['FROM a-$TARGETARCH', ['FROM a-amd64'], ['a-amd64']],
    [
      'FROM a:1 as One\nFROM scratch\nCOPY --from=one / /\nCOPY --from=other:2 / /\nCOPY --from=0 / /',
      ['FROM a:1 AS one', 'FROM scratch'],
      ['a:1', 'other:2'],
    ],
    ['FROM a AS b\nFROM B', ['FROM a AS b', 'FROM b'], ['a']],
  ])('%j', (text, froms, bases) => {
    const result = prepared(text);
    expect(result.text.split('\n').filter((line) => line.startsWith('FROM'))).toEqual(froms);
    expect(result.bases).toEqual(bases);
  });

  test.each([
    'FROM bot_image_aaaa:g1',
    'FROM docker.io/library/BOT_image_aaaa:g1',
    'FROM bot_\\\nimage_aaaa:g1',
    'FROM bot_\\\n# comment\nimage_aaaa:g1',
    '# escape=`\nFROM bot_`\nimage_aaaa:g1',
    'FROM "bot_"image_aaaa:g1',
    'FROM bot_\\image_aaaa:g1',
    'ARG A=bot_\nARG B=image_aaaa\nFROM ${A}${B}',
    'ARG A=bot_image_aaaa:g1\nFROM $A',
    'ARG A=bot_""image_aaaa:g1\nFROM $A',
    'ARG A=python\nARG A=bot_image_aaaa:g1\nFROM $A',
    'ARG B=image_a\nARG A=bot_$B\nFROM $A',
    'FROM ${A:-bot_}image_aaaa',
    'ARG A=1\nFROM bot_${A:+image}_aaaa',
    'FROM scratch\nCOPY --from=bot_image_aaaa:g1 / /x',
    'FROM scratch\nCOPY --fr\\om=bot_image_aaaa:g1 / /x',
    'FROM scratch\nCOPY --from="bot_""image_aaaa:g1" / /x',
    'FROM scratch\nCOPY --link --from=a --from=bot_image_aaaa:g1 / /x',
    'FROM scratch\nONBUILD COPY --from=bot_image_aaaa:g1 / /x',
    'FROM scratch\nCOPY --chown=a\u00a0--from=bot_image_aaaa:g1 / /x',
    'FROM scratch\nCOPY --chown=a\\ --from=bot_image_aaaa:g1 / /x',
  ])('are refused when they are of another bot: %j', (text) => {
    expect(prepare(text)).toMatchObject({ ok: false, problem: { code: 'BUILD_FAILED' } });
  });
});

describe('hostile 48: a Dockerfile is refused before anything is built, with line and reason', () => {
  test.each<[string, RegExp]>([
    ['FROM a\nRUN <<EOF\necho x\nEOF\n', /RUN <<EOF \(a here-document\) in line 2/],
    ['FROM a\n\nRUN python3 <<-"END" && true\n\tprint(1)\n\tEND\n', /RUN <<END \(a here-document\) in line 3/],
    ['FROM a\nCOPY <<one <<two /x/\n1\none\n2\ntwo\nNONSENSE', /unknown instruction in line 7: NONSENSE/],
    ['FROM a\nCOPY <<one /x\none', /COPY <<one \(a here-document\) in line 2/],
    ['FROM a\nONBUILD RUN cat 3<<EOF\nEOF', /ONBUILD RUN <<EOF/],
    ['FROM a\nRUN <<EOF\necho x\n', /here-document EOF that begins in line 2 .* has no end/],
    ['FROM a\nRUN --mount=type=cache,target=/root/.cache pip install x', /RUN --mount in line 2/],
    [
      'FROM a\nRUN --mount=type=secret,id=x \\\n  --network=none true',
      /RUN --mount in line 2, RUN --network in line 2/,
    ],
    ['FROM a\nRUN --security=insecure true', /RUN --security/],
    ['FROM a\nRUN --device=x true', /RUN --device/],
    ['FROM a\nCOPY --chmod=755 x /x', /COPY --chmod/],
    ['FROM a\nCOPY --parents x /x\nCOPY --exclude=*.md . /', /COPY --parents in line 2, COPY --exclude in line 3/],
    ['FROM a\nADD --checksum=sha256:00 https://example.com/x /x', /ADD --checksum in line 2 .* not a SHA-256/],
    ['FROM a\nADD --keep-git-dir=true --unpack=true x /x', /ADD --keep-git-dir=true in line 2, ADD --unpack in line 2/],
    ['FROM a\nADD https://github.com/a/b.git#main /x', /ADD in line 2 .* names a git repository/],
    ['FROM a\nADD ["git@github.com:a/b.git", "/x"]', /names a git repository/],
    ['FROM a\nADD a "http://127.0.0.1/x /x"', /ADD in line 2 .* any URL/],
    ['FROM a\nARG U\nADD $U /x', /ADD in line 3 .* any URL/],
    ['FROM a\nONBUILD ADD http://127.0.0.1/x /x', /ONBUILD ADD of a URL/],
    ['FROM a\nHEALTHCHECK --start-interval=1s CMD true', /HEALTHCHECK --start-interval/],
    ['FROM a\nCOPY --weird x /x', /COPY --weird/],
    ['FROM a\nWORKDIR --x /x', /WORKDIR --x/],
    ['FROM a\nENV B=${A#x}', /\$\{A#\.\.\.\} in ENV in line 2/],
    ['FROM a\nWORKDIR "${A/x/y}"', /\$\{A\/\.\.\.\} in WORKDIR/],
    ['# syntax=ghcr.io/me/frontend\nFROM a', /# syntax= of another frontend in line 1: builds may not use that/],
    ['# escape=x\nFROM a', /Line 1 .* escape character/],
    ['# escape=`\n# escape=`\nFROM a', /Line 2 .* repeats/],
    ['FROM a\nNONSENSE x', /unknown instruction in line 2: NONSENSE/],
    ['FROM a\n\nRUN a \\\n  b\n  && c\n', /unknown instruction in line 5\./],
    ['FROM a\nRUN echo a\\\\\nRUN b', /Line 2 .* ends in two escape characters/],
    ['RUN true', /Line 1 .* RUN before the first FROM/],
    ['ARG A=1\n', /has no FROM/],
    ['', /has no FROM/],
    ['FROM', /FROM in line 1/],
    ['FROM a b', /FROM in line 1/],
    ['FROM a AS', /FROM in line 1/],
    ['FROM a AS 1x', /FROM in line 1/],
    ['FROM python:${VERSION}', /VERSION has no value/],
    ['FROM ${BASE}', /BASE has no value/],
    ['FROM x AS a\nARG B=y\nFROM $B', /FROM in line 3 .*B has no value/],
    ['FROM ${A', /FROM in line 1/],
    ['FROM "a', /FROM in line 1/],
    ['FROM a;b', /FROM in line 1/],
    ['ARG A=${B#x}\nFROM a', /\$\{B#\.\.\.\} in ARG in line 1/],
    ['FROM --platform=$NOWHERE a', /FROM --platform in line 1 .* names no platform/],
    ['FROM --weird a', /FROM --weird/],
    ['FROM a\nCOPY --from=$A / /x', /COPY --from in line 2/],
    ['FROM a\nONBUILD FROM b', /ONBUILD FROM/],
    ['FROM a\nONBUILD ONBUILD RUN x', /ONBUILD ONBUILD/],
  ])('%j', (text, message) => {
    const result = prepare(text);
    expect(result).toMatchObject({
      ok: false,
      problem: { code: 'BUILD_FAILED', message: expect.stringMatching(message), hint: expect.stringMatching(/./) },
    });
  });

  test('all that it needs BuildKit for is reported at once', () => {
    const text = `FROM a\n${'RUN --mount=type=cache,target=/x true\n'.repeat(7)}`;
    expect(prepare(text)).toMatchObject({
      problem: {
        message: expect.stringMatching(/in line 6 and 2 more: that needs BuildKit/),
        details: { features: { length: 7 } },
      },
    });
  });

  test('hostile 47: values that double at each step end in a refusal', () => {
    const steps = Array.from({ length: 60 }, (_, at) => `ARG A${at + 1}=$A${at}$A${at}`).join('\n');
    expect(prepare(`ARG A0=xx\n${steps}\nFROM a`)).toMatchObject({ ok: false });
  });
});
