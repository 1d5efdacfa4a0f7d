/** Reads a .dockerignore. Pure; the same lines mean the same to `docker build`. */
import { posix } from 'node:path';
import { fail, ok, problem, type Result } from '../problem.ts';
import { pathMaxBytes } from '../safe-path.ts';
import { type Glob, parseGlob } from './glob.ts';

export interface IgnorePattern {
  /** True for "!...": what it matches is brought back. */
  readonly bringsBack: boolean;
  readonly glob: Glob;
  /**
   * The pattern's segments, each a pattern of its own, for a look ahead into folders; undefined for one that may span
   * several folders.
   */
  readonly segments: readonly (Glob | undefined)[];
  /** Segments that say a name or a part of one, as "*.env" does; not "*" and "**". */
  readonly names: readonly Glob[];
}

/** Each pattern is tried on each file; nobody writes so many by hand. */
const patternsMax = 2_000;
/** No path is longer, so that such a pattern is a mistake. */
const patternMaxLength = pathMaxBytes;

/** Limit of the file itself, in bytes. */
export const dockerignoreMaxBytes = 1024 * 1024;

/** In the order in which Docker looks for them, beside the Dockerfile and at the root: the first that is there counts alone. */
export const dockerignoreNames = (dockerfile = 'Dockerfile'): readonly [string, string] => [
  `${dockerfile}.dockerignore`,
  '.dockerignore',
];

/** The patterns in their order: the last one that matches decides. `name` as the user knows the file. */
export function parseDockerignore(content: string, name: string): Result<readonly IgnorePattern[]> {
  const patterns: IgnorePattern[] = [];
  const lines = content.replace(/^\uFEFF/, '').split(/\r?\n/);
  for (const [index, line] of lines.entries()) {
    // As Docker reads it: only a "#" in the first column begins a comment.
    const text = line.startsWith('#') ? '' : line.trim();
    if (text === '') continue;
    if (text.length > patternMaxLength) return refused(`Line ${index + 1} of ${name} is too long for a pattern.`);
    const bringsBack = text.startsWith('!');
    const pattern = parsePattern(bringsBack ? text.slice(1).trim() : text, bringsBack);
    if (pattern === undefined) return refused(`Line ${index + 1} of ${name} is not a pattern.`);
    patterns.push(pattern);
    if (patterns.length > patternsMax) return refused(`${name} has more than ${patternsMax} patterns.`);
  }
  return ok(patterns);
}

/** The patterns for a build by another Dockerfile than the usual one: it and its own .dockerignore go along whatever they say. */
export function withDockerfile(patterns: readonly IgnorePattern[], dockerfile: string): readonly IgnorePattern[] {
  if (dockerfile === 'Dockerfile') return patterns;
  const brought = [dockerfile, dockerignoreNames(dockerfile)[0]].map((path) => parsePattern(path, true));
  return [...patterns, ...brought.filter((pattern) => pattern !== undefined)];
}

function parsePattern(text: string, bringsBack: boolean): IgnorePattern | undefined {
  if (text === '') return undefined;
  // "./a", "a/" and "/a" all mean "a", the folder of the Dockerfile being the root.
  const plain = posix.normalize(text).replace(/^\/+(?=.)|(?<=.)\/+$/g, '');
  const glob = parseGlob(plain);
  if (glob === undefined) return undefined;
  const pieces = plain.split('/');
  // A class or an escape may hold a "/", which makes the pieces meaningless.
  const segments = pieces.map((piece) => (/\*\*|[[\]\\]/.test(piece) ? undefined : parseGlob(piece)));
  const names = pieces.filter((piece) => !/^\**$/.test(piece)).map(parseGlob);
  return { bringsBack, glob, segments, names: names.filter((name) => name !== undefined) };
}

const refused = (message: string) =>
  fail(
    problem('INVALID_ARCHIVE', message, {
      details: { field: 'archive', rule: 'dockerignore' },
      hint: 'The patterns are explained at https://docs.docker.com/build/concepts/context/#dockerignore-files.',
    }),
  );
