/** Submodules of a clone that were not fetched with it: git leaves an empty folder in the place of each. */
import { join } from 'node:path';
import { complain } from '../failures/errors.ts';
import { exitCodes } from '../failures/exit-codes.ts';
import { readTextFile } from '../text/read-text.ts';

const gitmodules = '.gitmodules';
const gitmodulesMaxBytes = 64 * 1024;

/**
 * Throws CliError for the first of `emptyFolders` that is a submodule: its code would be missing from the bot. Paths are those in
 * the folder at `diskPath`; `name` is that folder as the user wrote it, and `has` says whether it has a file.
 */
export async function refuseEmptySubmodule(
  name: string,
  diskPath: string,
  emptyFolders: readonly string[],
  has: (path: string) => boolean,
  signal: AbortSignal,
): Promise<void> {
  if (emptyFolders.length === 0 || !has(gitmodules)) return;
  const text = await readTextFile(join(diskPath, gitmodules), join(name, gitmodules), gitmodulesMaxBytes, signal);
  const submodules = new Set(text.split('\n').flatMap((line) => /^\s*path\s*=(.*)$/.exec(line)?.[1]?.trim() ?? []));
  const empty = emptyFolders.find((path) => submodules.has(path));
  if (empty === undefined) return;
  throw complain(
    exitCodes.failed,
    'INVALID_ARCHIVE',
    `${join(name, empty)} is a submodule that has not been fetched: its folder is empty.`,
    'Fetch it with "git submodule update --init --recursive", or list it in .dockerignore if the image does not need it.',
  );
}
