/** Reads from a source that yields pieces of any size: an exact number of bytes, or as they come. Holds one piece at most. */

export interface ByteReader {
  /** That many bytes; fewer only at the end of the source. Meant for small amounts: they are copied together. */
  take(length: number): Promise<Buffer>;
  /** The next piece, at most `maxLength` bytes; undefined at the end of the source. */
  some(maxLength?: number): Promise<Buffer | undefined>;
  /** Puts bytes back in front, to be given again. */
  putBack(bytes: Uint8Array): void;
  /** Ends the source. */
  close(): Promise<void>;
}

export function createByteReader(source: AsyncIterable<Uint8Array>): ByteReader {
  const pieces = source[Symbol.asyncIterator]();
  let held: Buffer = Buffer.alloc(0);

  async function some(maxLength = Number.POSITIVE_INFINITY): Promise<Buffer | undefined> {
    while (held.length === 0) {
      const next = await pieces.next();
      if (next.done) return undefined;
      held = asBuffer(next.value);
    }
    const piece = held.subarray(0, Math.min(maxLength, held.length));
    held = held.subarray(piece.length);
    return piece;
  }

  return {
    some,
    async take(length) {
      const taken: Buffer[] = [];
      let missing = length;
      while (missing > 0) {
        const piece = await some(missing);
        if (piece === undefined) break;
        taken.push(piece);
        missing -= piece.length;
      }
      const [only] = taken;
      return taken.length === 1 && only !== undefined ? only : Buffer.concat(taken);
    },
    putBack(bytes) {
      held = held.length === 0 ? asBuffer(bytes) : Buffer.concat([bytes, held]);
    },
    async close() {
      await pieces.return?.();
    },
  };
}

const asBuffer = (bytes: Uint8Array): Buffer =>
  Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
