/** How specs are sealed in the store: common/seal.ts with a number of the format before it. */
import { type BotKey, botKeyText } from '#common/ids.ts';
import { open, seal } from '#common/seal.ts';
import type { Secret } from '#common/secret.ts';

const formatVersion = 1;

/** What the spec of a bot is bound to. */
export const specBinding = (bot: BotKey): string => `spec ${botKeyText(bot)}`;

/** version (1) | nonce (12) | tag (16) | ciphertext. `boundTo` must be the same when opening. */
export const sealStored = (key: Secret<Uint8Array>, plain: Uint8Array, boundTo: string): Uint8Array =>
  Buffer.concat([Buffer.from([formatVersion]), seal(key, plain, boundTo)]);

/** Throws when the key is another one, or the bytes were changed or moved. */
export function openStored(key: Secret<Uint8Array>, sealed: Uint8Array, boundTo: string): Uint8Array {
  if (sealed[0] !== formatVersion) throw new Error('sealed data has an unknown format');
  return open(key, sealed.subarray(1), boundTo);
}
