/** Sealing of secrets at rest: AES-256-GCM, bound to what they belong to, so that a row cannot be moved to another bot. */
import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject, randomBytes } from 'node:crypto';
import { type BotKey, botKeyText } from '#common/ids.ts';
import type { Secret } from '#common/secret.ts';

const formatVersion = 1;
const nonceBytes = 12;
const tagBytes = 16;

// Making one takes longer than sealing a small spec with it. It goes with its secret.
const keyObjects = new WeakMap<Secret<Uint8Array>, KeyObject>();

/** The key as node:crypto takes it, made once for each secret. */
export function keyObjectOf(key: Secret<Uint8Array>): KeyObject {
  const known = keyObjects.get(key);
  if (known !== undefined) return known;
  const made = createSecretKey(key.reveal());
  keyObjects.set(key, made);
  return made;
}

/** What the spec of a bot is bound to. */
export const specBinding = (bot: BotKey): string => `spec ${botKeyText(bot)}`;

/** version (1) | nonce (12) | tag (16) | ciphertext. `boundTo` must be the same when opening. */
export function seal(key: Secret<Uint8Array>, plain: Uint8Array, boundTo: string): Uint8Array {
  const nonce = randomBytes(nonceBytes);
  const cipher = createCipheriv('aes-256-gcm', keyObjectOf(key), nonce).setAAD(Buffer.from(boundTo));
  const body = Buffer.concat([cipher.update(plain), cipher.final()]);
  return Buffer.concat([Buffer.from([formatVersion]), nonce, cipher.getAuthTag(), body]);
}

/** Throws when the key is another one, or the bytes were changed or moved. */
export function open(key: Secret<Uint8Array>, sealed: Uint8Array, boundTo: string): Uint8Array {
  const bytes = Buffer.from(sealed);
  if (bytes[0] !== formatVersion) throw new Error('sealed data has an unknown format');
  const nonce = bytes.subarray(1, 1 + nonceBytes);
  const tag = bytes.subarray(1 + nonceBytes, 1 + nonceBytes + tagBytes);
  const decipher = createDecipheriv('aes-256-gcm', keyObjectOf(key), nonce)
    .setAAD(Buffer.from(boundTo))
    .setAuthTag(tag);
  return Buffer.concat([decipher.update(bytes.subarray(1 + nonceBytes + tagBytes)), decipher.final()]);
}
