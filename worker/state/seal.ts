/** Seals text that must be kept on this machine but not readable there: AES-256-GCM, bound to what it belongs to. */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import type { Secret } from '#common/secret.ts';

const nonceBytes = 12;
const tagBytes = 16;

/** base64 of nonce (12) | tag (16) | ciphertext. `boundTo` must be the same when opening. */
export function sealText(key: Secret<Uint8Array>, plain: string, boundTo: string): string {
  const nonce = randomBytes(nonceBytes);
  const cipher = createCipheriv('aes-256-gcm', key.reveal(), nonce).setAAD(Buffer.from(boundTo));
  const body = Buffer.concat([cipher.update(plain, 'utf8'), cipher.final()]);
  return Buffer.concat([nonce, cipher.getAuthTag(), body]).toString('base64');
}

/** Undefined when the key is another one, or the text was changed or moved. */
export function openText(key: Secret<Uint8Array>, sealed: string, boundTo: string): string | undefined {
  const bytes = Buffer.from(sealed, 'base64');
  if (bytes.length < nonceBytes + tagBytes) return undefined;
  try {
    const decipher = createDecipheriv('aes-256-gcm', key.reveal(), bytes.subarray(0, nonceBytes))
      .setAAD(Buffer.from(boundTo))
      .setAuthTag(bytes.subarray(nonceBytes, nonceBytes + tagBytes));
    return Buffer.concat([decipher.update(bytes.subarray(nonceBytes + tagBytes)), decipher.final()]).toString('utf8');
  } catch {
    // GCM tells tampering and a wrong key only by throwing; for the caller both mean "cannot be opened".
    return undefined;
  }
}
