import { describe, expect, test } from 'vitest';
import { basesOf, checkBases } from './dockerfile-bases.ts';

describe('the images that a Dockerfile builds on', () => {
  test.each([
    'FROM python:3.11-slim',
    'from --platform=linux/amd64 ghcr.io/me/base@sha256:00 AS build\nCOPY --from=build /a /b',
    'ARG VERSION=3.11\nFROM python:${VERSION}-slim',
    'ARG BASE="python:3.11"\nFROM $BASE',
    'ARG REGISTRY=ghcr.io/me\nFROM ${REGISTRY}/base:1',
    'FROM scratch\n# COPY --from="odd"\nRUN echo "FROM $HOME"',
  ])('may be written plainly, with a variable that can be read: %j', (dockerfile) => {
    expect(checkBases(dockerfile).ok).toBe(true);
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
    'ARG A=x\nFROM library/${A}',
    'FROM ${A:-bot_}image_aaaa',
    'FROM scratch\nCOPY --from=bot_image_aaaa:g1 / /x',
    'FROM scratch\nCOPY --from="bot_""image_aaaa:g1" / /x',
    'FROM scratch\nCOPY --from=$A / /x',
  ])('are refused when they are of another bot or cannot be told: %j', (dockerfile) => {
    expect(checkBases(dockerfile)).toMatchObject({ ok: false, problem: { code: 'BUILD_FAILED' } });
  });
});

describe('the bases of a Dockerfile', () => {
  test.each([
    ['FROM python:3.11-slim', ['python:3.11-slim']],
    ['ARG BASE=node:24\nFROM --platform=linux/amd64 ${BASE} AS build\nFROM build\nCOPY --from=0 /a /a', ['node:24']],
    ['FROM a/b:1 as One\nFROM scratch\nCOPY --from=one / /\nCOPY --from=other:2 / /', ['a/b:1', 'other:2']],
    ['FROM python:${VERSION}', []],
  ])('%j are %j', (dockerfile, bases) => {
    expect(basesOf(dockerfile)).toEqual(bases);
  });
});
