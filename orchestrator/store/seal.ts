/** How specs and sources are sealed in the store: common/seal.ts with a number of the format before it. */
import { type BotKey, botKeyText } from '#common/ids.ts';
import { ProblemError, problem } from '#common/problem.ts';
import { open, seal } from '#common/seal.ts';
import type { Secret } from '#common/secret.ts';
import type { StoredChunk } from './store.ts';

const formatVersion = 1;

/** What the spec of a bot is bound to. */
export const specBinding = (bot: BotKey): string => `spec ${botKeyText(bot)}`;

/**
 * What a chunk of a source is bound to: its upload and its place, so that none can be moved or repeated. That none is missing at the end
 * shows in the sha256 of the whole, which is its name and is checked by whoever reads it.
 */
export const chunkBinding = (uploadId: string, n: number): string => `source ${uploadId} ${n}`;

/** What sealing adds to a chunk, in bytes. */
export const sealedExtraBytes = 1 + 12 + 16;

/** A chunk of a source as it is stored. */
export const sealChunk = (key: Secret<Uint8Array>, uploadId: string, n: number, plain: Uint8Array): Uint8Array =>
  sealStored(key, plain, chunkBinding(uploadId, n));

/** Throws ProblemError ARTIFACT_NOT_FOUND when another key has sealed it, or it was changed or moved. */
export function openChunk(
  key: Secret<Uint8Array>,
  uploadId: string,
  n: number,
  { bytes, isSealed }: StoredChunk,
): Uint8Array {
  if (!isSealed) return bytes;
  try {
    return openStored(key, bytes, chunkBinding(uploadId, n));
  } catch (cause) {
    const message = 'What the orchestrator has stored of the source can no longer be decrypted.';
    const hint = 'Deploy the bot again with its source.';
    throw new ProblemError(problem('ARTIFACT_NOT_FOUND', message, { hint }), { cause });
  }
}

/** What the findings of a source are bound to. */
export const findingsBinding = (sha256: string): string => `findings ${sha256}`;

/** version (1) | nonce (12) | tag (16) | ciphertext. `boundTo` must be the same when opening. */
export const sealStored = (key: Secret<Uint8Array>, plain: Uint8Array, boundTo: string): Uint8Array =>
  Buffer.concat([Buffer.from([formatVersion]), seal(key, plain, boundTo)]);

/** Throws when the key is another one, or the bytes were changed or moved. */
export function openStored(key: Secret<Uint8Array>, sealed: Uint8Array, boundTo: string): Uint8Array {
  if (sealed[0] !== formatVersion) throw new Error('sealed data has an unknown format');
  return open(key, sealed.subarray(1), boundTo);
}
