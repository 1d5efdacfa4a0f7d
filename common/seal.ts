/**
 * Sealing of what is kept on disk and must not be readable there: AES-256-GCM, bound to what it belongs to, so that it cannot be
 * moved to something else.
 */
import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject, randomBytes } from 'node:crypto';
import type { Secret } from './secret.ts';

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

/** nonce (12) | tag (16) | ciphertext. `boundTo` must be the same when opening. */
export function seal(key: Secret<Uint8Array>, plain: Uint8Array, boundTo: string): Buffer {
  const nonce = randomBytes(nonceBytes);
  const cipher = createCipheriv('aes-256-gcm', keyObjectOf(key), nonce).setAAD(Buffer.from(boundTo));
  const body = Buffer.concat([cipher.update(plain), cipher.final()]);
  return Buffer.concat([nonce, cipher.getAuthTag(), body]);
}

/** Throws when the key is another one, or the bytes were changed, cut or moved. */
export function open(key: Secret<Uint8Array>, sealed: Uint8Array, boundTo: string): Buffer {
  const bytes = Buffer.from(sealed.buffer, sealed.byteOffset, sealed.byteLength);
  const decipher = createDecipheriv('aes-256-gcm', keyObjectOf(key), bytes.subarray(0, nonceBytes), {
    // A shorter tag is easier to forge, and GCM accepts one unless the length is given.
    authTagLength: tagBytes,
  })
    .setAAD(Buffer.from(boundTo))
    .setAuthTag(bytes.subarray(nonceBytes, nonceBytes + tagBytes));
  return Buffer.concat([decipher.update(bytes.subarray(nonceBytes + tagBytes)), decipher.final()]);
}

/** As seal, in base64. */
export const sealText = (key: Secret<Uint8Array>, plain: string, boundTo: string): string =>
  seal(key, Buffer.from(plain), boundTo).toString('base64');

/** Undefined when the key is another one, or the text was changed, cut or moved. */
export function openText(key: Secret<Uint8Array>, sealed: string, boundTo: string): string | undefined {
  try {
    return open(key, Buffer.from(sealed, 'base64'), boundTo).toString('utf8');
  } catch {
    // GCM reports tampering and a wrong key only by throwing; for the caller both mean "cannot be opened".
    return undefined;
  }
}
