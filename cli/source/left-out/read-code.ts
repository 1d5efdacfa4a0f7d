/** Reads a bot's files for what they say of others: names of what is left out, and files that are not there themselves. */
import { readFile } from 'node:fs/promises';
import { isLfsPointerText, lfsPointerMaxBytes } from '#common/lfs-pointer.ts';
import { complain } from '../../failures/errors.ts';
import { exitCodes } from '../../failures/exit-codes.ts';
import type { CollectedFile } from '../collect.ts';
import type { LeftOut } from './left-out.ts';
import { createNameSearch, isReadForNames, type NamedByCode } from './named-by-code.ts';

/** Code that people write is shorter. */
const fileMaxBytes = 1024 * 1024;
const totalMaxBytes = 32 * 1024 * 1024;

/** Which of `items` the code names. Throws CliError for a pointer of Git LFS, which would be sent in place of the file. */
export async function readCode(
  files: readonly CollectedFile[],
  items: readonly LeftOut[],
  signal: AbortSignal,
): Promise<readonly NamedByCode[]> {
  const names = createNameSearch(items);
  let leftBytes = totalMaxBytes;
  for (const { path, diskPath, sizeBytes } of files) {
    const isCode = items.length > 0 && isReadForNames(path) && sizeBytes <= fileMaxBytes;
    if (sizeBytes === 0 || sizeBytes > leftBytes || !(isCode || sizeBytes < lfsPointerMaxBytes)) continue;
    leftBytes -= sizeBytes;
    // A file that cannot be read is reported when it is packed.
    const text = await readFile(diskPath, { encoding: 'utf8', signal }).catch(() => '');
    signal.throwIfAborted();
    if (text.length < lfsPointerMaxBytes && isLfsPointerText(text)) throw pointer(path);
    if (isCode) names.search(path, text);
  }
  return names.found();
}

const pointer = (path: string) =>
  complain(
    exitCodes.failed,
    'INVALID_FILES',
    `${path} is a Git LFS pointer, not the file itself.`,
    'Fetch it with "git lfs pull", or list it in .dockerignore if the bot does not need it.',
  );
