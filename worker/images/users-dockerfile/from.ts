/** FROM [--platform=...] IMAGE [AS STAGE], with its variables put in. Pure. */
import { fail, ok, type Problem, problem, type Result } from '#common/problem.ts';
import type { Instruction } from './instruction.ts';
import { isPlatform, type Platform } from './platform.ts';
import { expandWord, type Variables } from './variables.ts';

export interface From {
  readonly image: string;
  readonly stage: string | undefined;
  /** The platform, if it is not the engine's own. */
  readonly foreign: string | undefined;
}

export const builtImage = /bot_image_/i;
export const imageWord = /^[A-Za-z0-9._:/@-]+$/;
const stageName = /^[a-z][a-z0-9-_.]*$/i;
const shownMax = 5;

export function readFrom(
  { line, options, rest }: Instruction,
  globals: Variables,
  escapeChar: string,
  platform: Platform,
): Result<From> {
  const [word, as, stage, ...more] = rest.split(/[ \t\v\f\r]+/);
  const named = as?.toUpperCase() === 'AS' && stage !== undefined && stageName.test(stage);
  if (word === undefined || word === '' || more.length > 0 || (as !== undefined && !named)) {
    return fail(
      problem('BUILD_FAILED', `FROM in line ${line} of the Dockerfile cannot be read.`, {
        hint: 'Write FROM IMAGE or FROM IMAGE AS NAME, for example FROM python:3.11-slim AS build.',
      }),
    );
  }
  const image = expandWord(word, globals, escapeChar);
  if (image === undefined || !imageWord.test(image.value)) return fail(unreadableImage(line, image?.unset ?? []));
  if (image.unset.length > 0 && /[:@/]$|^[:@/]/.test(image.value)) return fail(unreadableImage(line, image.unset));
  if (builtImage.test(image.value)) return fail(forbiddenImage('FROM', line));
  const wanted = options.find(({ name }) => name === 'platform')?.value;
  let foreign: string | undefined;
  if (wanted !== undefined) {
    const value = expandWord(wanted, globals, escapeChar)?.value ?? '';
    if (!/^[A-Za-z0-9_./-]+$/.test(value)) {
      return fail(
        problem('BUILD_FAILED', `FROM --platform in line ${line} of the Dockerfile names no platform.`, {
          hint: 'Leave the option out, or write for example --platform=$BUILDPLATFORM or --platform=linux/amd64.',
        }),
      );
    }
    // Without the option an image with a wrongly recorded platform is accepted, as in many made by hand.
    if (!isPlatform(value, platform)) foreign = value;
  }
  return ok({ image: image.value, stage, foreign });
}

export const writtenFrom = (image: string, { foreign, stage }: From): string =>
  `FROM ${foreign === undefined ? '' : `--platform=${foreign} `}${image}${stage === undefined ? '' : ` AS ${stage.toLowerCase()}`}`;

function unreadableImage(line: number, unset: readonly string[]): Problem {
  const why = unset.length > 0 ? `: ${unset.slice(0, shownMax).join(', ')} has no value there` : '';
  return problem('BUILD_FAILED', `FROM in line ${line} of the Dockerfile does not resolve to an image name${why}.`, {
    hint: 'A variable in FROM needs an ARG with a value above the first FROM: ARG BASE=python:3.11-slim, then FROM ${BASE}.',
  });
}

export const forbiddenImage = (what: string, line: number): Problem =>
  problem('BUILD_FAILED', `${what} in line ${line} of the Dockerfile names an image that may not be used as a base.`, {
    hint: 'Images of bots are not available as a base: use a public image, for example python:3.11-slim.',
  });
