/**
 * From the requirements files that are installed from to all files that pip opens for them: `-r` and `-c` are followed. Pure:
 * what is not known yet is requested.
 */
import { fail, ok, problem, type Result } from '../problem.ts';
import { shownName } from '../safe-path.ts';
import type { PipFile } from './pip-text.ts';

/** How many one bot may have, and how deep they may include each other; a cycle is found first. */
const filesMax = 50;
const depthMax = 10;
/** Letters of all of them together. */
const lettersMax = 4 * 1024 * 1024;
/** Limit of each; a longer one is something else. */
export const requirementFileMaxBytes = 1024 * 1024;

export interface Closure {
  /** The files in the order in which they are named first; those asked for among them. */
  readonly files: readonly string[];
  /** True: they name folders or archives of the bot itself, so that installing takes all of its files. */
  readonly needsSource: boolean;
}

export type ClosureStep =
  | { readonly kind: 'done'; readonly closure: Closure }
  /** Look these up, and ask again. */
  | { readonly kind: 'wanted'; readonly paths: readonly string[] };

export interface KnownFiles {
  /** The file, null for one that is not there, undefined while it is not known. */
  file(path: string): PipFile | null | undefined;
  /** The path that `target` means in the file `from`; undefined for one that cannot be looked up. */
  resolve(from: string, target: string): string | undefined;
}

/** INVALID_REQUIREMENTS for a file that is not there, that includes itself, or for too much of them. */
export function closeOver(roots: readonly string[], known: KnownFiles): Result<ClosureStep> {
  const files: string[] = [];
  const wanted = new Set<string>();
  let needsSource = false;
  let letters = 0;
  const visit = (path: string, above: readonly string[]): Result<undefined> => {
    const file = known.file(path);
    if (file === undefined) wanted.add(path);
    if (!file || files.includes(path)) return ok(undefined);
    files.push(path);
    letters += file.length;
    if (files.length > filesMax || above.length >= depthMax || letters > lettersMax) return tooMuch();
    for (const { mention, number } of file.mentions) {
      if (mention.kind === 'source') needsSource = true;
      if (mention.kind !== 'file') continue;
      const place = `${shownPath(path)}, line ${number},`;
      const target = known.resolve(path, mention.path);
      if (target === undefined || known.file(target) === null) return absent(place, mention.path);
      if (target === path || above.includes(target)) return cycle(place, mention.path, target === path);
      const below = visit(target, [...above, path]);
      if (!below.ok) return below;
    }
    return ok(undefined);
  };
  for (const root of roots) {
    if (known.file(root) === null) return absent('', root);
    const visited = visit(root, []);
    if (!visited.ok) return visited;
  }
  return wanted.size > 0
    ? ok({ kind: 'wanted', paths: [...wanted] })
    : ok({ kind: 'done', closure: { files, needsSource } });
}

const shownPath = (path: string): string => shownName(path).slice(1, -1);

const refused = (message: string, hint: string) =>
  fail(problem('INVALID_REQUIREMENTS', message, { details: { field: 'requirement_files' }, hint }));

const absent = (place: string, target: string) =>
  place === ''
    ? refused(
        `${shownPath(target)} is not one of the bot's files.`,
        'Send it as well, or name another file to install from.',
      )
    : refused(
        `${place} includes ${shownPath(target)}, which is not one of the bot's files.`,
        'Send it as well, or remove the line. A path is relative to the file that contains it.',
      );

const cycle = (place: string, target: string, isItself: boolean) =>
  refused(
    isItself ? `${place} includes its own file.` : `${place} includes ${shownPath(target)}, which includes it in turn.`,
    'Remove that line: pip would keep reading these files forever.',
  );

const tooMuch = () =>
  refused(
    `The requirements files are more than ${filesMax}, deeper than ${depthMax}, or longer than ${lettersMax} letters together.`,
    'Put the packages into fewer files.',
  );
