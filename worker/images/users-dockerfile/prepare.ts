/**
 * Makes a user's Dockerfile into the one that the engine gets. What it names is settled here, so that no engine reads it
 * differently: the image of each FROM is written out, options are written plainly, every instruction stands on one line. Names
 * of images that bots were built as are refused, since they can be guessed. Variables of the platform have their values, and
 * what the classic builder does not do is refused before anything is built. Pure.
 */
import { fail, ok, type Problem, problem, type Result } from '#common/problem.ts';
import { type Instruction, parseInstruction } from './instruction.ts';
import { type DockerfileLines, readDockerfileLines } from './lines.ts';
import { isPlatform, type Platform, platformVariables } from './platform.ts';
import { isWithoutEffect, type Unsupported, unsupportedIn } from './unsupported.ts';
import { expandWord } from './variables.ts';
import { splitWords } from './words.ts';

export interface PreparedDockerfile {
  readonly text: string;
  /** The images that it builds on, each once, with no stages among them. */
  readonly bases: readonly string[];
  /** Images that ONBUILD steps copy from, each once. */
  readonly mentioned: readonly string[];
  /** The platforms of bases that are wanted for another than the engine's own. */
  readonly platforms: ReadonlyMap<string, string>;
}

const builtImage = /bot_image_/i;
const imageWord = /^[A-Za-z0-9._:/@-]+$/;
const stageName = /^[a-z][a-z0-9-_.]*$/i;
const valuesMaxLength = 1024 * 1024;
const shownMax = 5;

/** BUILD_FAILED, with the line, for what cannot be read, may not be built on, or needs BuildKit. */
export function prepareDockerfile(text: string, platform: Platform): Result<PreparedDockerfile> {
  const read = readDockerfileLines(text.replace(/^\uFEFF/, ''));
  if (!read.ok) return read;
  const { escapeChar, lines } = read.value;
  const instructions: Instruction[] = [];
  for (const line of lines) {
    const parsed = parseInstruction(line);
    if (!parsed.ok) return parsed;
    instructions.push(parsed.value);
  }
  const missing = [
    ...frontendIn(read.value),
    ...instructions.flatMap((instruction) => unsupportedIn(instruction, escapeChar)),
  ];
  if (missing.length > 0) return fail(needsBuildKit(missing));
  return build(instructions, escapeChar, platform);
}

/** Another frontend than Docker's own reads another language. */
function frontendIn({ syntax }: DockerfileLines): readonly Unsupported[] {
  if (syntax === undefined || /^(?:docker\.io\/)?docker\/dockerfile(?:-upstream)?(?:[:@]\S*)?$/.test(syntax.value)) {
    return [];
  }
  return [{ line: syntax.line, feature: '# syntax= of another frontend', hint: 'Leave the line out.' }];
}

function build(
  instructions: readonly Instruction[],
  escapeChar: string,
  platform: Platform,
): Result<PreparedDockerfile> {
  const automatic = platformVariables(platform);
  /** From the ARGs before the first FROM. */
  const globals = new Map(automatic);
  const ownGlobals = new Set<string>();
  const stages = new Set<string>(['scratch']);
  const bases = new Set<string>();
  const mentioned = new Set<string>();
  const platforms = new Map<string, string>();
  // The directive must be the first line there is; what is above the first instruction is comments.
  const out: string[] = escapeChar === '\\' ? [] : [`# escape=${escapeChar}`];
  let inStage = false;
  let length = 0;
  const withValue = (word: string): string => {
    const value = ownGlobals.has(word) ? undefined : automatic.get(word);
    return value === undefined ? word : `${word}=${value}`;
  };

  for (const instruction of instructions) {
    const { line, keyword } = instruction;
    // Lines keep their numbers, for what the engine says of them.
    while (out.length < line - 1) out.push('');
    if (!inStage && keyword !== 'FROM' && keyword !== 'ARG') return fail(beforeFrom(keyword, line));
    if (keyword === 'FROM') {
      const from = readFrom(instruction, globals, escapeChar, platform);
      if (!from.ok) return from;
      const { image, stage, foreign, text } = from.value;
      if (!stages.has(image.toLowerCase())) {
        bases.add(image);
        if (foreign !== undefined) platforms.set(image, foreign);
      }
      if (stage !== undefined) stages.add(stage.toLowerCase());
      inStage = true;
      out.push(text);
    } else if (keyword === 'ARG' && !inStage) {
      for (const word of splitWords(instruction.rest, escapeChar)) {
        const [name = '', value] = nameAndValue(word);
        const expanded = value === undefined ? undefined : expandWord(value, globals, escapeChar);
        length += expanded?.value.length ?? 0;
        if ((value !== undefined && expanded === undefined) || length > valuesMaxLength) {
          return fail(unreadableValue(line));
        }
        if (expanded !== undefined) {
          globals.set(name, expanded.value);
          ownGlobals.add(name);
        }
        out.push(`ARG ${word}`);
      }
    } else if (keyword === 'ARG') {
      // One on each line: engines before 23 take no more.
      for (const word of splitWords(instruction.rest, escapeChar)) out.push(`ARG ${withValue(word)}`);
    } else {
      const copied = readCopiedFrom(instruction.trigger ?? instruction);
      if (!copied.ok) return copied;
      const image = copied.value;
      // A stage may be named by its number. A trigger runs in a later stage on top of this one, if at all.
      if (image !== undefined && !/^\d+$/.test(image) && !stages.has(image.toLowerCase())) {
        (keyword === 'ONBUILD' ? mentioned : bases).add(image);
      }
      const { trigger } = instruction;
      if (trigger?.keyword === 'ARG') {
        for (const word of splitWords(trigger.rest, escapeChar)) out.push(`ONBUILD ARG ${withValue(word)}`);
      } else out.push(written(instruction));
    }
  }
  if (!inStage) return fail(withoutFrom());
  return ok({ text: `${out.join('\n')}\n`, bases: [...bases], mentioned: [...mentioned], platforms });
}

function written({ keyword, options, rest, trigger }: Instruction): string {
  if (trigger !== undefined) return `${keyword} ${written(trigger)}`;
  const kept = options
    .filter((option) => !isWithoutEffect(keyword, option))
    .map(({ name, value }) => (value === undefined ? `--${name}` : `--${name}=${value}`));
  // Two dashes end the options, for arguments that look like one.
  return [keyword, ...kept, ...(rest.startsWith('--') ? ['--'] : []), rest].join(' ').trimEnd();
}

/** FROM [--platform=...] IMAGE [AS STAGE] */
function readFrom(
  { line, options, rest }: Instruction,
  globals: ReadonlyMap<string, string>,
  escapeChar: string,
  platform: Platform,
): Result<{
  readonly image: string;
  readonly stage: string | undefined;
  /** The platform, if it is not the engine's own. */
  readonly foreign: string | undefined;
  readonly text: string;
}> {
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
  return ok({
    image: image.value,
    stage,
    foreign,
    text: `FROM ${foreign === undefined ? '' : `--platform=${foreign} `}${image.value}${stage === undefined ? '' : ` AS ${stage}`}`,
  });
}

/** The image or stage of COPY --from=NAME. */
function readCopiedFrom({ keyword, options, line }: Instruction): Result<string | undefined> {
  let image: string | undefined;
  for (const { name, value = '' } of keyword === 'COPY' ? options : []) {
    if (name !== 'from') continue;
    if (!imageWord.test(value)) {
      return fail(
        problem(
          'BUILD_FAILED',
          `COPY --from in line ${line} of the Dockerfile does not name a stage or an image plainly.`,
          {
            hint: 'Docker does not expand variables there. Name a stage: FROM ${IMAGE} AS source, then COPY --from=source.',
          },
        ),
      );
    }
    if (builtImage.test(value)) return fail(forbiddenImage('COPY --from', line));
    image = value;
  }
  return ok(image);
}

function nameAndValue(word: string): readonly [string, string | undefined] {
  const equals = word.indexOf('=');
  return equals < 0 ? [word, undefined] : [word.slice(0, equals), word.slice(equals + 1)];
}

function needsBuildKit(missing: readonly Unsupported[]): Problem {
  const [first] = missing;
  const named = missing.slice(0, shownMax).map(({ feature, line }) => `${feature} in line ${line}`);
  const more = missing.length > shownMax ? ` and ${missing.length - shownMax} more` : '';
  const features = missing.slice(0, 100).map(({ feature, line }) => ({ feature, line }));
  const why = first?.why ?? 'Bot Runner builds without BuildKit and does not support that';
  return problem('BUILD_FAILED', `The Dockerfile uses ${named.join(', ')}${more}: ${why}.`, {
    details: { features },
    hint: first?.hint ?? '',
  });
}

const beforeFrom = (keyword: string, line: number): Problem =>
  problem('BUILD_FAILED', `Line ${line} of the Dockerfile has ${keyword} before the first FROM.`, {
    hint: 'Only ARG may stand before FROM.',
  });

const withoutFrom = (): Problem =>
  problem('BUILD_FAILED', 'The Dockerfile has no FROM.', {
    hint: 'Begin it with an image, for example FROM python:3.11-slim.',
  });

const unreadableValue = (line: number): Problem =>
  problem('BUILD_FAILED', `The value of ARG in line ${line} of the Dockerfile cannot be read.`, {
    hint: "Of Docker's substitutions, ${NAME}, ${NAME:-VALUE} and ${NAME:+VALUE} are supported.",
  });

function unreadableImage(line: number, unset: readonly string[]): Problem {
  const why = unset.length > 0 ? `: ${unset.slice(0, shownMax).join(', ')} has no value there` : '';
  return problem('BUILD_FAILED', `FROM in line ${line} of the Dockerfile does not resolve to an image name${why}.`, {
    hint: 'A variable in FROM needs an ARG with a value above the first FROM: ARG BASE=python:3.11-slim, then FROM ${BASE}.',
  });
}

const forbiddenImage = (what: string, line: number): Problem =>
  problem('BUILD_FAILED', `${what} in line ${line} of the Dockerfile names an image that may not be used as a base.`, {
    hint: 'Images of bots are not available as a base: use a public image, for example python:3.11-slim.',
  });
