/** Names that several files export, each for a thing of its own: a reader who knows one of them takes the other for it. Pure. */
import { exportsOf } from './exports.ts';
import type { ParsedFile } from './imports.ts';

/** One thing that is done in several ways: the files each do it in their own. */
const sameThing: Readonly<Record<string, string>> = {
  listStrays: 'a call of the seam to a runtime, as each runtime does it',
  removeStray: 'a call of the seam to a runtime, as each runtime does it',
  openAgeClock: 'the same clock, kept by the orchestrator in its store and by a worker in its folder',
};

/** A line for each name, with the files that declare it. */
export function ambiguousNames(files: readonly Pick<ParsedFile, 'path' | 'program'>[]): readonly string[] {
  const places = new Map<string, Set<string>>();
  for (const file of files) {
    for (const { name } of exportsOf(file)) places.set(name, (places.get(name) ?? new Set()).add(file.path));
  }
  return [...places]
    .filter(([name, paths]) => paths.size > 1 && !Object.hasOwn(sameThing, name))
    .map(([name, paths]) => `${name} is declared by ${[...paths].join(' and ')}: one name means one thing`);
}
