/**
 * The way past the protocol library for streams whose cost per message counts. The library takes the call, checks it, and ends
 * it as each protocol has it, trailers and errors included; the messages in between are written here, as bytes, which may be the
 * same for many callers. gRPC, gRPC-Web and Connect have the same frame: a byte of flags, four of length, the message (ADR 0041).
 *
 * A procedure that writes its own frames takes `frameWriterOf(context)`, writes to it, and returns `silentUntil(done)` to the
 * library (call.ts), to which it yields nothing.
 */
import { type DescMessage, type MessageShape, toBinary, toJsonString } from '@bufbuild/protobuf';
import { createContextKey, type HandlerContext } from '@connectrpc/connect';
import type { Output } from './send-response.ts';

const headBytes = 5;

/** A message as it is on the wire, not compressed: protobuf or, if not `binary`, JSON. */
export function encodeFrame<S extends DescMessage>(schema: S, message: MessageShape<S>, binary: boolean): Uint8Array {
  const body = binary ? toBinary(schema, message) : Buffer.from(toJsonString(schema, message));
  const frame = Buffer.allocUnsafe(headBytes + body.length);
  frame.writeUInt8(0, 0);
  frame.writeUInt32BE(body.length, 1);
  frame.set(body, headBytes);
  return frame;
}

export interface FrameWriter {
  /** Whether the caller speaks protobuf; else JSON. */
  readonly binary: boolean;
  /** As Output.write. */
  write(frame: Uint8Array): boolean | Promise<boolean>;
}

/** How a call is answered; set for those that come by a request of Node.js. */
export const wayOutKey = createContextKey<{ readonly binary: boolean; readonly output: Output } | undefined>(
  undefined,
  { description: 'way out' },
);

export function frameWriterOf({ values, responseHeader }: HandlerContext): FrameWriter {
  const wayOut = values.get(wayOutKey);
  if (wayOut === undefined) throw new Error('the call did not come by a request of Node.js');
  const { binary, output } = wayOut;
  return {
    binary,
    write(frame) {
      // The library has set what its protocol wants in it, and would send it with the first message.
      output.begin(200, responseHeader);
      return output.write(frame);
    },
  };
}
