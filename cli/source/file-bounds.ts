/** The orchestrator's limits on a source's files, checked here so that nothing is uploaded for nothing. Pure. */
import { complain } from '../failures/errors.ts';
import { exitCodes } from '../failures/exit-codes.ts';
import { entriesMax, sourceMaxBytes } from '../text/file-limits.ts';
import type { PackEntry } from './pack.ts';

/** By code units, not by the user's language: the order of an archive must be the same everywhere. */
export const inPathOrder = (left: { readonly path: string }, right: { readonly path: string }): number =>
  left.path < right.path ? -1 : 1;

export const sizeOf = (entries: readonly PackEntry[]): number =>
  entries.reduce((sum, entry) => sum + (entry.kind === 'file' ? entry.sizeBytes : 0), 0);

/** Throws CliError for too many or too large ones. */
export function checkBounds(entries: readonly PackEntry[]): void {
  if (entries.length > entriesMax) {
    throw fault(
      `The bot has ${entries.length} files; at most ${entriesMax} are allowed.`,
      'Leave out what the bot does not need.',
    );
  }
  const total = sizeOf(entries);
  if (total <= sourceMaxBytes) return;
  const files = entries.filter((entry) => entry.kind === 'file');
  const largest = files.reduce((left, right) => (left.sizeBytes >= right.sizeBytes ? left : right));
  throw fault(
    `The files of the bot are ${Math.ceil(total / 1e6)} MB; at most ${sourceMaxBytes / 1e6} MB are allowed.`,
    `The largest is ${largest.path}; leave out what the bot does not need, or let the bot download it to /data when it starts.`,
  );
}

const fault = (message: string, hint: string) => complain(exitCodes.failed, 'INVALID_FILES', message, hint);
