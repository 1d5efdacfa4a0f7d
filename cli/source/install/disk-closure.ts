/**
 * Requirements files on the user's disk, with all that they include, as files of the bot. What the bot has anyway is named where
 * it is; what lies elsewhere is included in a folder of its own, in which the files find each other as on the disk.
 */
import { stat } from 'node:fs/promises';
import { dirname, isAbsolute, join, relative, resolve, sep } from 'node:path';
import { unwrap } from '#common/problem.ts';
import { closeOver, requirementFileMaxBytes } from '#common/requirements/closure.ts';
import { decodePipText, type PipFile, readPipFile } from '#common/requirements/pip-text.ts';
import { resolveInFolder } from '#common/requirements/resolve.ts';
import { isFileMissing } from '../../text/file-fault.ts';
import { readBytes } from '../../text/read-text.ts';
import { type CollectedFile, fileEntry } from '../collect.ts';

export interface Bundle {
  /** Where the file is in the bot's folder. */
  readonly path: string;
  /** What has to be included for it. */
  readonly added: readonly CollectedFile[];
  /** The text of the file itself. */
  readonly text: string;
}

export interface BundleContext {
  readonly files: readonly CollectedFile[];
  readonly cwd: string;
  /** The file itself as the user knows it. */
  readonly name: string;
  /** The folder for what lies elsewhere, without "/" at its end. */
  readonly folder: string;
  readonly signal: AbortSignal;
}

/** Throws CliError or ProblemError for a path that is missing, is not a file, or includes itself. */
export async function bundle(diskPath: string, { files, cwd, name, folder, signal }: BundleContext): Promise<Bundle> {
  const inBot = new Map(files.map((file) => [resolve(cwd, file.diskPath), file.path]));
  const shown = (path: string) => (isAbsolute(relative(cwd, path)) ? path : relative(cwd, path));
  const texts = new Map<string, string>();
  const read = new Map<string, PipFile | null>();
  const known = {
    file: (path: string) => read.get(path),
    resolve: (from: string, target: string) => shown(resolve(cwd, dirname(from), target)),
  };
  const root = shown(diskPath);
  for (;;) {
    const step = unwrap(closeOver([root], known));
    if (step.kind === 'done') {
      const disk = step.closure.files.map((path) => resolve(cwd, path));
      const text = texts.get(root) ?? '';
      const path = inBot.get(diskPath);
      if (path !== undefined && isWithin(disk, diskPath, path, inBot)) return { path, added: [], text };
      return { ...(await apart(disk, diskPath, folder)), text };
    }
    for (const path of step.paths) {
      const text = await readIfThere(resolve(cwd, path), path === root ? name : path, signal);
      read.set(path, text === undefined ? null : readPipFile(text));
      if (text !== undefined) texts.set(path, text);
    }
  }
}

/** Whether each of the files is in the bot's folder, at the same place seen from the first. */
function isWithin(disk: readonly string[], first: string, path: string, inBot: ReadonlyMap<string, string>): boolean {
  return disk.every((each) => {
    const target = relative(dirname(first), each).split(sep).join('/');
    const there = inBot.get(each);
    return there !== undefined && there === resolveInFolder(path, target);
  });
}

async function apart(disk: readonly string[], first: string, folder: string): Promise<Omit<Bundle, 'text'>> {
  let common = dirname(first);
  while (!disk.every((each) => each.startsWith(join(common, sep)))) common = dirname(common);
  const place = (each: string) => `${folder}/${relative(common, each).split(sep).join('/')}`;
  const added = await Promise.all(disk.map(async (each) => fileEntry(place(each), each, await stat(each))));
  return { path: place(first), added };
}

async function readIfThere(diskPath: string, name: string, signal: AbortSignal): Promise<string | undefined> {
  const isThere = await stat(diskPath).catch((error: unknown) => {
    if (isFileMissing(error)) return undefined;
    throw error;
  });
  if (isThere === undefined) return undefined;
  const bytes = await readBytes(diskPath, name, requirementFileMaxBytes, signal);
  return decodePipText(bytes);
}
