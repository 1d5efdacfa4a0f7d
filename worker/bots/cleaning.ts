/** What a bot leaves on the engine and on disk, removed once nothing needs it any more. */
import { withTimeLimit } from '#common/waiting/time-limit.ts';
import type { BotContext } from './bot-context.ts';
import { type BotMemory, imageNameNow } from './bot-memory.ts';

const removalLimitMs = 60_000;

/** Removes the images, and of a removed bot the log, and its data if it should be purged. */
export async function cleanUp(memory: BotMemory, context: BotContext, signal: AbortSignal): Promise<void> {
  const { runtime, clock, log } = context;
  await withTimeLimit(clock, 'removing images', removalLimitMs, signal, (limited) =>
    runtime.removeImages(memory.key, [], limited),
  );
  memory.imageReady = undefined;
  memory.record = { ...memory.record, image: undefined, formerImage: undefined };
  const { desired } = memory.record;
  if (desired?.kind === 'removed' && desired.purge) {
    await withTimeLimit(clock, 'removing the data', removalLimitMs, signal, (limited) =>
      runtime.removeVolumes(memory.key, limited),
    );
  }
  if (memory.record.desired?.kind === 'removed') await log.remove();
}

/** Images of older revisions, once the newer one runs. */
export async function removeOldImages(
  memory: BotMemory,
  context: BotContext,
  revision: bigint,
  signal: AbortSignal,
): Promise<void> {
  const { runtime, clock } = context;
  await withTimeLimit(clock, 'removing old images', removalLimitMs, signal, (limited) =>
    runtime.removeImages(memory.key, [imageNameNow(memory, revision)], limited),
  );
  if (memory.record.image?.revision === revision) memory.record = { ...memory.record, formerImage: undefined };
}
