/**
 * The frames of a stream of messages, made of messages and cut from bytes that arrive in pieces of any size. gRPC, gRPC-Web and
 * Connect have the same: a byte of flags, four of length, the message (ADR 0041). Pure.
 */
import { type DescMessage, type MessageShape, toBinary, toJsonString } from '@bufbuild/protobuf';

const headBytes = 5;
const longestBytes = 2 ** 32;
const nothing = Buffer.alloc(0);

export interface Frame {
  readonly flags: number;
  readonly data: Uint8Array;
}

/** A message as it is on the wire, not compressed: protobuf or, if not `binary`, JSON. */
export function encodeFrame<S extends DescMessage>(schema: S, message: MessageShape<S>, binary: boolean): Uint8Array {
  const body = binary ? toBinary(schema, message) : Buffer.from(toJsonString(schema, message));
  const frame = Buffer.allocUnsafeSlow(headBytes + body.length);
  frame.writeUInt8(0, 0);
  frame.writeUInt32BE(body.length, 1);
  frame.set(body, headBytes);
  return frame;
}

/** A frame that is longer than any may be. */
export class FrameTooLongError extends Error {}

export class FrameCutter {
  readonly #maxBytes: number;
  /** What has come of a frame that is not whole yet: so many bytes from the beginning. */
  #kept = nothing;
  #length = 0;
  /** How much has to be there before anything can be cut. */
  #needed = headBytes;

  /** `maxBytes`: the most that one message may have. */
  constructor(maxBytes = longestBytes) {
    this.#maxBytes = maxBytes;
  }

  /** Whether a frame has begun that is not whole. */
  get isInFrame(): boolean {
    return this.#length > 0;
  }

  /** The frames that are whole now. They share the memory of the bytes. Throws FrameTooLongError. */
  cut(bytes: Uint8Array): readonly Frame[] {
    const all = this.#length === 0 ? bytes : this.#keep(bytes);
    if (all.length < this.#needed) {
      if (this.#length === 0) this.#keep(bytes);
      return [];
    }
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
    this.#kept = nothing;
    this.#length = 0;
    if (at < all.length) this.#keep(all.subarray(at));
    return frames;
  }

  /**
   * All that is kept, with these bytes. They are copied, to where there is room for as much again: a frame that comes in small pieces
   * takes no more memory than its bytes do, and no byte is copied more than a few times.
   */
  #keep(bytes: Uint8Array): Uint8Array {
    const length = this.#length + bytes.length;
    if (length > this.#kept.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(length, Math.min(2 * length, this.#needed)));
      larger.set(this.#kept.subarray(0, this.#length));
      this.#kept = larger;
    }
    this.#kept.set(bytes, this.#length);
    this.#length = length;
    return this.#kept.subarray(0, length);
  }
}
