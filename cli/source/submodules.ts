/** Submodules of a clone that were not fetched with it: git leaves an empty folder in place of each. */
import { lstat } from 'node:fs/promises';
import { join } from 'node:path';
import { gitmodules, gitmodulesMaxBytes, submodulePaths } from '#common/gitmodules.ts';
import { complain } from '../failures/errors.ts';
import { exitCodes } from '../failures/exit-codes.ts';
import { readTextFile } from '../text/read-text.ts';

/**
 * Throws CliError for the first of `emptyFolders` that is a submodule: its code would be missing from the bot. Paths are those in
 * the folder at `diskPath`; `name` is that folder as the user wrote it.
 */
export async function refuseEmptySubmodule(
  name: string,
  diskPath: string,
  emptyFolders: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  if (emptyFolders.length === 0) return;
  const path = join(diskPath, gitmodules);
  const facts = await lstat(path).catch(() => undefined);
  if (!facts?.isFile() || facts.size > gitmodulesMaxBytes) return;
  const text = await readTextFile(path, join(name, gitmodules), gitmodulesMaxBytes, signal);
  const submodules = new Set(submodulePaths(text));
  const empty = emptyFolders.find((folder) => submodules.has(folder));
  if (empty === undefined) return;
  throw complain(
    exitCodes.failed,
    'INVALID_ARCHIVE',
    `${join(name, empty)} is a submodule that has not been fetched: its folder is empty.`,
    'Fetch it with "git submodule update --init --recursive", or list it in .dockerignore if the bot does not need it.',
  );
}
