/**
 * Which files of a folder belong to its build context. Pure.
 *
 * 1. The .dockerignore decides as `docker build` does: the last pattern that matches a path, or a folder it lies in, wins.
 * 2. What must not end up in an image by accident is left out besides (see defaultNames), unless a "!" pattern that matches
 *    says its name or a part of it, as "!.env" and "!*.env" do. "!src" and "!**" do not bring back src/.env: whoever
 *    writes them thinks of sources.
 * 3. The Dockerfile and the .dockerignore always go along: the build needs them.
 */
import type { IgnorePattern } from './dockerignore.ts';
import { matchesGlob } from './glob.ts';

const defaultNames = /^(\.git|\.venv|node_modules|__pycache__|.*\.env)$/;

export interface Verdict {
  readonly keep: boolean;
  /** True when rule 2 alone leaves it out. */
  readonly byDefault: boolean;
  /** Of a folder that is left out: whether something in it may be kept. */
  readonly lookInside: boolean;
  /** For each pattern, whether it matches this path or a folder it lies in. */
  readonly matches: readonly boolean[];
}

const always = new Set(['Dockerfile', '.dockerignore']);

/** `path` is relative to the folder, with "/". `parent` is the verdict on the folder it lies in; none at the root. */
export function judge(patterns: readonly IgnorePattern[], path: string, parent: Verdict | undefined): Verdict {
  const matches = patterns.map(({ glob }, index) => parent?.matches[index] === true || matchesGlob(glob, path));
  const last = patterns.findLastIndex((_, index) => matches[index]);
  const ignored = last >= 0 && patterns[last]?.bringsBack === false;
  const segments = path.split('/');
  const defaults = segments.filter((segment) => defaultNames.test(segment));
  const isNamed = (pattern: IgnorePattern) => defaults.every((name) => saysName(pattern, name));
  const brought = defaults.length === 0 || patterns.some((each, at) => each.bringsBack && matches[at] && isNamed(each));
  return {
    keep: always.has(path) || (!ignored && brought),
    byDefault: !ignored && !brought,
    lookInside: patterns.some((each) => each.bringsBack && isNamed(each) && mayMatchBelow(each, segments)),
    matches,
  };
}

const saysName = ({ names }: IgnorePattern, name: string): boolean => names.some((glob) => matchesGlob(glob, name));

/** Whether the pattern may match something in the folder. Says yes when in doubt: that costs time, not files. */
function mayMatchBelow({ segments }: IgnorePattern, folder: readonly string[]): boolean {
  for (const [index, name] of folder.entries()) {
    if (index >= segments.length) return false;
    const segment = segments[index];
    if (segment === undefined) return true;
    if (!matchesGlob(segment, name)) return false;
  }
  return segments.length > folder.length;
}
