/**
 * Files that are sealed as they are written and opened as they are read, a chunk at a time, whatever their size: the STREAM construction
 * (https://eprint.iacr.org/2015/189), as age uses it (https://age-encryption.org/v1).
 *
 * 1. The file begins with a mark and a random salt; the key of the file is made of the worker's and the salt, so that a nonce is never
 *    used twice with one key.
 * 2. Chunks of 64 KiB follow, each sealed with AES-256-GCM. The nonce is the number of the chunk and whether it is the last one: one that
 *    is missing, moved, repeated or cut off is noticed.
 * 3. All are bound to what the file belongs to.
 */
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, open, rename, rm, stat } from 'node:fs/promises';
import { Readable } from 'node:stream';
import type { Secret } from '#common/secret.ts';
import { TransientError } from '#common/waiting/transient.ts';

const mark = Buffer.from('BRSF1\n');
const saltBytes = 16;
const headBytes = mark.length + saltBytes;
const chunkBytes = 64 * 1024;
const tagBytes = 16;
const cipherName = 'aes-256-gcm';

/** What a file belongs to, and the key of the worker. */
export interface Sealing {
  readonly key: Secret<Uint8Array>;
  readonly boundTo: string;
}

/** Transient: what was kept wrongly is removed by those who keep it, and fetched or made again. */
export class SealedFileError extends TransientError {
  constructor(why: string, options?: { cause?: unknown }) {
    super(`a source that is kept here ${why}`, options);
    this.name = 'SealedFileError';
  }
}

const keyOf = ({ key, boundTo }: Sealing, salt: Uint8Array): Uint8Array =>
  new Uint8Array(hkdfSync('sha256', key.reveal(), salt, `file ${boundTo}`, 32));

function nonceOf(n: number, isLast: boolean): Buffer {
  const nonce = Buffer.alloc(12);
  nonce.writeUIntBE(n, 5, 6);
  nonce[11] = isLast ? 1 : 0;
  return nonce;
}

export interface SealedWriter {
  /** Of what was written so far, before it was sealed. */
  readonly bytes: number;
  write(file: FileHandle, bytes: Uint8Array): Promise<void>;
  /** Writes what is left. Nothing may be written after it. */
  end(file: FileHandle): Promise<void>;
}

/** Writes a file from its start on. The handle may be another one each time: what is held back is held here. */
export function createSealedWriter(sealing: Sealing): SealedWriter {
  const salt = randomBytes(saltBytes);
  const key = keyOf(sealing, salt);
  const held = Buffer.alloc(chunkBytes);
  let heldBytes = 0;
  let bytes = 0;
  let n = 0;
  const put = async (file: FileHandle, isLast: boolean): Promise<void> => {
    const cipher = createCipheriv(cipherName, key, nonceOf(n, isLast));
    const sealed = Buffer.concat([cipher.update(held.subarray(0, heldBytes)), cipher.final(), cipher.getAuthTag()]);
    // Where it belongs, so that one that failed is written over.
    if (n === 0) await writeAll(file, Buffer.concat([mark, salt]), 0);
    await writeAll(file, sealed, headBytes + n * (chunkBytes + tagBytes));
    n += 1;
    heldBytes = 0;
  };
  return {
    get bytes() {
      return bytes;
    },
    async write(file, given) {
      for (let at = 0; at < given.length; ) {
        // Only when there is more is it known that this is not the last one.
        if (heldBytes === chunkBytes) await put(file, false);
        const part = given.subarray(at, at + chunkBytes - heldBytes);
        held.set(part, heldBytes);
        heldBytes += part.length;
        at += part.length;
        bytes += part.length;
      }
    },
    end: (file) => put(file, true),
  };
}

async function writeAll(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let at = 0; at < bytes.length; ) {
    at += (await file.write(bytes, at, bytes.length - at, position + at)).bytesWritten;
  }
}

/** How many bytes a sealed file of this size holds. */
export function openedBytes(sealedBytes: number): number {
  const body = sealedBytes - headBytes;
  return body - Math.ceil(body / (chunkBytes + tagBytes)) * tagBytes;
}

/** Whether the file was sealed, by whomever; false for one of a release that kept it as it is. */
export async function isSealedFile(path: string): Promise<boolean> {
  const file = await open(path, 'r');
  try {
    return (await readUpTo(file, 0, mark.length)).equals(mark);
  } finally {
    await file.close();
  }
}

/** Writes a new file, whole and on disk when it resolves. On failure or abort nothing is left. */
export async function writeSealed(
  path: string,
  content: AsyncIterable<Uint8Array>,
  sealing: Sealing,
  signal?: AbortSignal,
): Promise<void> {
  const writer = createSealedWriter(sealing);
  const file = await open(path, 'wx', 0o600);
  try {
    for await (const piece of content) {
      signal?.throwIfAborted();
      await writer.write(file, piece);
    }
    signal?.throwIfAborted();
    await writer.end(file);
    await file.sync();
  } catch (error) {
    await rm(path, { force: true });
    throw error;
  } finally {
    await file.close();
  }
}

/** Seals a file of a release that did not, in its place; `part` is a name beside it that nobody else uses. */
export async function sealInPlace(path: string, part: string, sealing: Sealing): Promise<void> {
  await writeSealed(part, createReadStream(path), sealing);
  // It may have been removed meanwhile, and then it is not brought back.
  if (await isThere(path)) await rename(part, path);
  else await rm(part, { force: true });
}

const isThere = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );

/** The content of a sealed file. The stream fails with SealedFileError when it was sealed for something else, or changed. */
export const openSealed = (path: string, sealing: Sealing): Readable =>
  Readable.from(chunksOf(path, sealing, false), { objectMode: false });

/** The same of a file that an earlier release may have left as it is. Which it is shows when it is read: it may be sealed until then. */
export const openKept = (path: string, sealing: Sealing): Readable =>
  Readable.from(chunksOf(path, sealing, true), { objectMode: false });

async function* chunksOf(path: string, sealing: Sealing, mayBePlain: boolean): AsyncGenerator<Buffer> {
  const file = await open(path, 'r');
  try {
    const head = await readUpTo(file, 0, headBytes);
    if (!head.subarray(0, mark.length).equals(mark)) {
      if (!mayBePlain) throw new SealedFileError('is not a sealed file');
      yield* file.createReadStream({ start: 0, autoClose: false });
      return;
    }
    const key = keyOf(sealing, head.subarray(mark.length));
    const sealedBytes = chunkBytes + tagBytes;
    const { size } = await file.stat();
    for (let n = 0; ; n += 1) {
      const at = headBytes + n * sealedBytes;
      const isLast = at + sealedBytes >= size;
      const sealed = await readUpTo(file, at, sealedBytes);
      yield opened(key, nonceOf(n, isLast), sealed);
      if (isLast) return;
    }
  } finally {
    await file.close();
  }
}

function opened(key: Uint8Array, nonce: Buffer, sealed: Buffer): Buffer {
  try {
    const decipher = createDecipheriv(cipherName, key, nonce, { authTagLength: tagBytes });
    decipher.setAuthTag(sealed.subarray(-tagBytes));
    return Buffer.concat([decipher.update(sealed.subarray(0, -tagBytes)), decipher.final()]);
  } catch (cause) {
    // GCM says by throwing that the key is another one, or the bytes were changed.
    throw new SealedFileError('cannot be opened: it is damaged, or was sealed by another worker', { cause });
  }
}

async function readUpTo(file: FileHandle, position: number, bytes: number): Promise<Buffer> {
  const buffer = Buffer.alloc(bytes);
  let at = 0;
  for (;;) {
    const { bytesRead } = await file.read(buffer, at, bytes - at, position + at);
    at += bytesRead;
    if (bytesRead === 0 || at === bytes) return buffer.subarray(0, at);
  }
}
