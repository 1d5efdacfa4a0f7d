/**
 * The frames of a stream of messages, made of messages and cut from bytes that arrive in pieces of any size. gRPC, gRPC-Web and
 * Connect have the same: a byte of flags, four of length, the message (ADR 0041). Pure.
 */
import { type DescMessage, type MessageShape, toBinary, toJsonString } from '@bufbuild/protobuf';
import { GrowingBytes } from '../body/growing-bytes.ts';

const headBytes = 5;
const longestBytes = 2 ** 32;

export interface Frame {
  readonly flags: number;
  readonly data: Uint8Array;
}

/** A message as it is on the wire, not compressed: protobuf or, if not `binary`, JSON. */
export function encodeFrame<S extends DescMessage>(schema: S, message: MessageShape<S>, binary: boolean): Uint8Array {
  return frameOf(binary ? toBinary(schema, message) : Buffer.from(toJsonString(schema, message)));
}

/** An encoded message, in parts that follow one another, as it is on the wire. */
export function frameOf(...parts: readonly Uint8Array[]): Uint8Array {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const frame = Buffer.allocUnsafeSlow(headBytes + length);
  frame.writeUInt8(0, 0);
  frame.writeUInt32BE(length, 1);
  let at = headBytes;
  for (const part of parts) {
    frame.set(part, at);
    at += part.length;
  }
  return frame;
}

/** A frame that is longer than any may be. */
export class FrameTooLongError extends Error {}

export class FrameCutter {
  readonly #maxBytes: number;
  /** What has come of a frame that is not whole yet. */
  readonly #kept = new GrowingBytes();
  /** How much has to be there before anything can be cut. */
  #needed = headBytes;

  /** `maxBytes`: the most that one message may have. */
  constructor(maxBytes = longestBytes) {
    this.#maxBytes = maxBytes;
  }

  /** Whether a frame has begun that is not whole. */
  get isInFrame(): boolean {
    return this.#kept.length > 0;
  }

  /** How much has come of a frame that is not whole. */
  get begunBytes(): number {
    return this.#kept.length;
  }

  /** What has come of the message of a frame that is not whole, and the flags of that frame. */
  get begun(): Frame | undefined {
    const { length, bytes } = this.#kept;
    return length <= headBytes ? undefined : { flags: bytes.readUInt8(0), data: bytes.subarray(headBytes) };
  }

  /** The frames that are whole now. They share the memory of the bytes. Throws FrameTooLongError. */
  cut(bytes: Uint8Array): readonly Frame[] {
    if (this.isInFrame || bytes.length < this.#needed) this.#kept.add(bytes, this.#needed);
    const all = this.isInFrame ? this.#kept.bytes : bytes;
    if (all.length < this.#needed) return [];
    const view = new DataView(all.buffer, all.byteOffset, all.byteLength);
    const frames: Frame[] = [];
    let at = 0;
    this.#needed = headBytes;
    while (all.length - at >= headBytes) {
      const size = view.getUint32(at + 1);
      if (size > this.#maxBytes) throw new FrameTooLongError(`a message has ${size} bytes`);
      const end = at + headBytes + size;
      if (end > all.length) {
        this.#needed = end - at;
        break;
      }
      frames.push({ flags: view.getUint8(at), data: all.subarray(at + headBytes, end) });
      at = end;
    }
    this.#kept.clear();
    if (at < all.length) this.#kept.add(all.subarray(at), this.#needed);
    return frames;
  }
}
