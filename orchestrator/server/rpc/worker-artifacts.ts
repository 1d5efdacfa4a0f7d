/** Which artifacts a worker may have: those of bots placed on it, as they should be or were before the job at work. */
import type { Secret } from '#common/secret.ts';
import type { BotRecord } from '../../core/records.ts';
import { artifactOf } from '../../engine/source-pruning.ts';
import { openSoundSpec } from '../../engine/specs.ts';
import type { Reading } from '../../store/tables.ts';

/** Specs are opened for the look: they are few, and an index beside them could be wrong. */
export function mayFetch(tx: Reading, sealKey: Secret<Uint8Array>, workerId: string, sha256: string): boolean {
  return tx.bots
    .ofWorker(workerId)
    .some((bot) => [bot.specSealed, bot.undo?.specSealed].some((sealed) => names(sealKey, bot, sealed, sha256)));
}

function names(
  sealKey: Secret<Uint8Array>,
  bot: BotRecord,
  sealed: Uint8Array | null | undefined,
  sha256: string,
): boolean {
  if (!sealed) return false;
  const spec = openSoundSpec(sealKey, bot, sealed);
  return spec !== undefined && artifactOf(spec) === sha256;
}
