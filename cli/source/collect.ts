/**
 * Which files make up a bot: what `--simple` names, looked up on disk.
 *
 * 1. A file goes to the bot's folder under its base name. One folder alone is the bot's folder; next to other sources a
 *    folder keeps its name, with all its sub-folders.
 * 2. Inside folders, hidden names, virtual environments, caches and node_modules are left out, and neither links nor
 *    special files are followed or read. What was left out for its kind is reported.
 * 3. Two sources never overwrite each other: the same name twice is an error.
 * 4. The result is sorted, so that the same files always give the same archive.
 */
import type { Stats } from 'node:fs';
import { lstat, readdir, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { unwrap } from '#common/problem.ts';
import { checkFileSet } from '#common/safe-path.ts';
import { complain } from '../errors.ts';
import { exitCodes } from '../exit-codes.ts';
import { checkBounds, inPathOrder } from './file-bounds.ts';
import { fileFault } from './file-fault.ts';
import type { PackEntry } from './pack.ts';

export type SourceFile = Extract<PackEntry, { kind: 'file' }>;

export interface Source {
  /** Sorted by path. At least one. */
  readonly files: readonly SourceFile[];
  /** True when one folder alone was given: its usual entrypoint is looked for. */
  readonly wholeFolder: boolean;
  /** Paths of the files that were named themselves, in their order. */
  readonly namedFiles: readonly string[];
  /** Links and special files in folders, as given by the user. */
  readonly leftOut: readonly string[];
}

const leftOutFolders = new Set(['node_modules', '__pycache__']);

/** Hidden names cover .git and .venv too. */
const isLeftOut = (name: string, isFolder: boolean): boolean =>
  name.startsWith('.') || (isFolder && leftOutFolders.has(name));

/** Throws CliError with the cure, or ProblemError for names that no bot may have. `cwd` resolves relative names. */
export async function collectSource(names: readonly string[], cwd: string, signal: AbortSignal): Promise<Source> {
  const files: SourceFile[] = [];
  const leftOut: string[] = [];
  let wholeFolder = false;
  const namedFiles: string[] = [];
  for (const name of names) {
    const diskPath = resolve(cwd, name);
    // A link that the user names is meant; only links found inside folders are left out.
    const facts = await stat(diskPath).catch((error: unknown) => Promise.reject(fileFault(name, error)));
    if (facts.isDirectory()) {
      wholeFolder = names.length === 1;
      const prefix = wholeFolder ? '' : `${basename(diskPath)}/`;
      await walk({ folder: diskPath, shownAs: name, prefix, files, leftOut, signal });
    } else if (facts.isFile()) {
      const path = basename(diskPath);
      namedFiles.push(path);
      files.push(fileEntry(path, diskPath, facts));
    } else throw fault(`${name} is neither a file nor a folder.`, 'Name plain files or a folder.');
  }
  return { files: checkedFiles(names, files), wholeFolder, namedFiles, leftOut: leftOut.toSorted() };
}

export const fileEntry = (path: string, diskPath: string, facts: Pick<Stats, 'size' | 'mode'>): SourceFile => ({
  kind: 'file',
  path,
  diskPath,
  sizeBytes: facts.size,
  executable: (facts.mode & 0o100) !== 0,
});

interface Walk {
  readonly folder: string;
  readonly shownAs: string;
  readonly prefix: string;
  readonly files: SourceFile[];
  readonly leftOut: string[];
  readonly signal: AbortSignal;
}

async function walk({ folder, shownAs, prefix, files, leftOut, signal }: Walk): Promise<void> {
  signal.throwIfAborted();
  const entries = await readdir(folder, { withFileTypes: true }).catch((error: unknown) =>
    Promise.reject(fileFault(shownAs, error)),
  );
  for (const entry of entries) {
    if (isLeftOut(entry.name, entry.isDirectory())) continue;
    const diskPath = join(folder, entry.name);
    const shown = join(shownAs, entry.name);
    const path = `${prefix}${entry.name}`;
    if (entry.isDirectory()) {
      await walk({ folder: diskPath, shownAs: shown, prefix: `${path}/`, files, leftOut, signal });
    } else if (entry.isFile()) {
      const facts = await lstat(diskPath).catch((error: unknown) => Promise.reject(fileFault(shown, error)));
      files.push(fileEntry(path, diskPath, facts));
    } else leftOut.push(shown);
  }
}

function checkedFiles(names: readonly string[], files: readonly SourceFile[]): readonly SourceFile[] {
  const known = new Map<string, SourceFile>();
  for (const file of files) {
    const other = known.get(file.path);
    if (other !== undefined) {
      throw fault(
        `${other.diskPath} and ${file.diskPath} would both be ${file.path}.`,
        'Rename one, or put them into folders and name their common folder.',
      );
    }
    known.set(file.path, file);
  }
  if (files.length === 0) throw fault(`There are no files in ${names.join(', ')}.`, 'Name a file, or another folder.');
  unwrap(checkFileSet(known.keys()));
  checkBounds(files);
  return files.toSorted(inPathOrder);
}

const fault = (message: string, hint: string) => complain(exitCodes.failed, 'INVALID_FILES', message, hint);
