/** Removes the bytes of uploads that belong to no source, some at a time, so that nobody waits for it and their space is free soon. */
import { inBackground, nextTurn } from '#common/background.ts';
import type { Logger } from '#common/log.ts';
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

/** What was being uploaded when an earlier run ended: forgotten when it resolves; its bytes go in the background. */
export async function removeUnfinished(
  store: Pick<Store, 'upkeep' | 'change'>,
  logger: Logger,
  signal: AbortSignal,
): Promise<void> {
  const uploads = await store.upkeep.unfinishedUploads();
  await store.change([], (tx) => {
    for (const uploadId of tx.artifacts.uploadIds()) tx.artifacts.discardUpload(uploadId);
  });
  inBackground(removeUploads(store, uploads, signal), (error) =>
    logger.warn({ err: error }, 'removing unfinished uploads failed'),
  );
}
