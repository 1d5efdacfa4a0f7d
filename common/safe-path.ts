/**
 * Rules for file names that came from a user: plain relative paths with "/" between segments. Pure; used before a request
 * is accepted, again when an uploaded tar is read, and again when a container is planned.
 */
import { fail, ok, problem, type Result } from './problem.ts';

export const pathMaxBytes = 1024;
const segmentMaxBytes = 255;
const pathMaxDepth = 32;

/** What is wrong with a path; the texts behind them are for people, these are for programs (details.rule). */
export type PathRule =
  | 'empty'
  | 'absolute'
  | 'parent_segment'
  | 'dot_segment'
  | 'empty_segment'
  | 'backslash'
  | 'control_character'
  | 'not_text'
  | 'leading_dash'
  | 'drive_letter'
  | 'segment_end'
  | 'segment_too_long'
  | 'too_long'
  | 'too_deep';

/** What follows a name: "is absolute". */
export const pathRuleSentences: Readonly<Record<PathRule, string>> = {
  empty: 'is empty',
  absolute: 'is absolute',
  parent_segment: 'contains ".."',
  dot_segment: 'has "." as a segment',
  empty_segment: 'has an empty segment',
  backslash: 'contains a backslash',
  control_character: 'contains a control character',
  not_text: 'is not valid Unicode text',
  leading_dash: 'begins with "-"',
  drive_letter: 'begins with a drive letter',
  segment_end: 'has a segment that ends with a space or a dot',
  segment_too_long: `has a segment of more than ${segmentMaxBytes} bytes`,
  too_long: `is longer than ${pathMaxBytes} bytes`,
  too_deep: `has more than ${pathMaxDepth} segments`,
};

// Control characters of ASCII and Latin-1, the two Unicode line ends, and the marks that turn the direction of text: the
// last ones make a name read as another one in a terminal or a browser.
const controlPattern = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/;

/** The first rule that `path` breaks, or undefined. U+FFFD counts as not text: it stands where bytes were not UTF-8. */
export function brokenPathRule(path: string): PathRule | undefined {
  if (path === '') return 'empty';
  if (Buffer.byteLength(path) > pathMaxBytes) return 'too_long';
  if (!path.isWellFormed() || path.includes('\ufffd')) return 'not_text';
  if (controlPattern.test(path)) return 'control_character';
  if (path.includes('\\')) return 'backslash';
  if (path.startsWith('/')) return 'absolute';
  if (/^[A-Za-z]:/.test(path)) return 'drive_letter';
  if (path.startsWith('-')) return 'leading_dash';
  const segments = path.split('/');
  if (segments.length > pathMaxDepth) return 'too_deep';
  for (const segment of segments) {
    if (segment === '') return 'empty_segment';
    if (segment === '..') return 'parent_segment';
    if (segment === '.') return 'dot_segment';
    if (/[ .]$/.test(segment)) return 'segment_end';
    if (Buffer.byteLength(segment) > segmentMaxBytes) return 'segment_too_long';
  }
  return undefined;
}

/** A name as it may stand in a message: one line, at most 80 characters, nothing that moves a terminal's cursor. */
export function shownName(name: unknown): string {
  if (typeof name !== 'string') return `(${name === null ? 'null' : typeof name})`;
  const escaped = (character: string) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  return JSON.stringify([...name.toWellFormed()].slice(0, 80).join('')).replace(
    new RegExp(controlPattern, 'gu'),
    escaped,
  );
}

/** The path itself when it is a plain relative one; INVALID_FILE_PATH with `details.rule` otherwise. */
export function checkRelativePath(path: unknown, field = 'files'): Result<string> {
  const rule = typeof path === 'string' ? brokenPathRule(path) : undefined;
  if (typeof path === 'string' && rule === undefined) return ok(path);
  const broken = rule ?? 'not_text';
  return fail(
    problem('INVALID_FILE_PATH', `The file name ${shownName(path)} ${pathRuleSentences[broken]}.`, {
      details: { field, rule: broken },
    }),
  );
}

/** The names of one bot's files, taken one by one. */
export interface FileTree {
  /** The path itself, or why it cannot join the others: not plain, there already, or a file where another needs a folder. */
  addFile(path: unknown): Result<string>;
  /** As addFile, for a folder; one that is there already is fine. */
  addFolder(path: unknown): Result<string>;
}

/** An empty tree. Names that differ only in their Unicode normal form count as the same: some file systems think so. */
export function createFileTree(field = 'files'): FileTree {
  const files = new Set<string>();
  const folders = new Set<string>();
  const conflict = (path: string, rule: string, sentence: string) =>
    fail(problem('INVALID_FILE_PATH', `The file name ${shownName(path)} ${sentence}.`, { details: { field, rule } }));
  const add = (given: unknown, kind: 'file' | 'folder'): Result<string> => {
    const result = checkRelativePath(given, field);
    if (!result.ok) return result;
    const path = result.value;
    const key = path.normalize('NFC');
    if (kind === 'file' && files.has(key)) return conflict(path, 'twice', 'occurs twice');
    const parents = parentsOf(key);
    const clashes = kind === 'file' ? folders.has(key) : files.has(key);
    if (clashes || parents.some((parent) => files.has(parent))) {
      return conflict(path, 'file_and_folder', 'is both a file and a folder, or lies in one that is');
    }
    for (const parent of parents) folders.add(parent);
    (kind === 'file' ? files : folders).add(key);
    return result;
  };
  return { addFile: (path) => add(path, 'file'), addFolder: (path) => add(path, 'folder') };
}

function parentsOf(path: string): readonly string[] {
  const parents: string[] = [];
  for (let end = path.lastIndexOf('/'); end > 0; end = path.lastIndexOf('/', end - 1)) parents.push(path.slice(0, end));
  return parents;
}

/** Checks the names of all files of one bot together; see FileTree. */
export function checkFileSet(paths: Iterable<unknown>, field = 'files'): Result<readonly string[]> {
  const tree = createFileTree(field);
  const checked: string[] = [];
  for (const path of paths) {
    const result = tree.addFile(path);
    if (!result.ok) return result;
    checked.push(result.value);
  }
  return ok(checked);
}

const entrypointPattern = /^[\p{L}\p{M}\p{N}._/-]+$/u;
const entrypointEndings = ['.py', '.js', '.mjs', '.cjs', '.ts', '.mts'] as const;

/**
 * The entrypoint itself when it is a plain relative path of letters, digits, ".", "_", "-" and "/" that ends in .py, .js,
 * .mjs, .cjs, .ts or .mts, and is one of `files` where these are given; INVALID_ENTRYPOINT with `details.rule` otherwise.
 */
export function checkEntrypoint(entrypoint: unknown, files?: Iterable<string>): Result<string> {
  const refused = (rule: string, sentence: string) =>
    fail(
      problem('INVALID_ENTRYPOINT', `The entrypoint ${shownName(entrypoint)} ${sentence}.`, {
        details: { field: 'entrypoint', rule },
      }),
    );
  if (typeof entrypoint !== 'string') return refused('not_text', 'is not text');
  const rule = brokenPathRule(entrypoint);
  if (rule !== undefined) return refused(rule, pathRuleSentences[rule]);
  if (!entrypointPattern.test(entrypoint)) {
    return refused('forbidden_character', 'contains a character other than letters, digits, ".", "_", "-" and "/"');
  }
  if (!entrypointEndings.some((ending) => entrypoint.endsWith(ending))) {
    return refused('ending', `does not end in ${entrypointEndings.join(', ')}`);
  }
  if (files !== undefined && ![...files].includes(entrypoint))
    return refused('absent', "is not one of the bot's files");
  return ok(entrypoint);
}
