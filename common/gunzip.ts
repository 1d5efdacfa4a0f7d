/**
 * Inflates gzip that came from a user: one member and nothing behind it, bounded in size and in its ratio to what was sent.
 * node:zlib's own gunzip continues with a second member and passes over what follows, so that the frame (RFC 1952) is read
 * here and only the deflate stream within is left to zlib.
 */
import { crc32, createInflateRaw, type InflateRaw } from 'node:zlib';
import type { ByteReader } from './byte-reader.ts';
import { refuse } from './problem.ts';

export interface InflateLimits {
  /** Most bytes that may come out. */
  readonly bytes: number;
  /** Most bytes that may come out for each byte that went in. */
  readonly ratio: number;
  /** The ratio is judged once this many bytes came out: a small tar is mostly padding, which compresses better than any text. */
  readonly ratioFromBytes: number;
}

export const defaultInflateLimits: InflateLimits = {
  bytes: 200 * 1024 * 1024,
  ratio: 100,
  ratioFromBytes: 1024 * 1024,
};

export const gzipMagic: readonly number[] = [0x1f, 0x8b];

const damaged = (cause?: unknown): never =>
  refuse('INVALID_ARCHIVE', 'The archive is damaged: its gzip data cannot be read.', { cause });

/** What was packed. Refuses with INVALID_ARCHIVE, also for anything behind the data, and ARCHIVE_TOO_LARGE. */
export async function* gunzip(
  bytes: ByteReader,
  limits: InflateLimits = defaultInflateLimits,
): AsyncGenerator<Buffer, void, undefined> {
  await skipHeader(bytes);
  const inflate = createInflateRaw({ chunkSize: 64 * 1024 });
  const fed = feed(bytes, inflate);
  // Awaited below; until then a failure shows as the end of the stream, which it destroys.
  fed.catch((error: unknown) => inflate.destroy(error instanceof Error ? error : new Error(String(error))));
  let checksum = 0;
  let length = 0;
  try {
    // A stream of bytes yields nothing else; its type does not say so.
    for await (const piece of inflate as AsyncIterable<Buffer>) {
      checksum = crc32(piece, checksum);
      length += piece.length;
      assertWithin(limits, length, inflate.bytesWritten);
      yield piece;
    }
    await fed;
  } catch (error) {
    if (isZlibError(error)) damaged(error);
    throw error;
  } finally {
    inflate.destroy();
  }
  const trailer = await bytes.take(8);
  if (trailer.length < 8 || trailer.readUInt32LE(0) !== checksum || trailer.readUInt32LE(4) !== length % 2 ** 32) {
    damaged();
  }
  if ((await bytes.some(1)) !== undefined) {
    refuse('INVALID_ARCHIVE', 'The archive has extra data after its gzip data.', {
      hint: 'Pack the archive again as one file: tar -czf bot.tar.gz -C FOLDER .',
    });
  }
}

function assertWithin(limits: InflateLimits, length: number, packedLength: number): void {
  const isBomb = length > limits.ratioFromBytes && length > packedLength * limits.ratio;
  if (length <= limits.bytes && !isBomb) return;
  refuse('ARCHIVE_TOO_LARGE', 'The archive is too large when unpacked.', {
    details: { max_bytes: limits.bytes, max_ratio: limits.ratio },
  });
}

/** Gives the deflate stream to zlib; what lies behind it is put back. */
async function feed(bytes: ByteReader, inflate: InflateRaw): Promise<void> {
  let given = 0;
  for (;;) {
    const piece = await bytes.some();
    if (piece === undefined) damaged();
    else {
      given += piece.length;
      await new Promise<void>((resolve, reject) => {
        inflate.write(piece, (error) => (error ? reject(error) : resolve()));
      });
      const behind = given - inflate.bytesWritten;
      if (behind > 0) {
        bytes.putBack(piece.subarray(piece.length - behind));
        return;
      }
    }
  }
}

const flagHeaderCrc = 2;
const flagExtra = 4;
const flagName = 8;
const flagComment = 16;
const textMaxBytes = 4096;

async function skipHeader(bytes: ByteReader): Promise<void> {
  const header = await bytes.take(10);
  const flags = header[3] ?? 0;
  const isGzip = header.length === 10 && gzipMagic.every((value, at) => header[at] === value);
  // Method 8 is deflate, the only one there is; the upper flags are reserved.
  if (!isGzip || header[2] !== 8 || flags > 31) damaged();
  if (flags & flagExtra) {
    const length = await bytes.take(2);
    if (length.length < 2) damaged();
    await bytes.take(length.readUInt16LE(0));
  }
  if (flags & flagName) await skipText(bytes);
  if (flags & flagComment) await skipText(bytes);
  if (flags & flagHeaderCrc) await bytes.take(2);
}

async function skipText(bytes: ByteReader): Promise<void> {
  for (let length = 0; length < textMaxBytes; length++) {
    const [byte] = await bytes.take(1);
    if (byte === 0) return;
    if (byte === undefined) break;
  }
  damaged();
}

const isZlibError = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' && error.code.startsWith('Z_');
