/** The same rules for paths that come one by one, as in a tar, instead of by a walk. */
import type { IgnorePattern } from './dockerignore.ts';
import { type Effort, type IgnoreVerdict, judge } from './judge.ts';

/** Whether the file or folder at a path belongs to the context. */
export type PathFilter = (path: string) => Promise<boolean>;

/** Remembers the folders of the last path only: tars go folder by folder, and a user's folders may be many. */
export function createPathFilter(patterns: readonly IgnorePattern[], effort: Effort): PathFilter {
  let known: { readonly path: string; readonly verdict: IgnoreVerdict }[] = [];
  return async (path) => {
    const segments = path.split('/');
    const trail: typeof known = [];
    let here = '';
    for (const [depth, segment] of segments.entries()) {
      here = depth === 0 ? segment : `${here}/${segment}`;
      const before = known[depth];
      const verdict =
        before?.path === here ? before.verdict : await judge(patterns, here, trail.at(-1)?.verdict, effort);
      trail.push({ path: here, verdict });
    }
    known = trail;
    return trail.at(-1)?.verdict.keep === true;
  };
}
