/**
 * Which files make up a bot: what `--simple` names, looked up on disk.
 *
 * 1. A file goes to the bot's folder under its base name. One folder alone is the bot's folder; next to other sources a
 *    folder keeps its name, with all its sub-folders.
 * 2. What belongs to a folder is said by left-out/folder-rules.ts. Of links in it those to files in it are taken, as files;
 *    special files are never read. What cannot be taken, for its kind, its name or its permissions, is reported, and the rest
 *    is taken anyway. What the user names is taken, or refused.
 * 3. Two sources never overwrite each other: the same name twice is an error.
 * 4. The result is sorted, so that the same files always give the same archive.
 */
import { constants, type Dirent, type Stats } from 'node:fs';
import { access, lstat, readdir, realpath, stat } from 'node:fs/promises';
import { basename, join, relative, resolve, sep } from 'node:path';
import { unwrap } from '#common/problem.ts';
import { brokenPathRule, checkFileSet, createFileTree, type FileTree } from '#common/safe-path.ts';
import { complain } from '../failures/errors.ts';
import { exitCodes } from '../failures/exit-codes.ts';
import { fileFault } from '../text/file-fault.ts';
import { checkBounds, inPathOrder } from './file-bounds.ts';
import { createFolderRules, type FolderRules } from './left-out/folder-rules.ts';
import type { LeftOut, Reason } from './left-out/left-out.ts';
import type { PackEntry } from './pack.ts';
import { refuseEmptySubmodule } from './submodules.ts';

export type CollectedFile = Extract<PackEntry, { kind: 'file' }>;

export interface Source {
  /** Sorted by path. At least one. */
  readonly files: readonly CollectedFile[];
  /** True when one folder alone was given: its usual entrypoint is looked for. */
  readonly wholeFolder: boolean;
  /** Paths of the files that were named themselves, in their order. */
  readonly namedFiles: readonly string[];
  /** What is left out of folders, sorted by path. */
  readonly leftOut: readonly LeftOut[];
  /** The file whose patterns left something out, if there is one. */
  readonly ignoreFile: string | undefined;
}

/**
 * Throws CliError with the cure, or ProblemError for names that no bot may have. `cwd` resolves relative names; `includes` are
 * the values of --include.
 */
export async function collectSource(
  names: readonly string[],
  cwd: string,
  signal: AbortSignal,
  includes: readonly string[] = [],
): Promise<Source> {
  const files: CollectedFile[] = [];
  const leftOut: LeftOut[] = [];
  let wholeFolder = false;
  let ignoreFile: string | undefined;
  const namedFiles: string[] = [];
  const wanted = await Promise.all(includes.map((path) => findIncluded(path, names, cwd)));
  for (const name of names) {
    const diskPath = resolve(cwd, name);
    // A link that the user names is meant; only links found inside folders are judged.
    const facts = await stat(diskPath).catch((error: unknown) => Promise.reject(fileFault(name, error)));
    if (facts.isDirectory()) {
      wholeFolder = names.length === 1;
      const rules = await createFolderRules(diskPath, wanted, signal);
      const prefix = wholeFolder ? '' : `${basename(diskPath)}/`;
      const root = await realpath(diskPath);
      const found: Found = { root, tree: createFileTree(), files, leftOut, emptyFolders: [], signal };
      await walk(found, { folder: diskPath, shownAs: name, prefix, isTaken: true, rules });
      await refuseEmptySubmodule(
        name,
        diskPath,
        found.emptyFolders.map((path) => path.slice(prefix.length)),
        signal,
      );
      ignoreFile ??= rules.ignoreFile;
    } else if (facts.isFile()) {
      const path = basename(diskPath);
      namedFiles.push(path);
      files.push(fileEntry(path, diskPath, facts));
    } else throw fault(`${name} is neither a file nor a folder.`, 'Give plain files or a folder.');
  }
  return {
    files: checkedFiles(names, files),
    wholeFolder,
    namedFiles,
    leftOut: leftOut.toSorted(inPathOrder),
    ignoreFile,
  };
}

/** The absolute path of a value of --include: as the user sees it, or as it is called in the bot's folder. */
async function findIncluded(path: string, names: readonly string[], cwd: string): Promise<string> {
  const places = [cwd, ...names.map((name) => resolve(cwd, name))].map((folder) => resolve(folder, path));
  for (const place of places) {
    const isThere = await lstat(place).catch(() => undefined);
    const isWithin = names.some((name) => `${place}${sep}`.startsWith(`${resolve(cwd, name)}${sep}`));
    if (isThere !== undefined && isWithin) return place;
  }
  throw fault(
    `--include ${path} matches nothing in ${names.map((name) => (name === '.' ? 'this folder' : name)).join(', ')}.`,
    'Name a file or folder as shown in the list of what was left out.',
  );
}

export const fileEntry = (path: string, diskPath: string, facts: Pick<Stats, 'size' | 'mode'>): CollectedFile => ({
  kind: 'file',
  path,
  diskPath,
  sizeBytes: facts.size,
  executable: (facts.mode & 0o100) !== 0,
});

interface Found {
  /** The real path of the folder that the user named: links must not lead out of it. */
  readonly root: string;
  readonly tree: FileTree;
  readonly files: CollectedFile[];
  readonly leftOut: LeftOut[];
  /** Empty folders that belong to the bot; nothing in them is included. */
  readonly emptyFolders: string[];
  readonly signal: AbortSignal;
}

interface Place {
  readonly folder: string;
  readonly shownAs: string;
  readonly prefix: string;
  /** False for one that is only searched for what is taken from it anyway. */
  readonly isTaken: boolean;
  readonly rules: FolderRules;
}

async function walk(found: Found, { folder, shownAs, prefix, isTaken, rules }: Place): Promise<void> {
  found.signal.throwIfAborted();
  const entries = await readdir(folder, { withFileTypes: true }).catch((error: unknown) => {
    if (prefix === '') throw fileFault(shownAs, error);
    const path = prefix.slice(0, -1);
    found.leftOut.push({ path, shown: shownAs, isFolder: true, reason: 'unreadable' });
    return undefined;
  });
  if (entries === undefined) return;
  if (entries.length === 0 && isTaken && prefix !== '') found.emptyFolders.push(prefix.slice(0, -1));
  for (const entry of entries) {
    const diskPath = join(folder, entry.name);
    const shown = join(shownAs, entry.name);
    const path = `${prefix}${entry.name}`;
    const isFolder = entry.isDirectory();
    const leave = (reason: Reason) => found.leftOut.push({ path, shown, isFolder, reason });
    const { take, reason, lookInside } = await rules.decide(entry.name, isFolder);
    if (!take && reason !== undefined) leave(reason);
    if (isFolder) {
      if (!take && !lookInside) continue;
      if (brokenPathRule(path) !== undefined) leave('name');
      else
        await walk(found, {
          folder: diskPath,
          shownAs: shown,
          prefix: `${path}/`,
          isTaken: take,
          rules: await rules.below(entry.name),
        });
    } else if (take) {
      const result = await readable(found, entry, diskPath, path);
      if (typeof result === 'string') leave(result);
      else found.files.push(result);
    }
  }
}

/** The file, or why it cannot be taken. */
async function readable(
  { root, tree }: Found,
  entry: Dirent,
  diskPath: string,
  path: string,
): Promise<CollectedFile | Reason> {
  if (!entry.isFile() && !entry.isSymbolicLink()) return 'special';
  if (brokenPathRule(path) !== undefined) return 'name';
  let target = diskPath;
  try {
    if (entry.isSymbolicLink()) {
      target = await realpath(diskPath);
      const inRoot = relative(root, target);
      if (inRoot === '' || inRoot.startsWith('..') || resolve(root, inRoot) !== target) return 'link';
    }
    const facts = await lstat(target);
    if (!facts.isFile()) return entry.isSymbolicLink() ? 'link' : 'special';
    await access(target, constants.R_OK);
    return tree.addFile(path).ok ? fileEntry(path, target, facts) : 'name';
  } catch {
    // Gone since, a link to nowhere, or not this user's to read.
    return entry.isSymbolicLink() ? 'link' : 'unreadable';
  }
}

function checkedFiles(names: readonly string[], files: readonly CollectedFile[]): readonly CollectedFile[] {
  const known = new Map<string, CollectedFile>();
  for (const file of files) {
    const other = known.get(file.path);
    if (other !== undefined) {
      throw fault(
        `${other.diskPath} and ${file.diskPath} would both be ${file.path}.`,
        'Rename one, or put them into folders and give their common folder.',
      );
    }
    known.set(file.path, file);
  }
  if (files.length === 0) throw fault(`There are no files in ${names.join(', ')}.`, 'Give a file, or another folder.');
  unwrap(checkFileSet(known.keys()));
  checkBounds(files);
  return files.toSorted(inPathOrder);
}

const fault = (message: string, hint: string) => complain(exitCodes.failed, 'INVALID_FILES', message, hint);
