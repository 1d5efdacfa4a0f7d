/**
 * Which files belong to a build context. Pure but for the pauses, which are the caller's.
 *
 * 1. The .dockerignore decides as `docker build` does: the last pattern that matches a path, or a folder it lies in, wins.
 * 2. .git is ignored besides, as it is when Docker builds from a repository, unless a "!" pattern that matches says its
 *    name. "!src" and "!**" do not bring back src/.git: people who write them mean sources.
 * 3. The Dockerfile and the .dockerignore always go along: the build needs them, and the engine itself takes them out of the
 *    context when a pattern matches them.
 */
import { refuse } from '../problem.ts';
import type { IgnorePattern } from './dockerignore.ts';
import { matchesGlob, type Steps } from './glob.ts';

const defaultNames = /^\.git$/;

export interface IgnoreVerdict {
  readonly keep: boolean;
  /** True when rule 2 alone leaves it out. */
  readonly byDefault: boolean;
  /** For a folder that is left out: whether something in it may be kept. */
  readonly lookInside: boolean;
  /** For each pattern, whether it matches this path or a folder it lies in. */
  readonly matches: readonly boolean[];
}

const always = new Set(['Dockerfile', '.dockerignore', 'Dockerfile.dockerignore']);

/** What one context may cost: patterns and paths are both a user's, and their product is not small. */
export interface Effort {
  /** Counts up. A step is one place in a pattern at one character of a path. */
  readonly spent: Steps;
  /** Called between two patterns; may wait, so that others get their turn, and may refuse. */
  readonly pause: () => Promise<void>;
}

/** Some ten seconds; ten thousand files and a hundred patterns with "**" take half of it. */
const defaultStepsMax = 200_000_000;
const stepsBetweenPauses = 100_000;

/** An effort that refuses with INVALID_ARCHIVE what takes too long, and calls `rest` every few milliseconds. */
export function createEffort(rest: () => Promise<unknown>, stepsMax = defaultStepsMax): Effort {
  const spent: Steps = { steps: 0 };
  let restedAt = 0;
  return {
    spent,
    async pause() {
      if (spent.steps - restedAt < stepsBetweenPauses) return;
      restedAt = spent.steps;
      if (spent.steps > stepsMax) {
        refuse('INVALID_ARCHIVE', 'Matching the patterns of .dockerignore against so many files takes too long.', {
          hint: 'Use fewer patterns, and fewer "*" and "**" in each.',
        });
      }
      await rest();
    },
  };
}

/** `path` is relative to the folder, with "/". `parent` is the verdict on the folder it lies in; none at the root. */
export async function judge(
  patterns: readonly IgnorePattern[],
  path: string,
  parent: IgnoreVerdict | undefined,
  effort: Effort,
): Promise<IgnoreVerdict> {
  const matches: boolean[] = [];
  for (const [index, { glob }] of patterns.entries()) {
    // Also one that the folder has matched already.
    effort.spent.steps += 1;
    matches.push(parent?.matches[index] === true || matchesGlob(glob, path, effort.spent));
    if (effort.spent.steps >= stepsBetweenPauses) await effort.pause();
  }
  const last = matches.lastIndexOf(true);
  const ignored = last >= 0 && patterns[last]?.bringsBack === false;
  const segments = path.split('/');
  const defaults = segments.filter((segment) => defaultNames.test(segment));
  const { spent } = effort;
  const isNamed = (pattern: IgnorePattern) => defaults.every((name) => saysName(pattern, name, spent));
  const brought = defaults.length === 0 || patterns.some((each, at) => each.bringsBack && matches[at] && isNamed(each));
  let lookInside = false;
  for (const each of patterns) {
    if (!each.bringsBack) continue;
    lookInside = isNamed(each) && mayMatchBelow(each, segments, spent);
    if (lookInside) break;
    if (spent.steps >= stepsBetweenPauses) await effort.pause();
  }
  return {
    keep: always.has(path) || (!ignored && brought),
    byDefault: !ignored && !brought,
    lookInside,
    matches,
  };
}

const saysName = ({ names }: IgnorePattern, name: string, spent: Steps): boolean =>
  names.some((glob) => matchesGlob(glob, name, spent));

/** Whether the pattern may match something in the folder. Says yes when in doubt: that costs time, not files. */
function mayMatchBelow({ segments }: IgnorePattern, folder: readonly string[], spent: Steps): boolean {
  for (const [index, name] of folder.entries()) {
    if (index >= segments.length) return false;
    const segment = segments[index];
    if (segment === undefined) return true;
    if (!matchesGlob(segment, name, spent)) return false;
  }
  return segments.length > folder.length;
}
