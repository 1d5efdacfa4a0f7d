/**
 * Which files of a folder with a Dockerfile go to the build: everything its .dockerignore and the defaults leave in.
 *
 * 1. Links are kept as links if they are relative and cannot lead out of the folder; others, and special files, are left
 *    out and reported, and so is what has a name that no bot may have or may not be read: the rest goes all the same. Nothing
 *    is ever read through a link that was found.
 * 2. A folder is named in the archive only where it would be missing otherwise: when nothing in it is kept.
 * 3. The result is sorted, so that the same files always give the same archive.
 */
import { constants, type Dirent } from 'node:fs';
import { access, lstat, readdir, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { nextTurn } from '#common/background.ts';
import type { IgnorePattern } from '#common/ignore/dockerignore.ts';
import { createEffort, type Effort, type IgnoreVerdict, judge } from '#common/ignore/judge.ts';
import { brokenPathRule, createFileTree, type FileTree } from '#common/safe-path.ts';
import { fileFault } from '../text/file-fault.ts';
import { fileEntry } from './collect.ts';
import { checkBounds, inPathOrder } from './file-bounds.ts';
import type { PackEntry } from './pack.ts';

export interface FolderContext {
  /** Sorted by path. */
  readonly entries: readonly PackEntry[];
  /** Links and special files that are left out, sorted. */
  readonly leftOut: readonly string[];
  /** What is left out though no pattern says so, sorted; of a folder only the folder itself. */
  readonly byDefault: readonly string[];
}

interface Walk {
  readonly root: string;
  readonly patterns: readonly IgnorePattern[];
  readonly effort: Effort;
  readonly signal: AbortSignal;
  readonly entries: PackEntry[];
  readonly tree: FileTree;
  readonly leftOut: string[];
  readonly byDefault: string[];
}

/** Throws CliError with the cure. */
export async function collectContext(
  root: string,
  patterns: readonly IgnorePattern[],
  signal: AbortSignal,
): Promise<FolderContext> {
  const effort = createEffort(nextTurn);
  const walk: Walk = {
    root,
    patterns,
    effort,
    signal,
    entries: [],
    tree: createFileTree(),
    leftOut: [],
    byDefault: [],
  };
  await visit(walk, '', undefined);
  checkBounds(walk.entries);
  return {
    entries: walk.entries.toSorted(inPathOrder),
    leftOut: walk.leftOut.toSorted(),
    byDefault: walk.byDefault.toSorted(),
  };
}

async function visit(walk: Walk, folder: string, parent: IgnoreVerdict | undefined): Promise<void> {
  walk.signal.throwIfAborted();
  const found = await readdir(join(walk.root, folder), { withFileTypes: true }).catch((error: unknown) => {
    if (folder === '') throw fileFault(walk.root, error);
    walk.leftOut.push(folder);
    return [];
  });
  for (const entry of found) {
    const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
    const verdict = await judge(walk.patterns, path, parent, walk.effort);
    if (verdict.byDefault) walk.byDefault.push(path);
    if (!entry.isDirectory()) {
      if (verdict.keep) await add(walk, path, entry);
    } else if (verdict.keep || verdict.lookInside) {
      if (!walk.tree.addFolder(path).ok) {
        walk.leftOut.push(path);
        continue;
      }
      const before = walk.entries.length;
      await visit(walk, path, verdict);
      if (verdict.keep && walk.entries.length === before) walk.entries.push({ kind: 'folder', path });
    }
  }
}

async function add(walk: Walk, path: string, entry: Dirent): Promise<void> {
  const found = await entryOf(path, join(walk.root, path), entry).catch((error: unknown) => {
    // The build is nothing without it.
    if (path === 'Dockerfile') throw fileFault(path, error);
    return undefined;
  });
  if (found !== undefined && walk.tree.addFile(path).ok) walk.entries.push(found);
  else walk.leftOut.push(path);
}

/** Undefined for what no archive of ours holds. Rejects for what may not be read, or went away. */
async function entryOf(path: string, diskPath: string, entry: Dirent): Promise<PackEntry | undefined> {
  if (entry.isFile()) {
    const facts = await lstat(diskPath);
    await access(diskPath, constants.R_OK);
    return fileEntry(path, diskPath, facts);
  }
  const target = entry.isSymbolicLink() ? insideTarget(path, await readlink(diskPath)) : undefined;
  return target === undefined ? undefined : { kind: 'link', path, target };
}

/**
 * The target of a link at `path`, made plain, if it is somewhere in the folder and not the link itself; else undefined.
 * Up-steps may only stand at its beginning: after a name they would start from wherever that leads, which may be a link too.
 */
export function insideTarget(path: string, target: string): string | undefined {
  if (target === '' || target.startsWith('/')) return undefined;
  const folders = path.split('/').slice(0, -1);
  const steps = target.split('/').filter((step) => step !== '' && step !== '.');
  const firstName = steps.findIndex((step) => step !== '..');
  const ups = firstName < 0 ? steps.length : firstName;
  const names = steps.slice(ups);
  if (ups > folders.length || (names.length > 0 && brokenPathRule(names.join('/')) !== undefined)) return undefined;
  const reached = [...folders.slice(0, folders.length - ups), ...names].join('/');
  return reached === path ? undefined : steps.join('/') || '.';
}
