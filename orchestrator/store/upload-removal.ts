/** Removes the bytes of uploads that belong to no source, some at a time, so that nobody waits for it and their space is free soon. */
import { nextTurn } from '#common/background.ts';
import type { Store } from './store.ts';

// Of one turn: some milliseconds.
const chunksAtOnce = 32;

/** Resolves when all of them are gone, or the signal aborts. */
export async function removeUploads(
  { upkeep }: Pick<Store, 'upkeep'>,
  uploadIds: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  for (const uploadId of uploadIds) {
    while (!signal.aborted && (await upkeep.removeChunks(uploadId, chunksAtOnce)) > 0) await nextTurn();
  }
}
