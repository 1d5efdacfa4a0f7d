/**
 * The body of a request for a procedure, checked before anything is decoded: the size of each message, how much is in it,
 * and whether it can be decoded at all. Refusals are errors of ours, with a detail, whichever layer found the fault.
 */

import type { DescMessage, DescMethod, Message, MessageShape } from '@bufbuild/protobuf';
import { fromBinary, fromJsonString } from '@bufbuild/protobuf';
import { Code, ConnectError } from '@connectrpc/connect';
import { type Compression, encodeEnvelope } from '@connectrpc/connect/protocol';
import { inBackground } from '#common/background.ts';
import { checkJsonBounds, jsonBounds } from '#common/json-text.ts';
import { type Problem, type ProblemExtras, problem } from '#common/problem.ts';
import { GrowingBytes } from '../growing-bytes.ts';
import { hasDetail, toConnectError } from './connect-error.ts';
import { endOfCall, untilEnd } from './cut-short.ts';
import { type Frame, FrameCutter, FrameTooLongError } from './frames.ts';
import { checkMessageBounds } from './message-bounds.ts';
import type { Wire } from './wire.ts';

export interface BodyRules {
  readonly method: DescMethod;
  readonly messageMaxBytes: number;
  /** False for a stream of many messages between our own programs, or of bytes. */
  readonly boundValues: boolean;
  /** True for a stream of requests that is read past the library, by messagesOf. */
  readonly ownReader?: boolean;
}

export interface BodySource {
  readonly bytes: AsyncIterable<Uint8Array>;
  readonly compression: Compression | null;
  /** The call's signal, including its deadline; known when the body is read. */
  readonly signal: () => AbortSignal;
}

// A level of JSON is up to three of protobuf: the object, its entry and its value.
export const recursionLimit = jsonBounds.depthMax * 3 + 8;

/** What the protocol's handler is given to read: the same, uncompressed. Throws ConnectError with a detail. */
export async function* requestBody(source: BodySource, wire: Wire, rules: BodyRules): AsyncGenerator<Uint8Array> {
  const bytes = untilEnd(source.bytes, [endOfCall(source.signal())]);
  try {
    if (wire.protocol === 'connect') yield await wholeMessage(bytes, source.compression, wire, rules);
    else yield* envelopes(bytes, source.compression, wire, rules);
  } catch (error) {
    throw explained(error, rules);
  } finally {
    inBackground(bytes.return(undefined), () => undefined);
  }
}

/**
 * The messages of a stream that is read past the library, those together that have come together; the library is left out, because
 * it takes each message through five generators. Ends when the signal aborts. Throws ConnectError with a detail.
 */
export async function* messagesOf(
  source: BodySource,
  wire: Wire,
  rules: BodyRules,
): AsyncGenerator<readonly Message[]> {
  const { input } = rules.method;
  const cutter = new FrameCutter(rules.messageMaxBytes);
  const bytes = untilEnd(source.bytes, [endOfCall(source.signal())]);
  try {
    for await (const piece of bytes) {
      const messages: Message[] = [];
      for (const frame of cutter.cut(piece)) {
        const plain = await uncompressed(frame, source.compression, rules);
        checkMessage(plain, wire, rules);
        // Only the end of an answer has other flags.
        if (frame.flags <= compressedFlag) messages.push(decoded(input, plain, wire));
      }
      if (messages.length > 0) yield messages;
    }
    if (cutter.isInFrame) throw lastIsCutShort();
  } catch (error) {
    throw explained(error, rules);
  } finally {
    inBackground(bytes.return(undefined), () => undefined);
  }
}

const compressedFlag = 1;

function uncompressed(
  { flags, data }: Frame,
  compression: Compression | null,
  { messageMaxBytes }: BodyRules,
): Uint8Array | Promise<Uint8Array> {
  if ((flags & compressedFlag) === 0) return data;
  if (compression === null) throw compressedSomehow();
  return compression.decompress(data, messageMaxBytes);
}

export const compressedSomehow = (): ConnectError =>
  toConnectError(malformed('A message is compressed, but the call does not say how.'));

export const lastIsCutShort = (): ConnectError => toConnectError(malformed('The last message is cut short.'));

/** Throws ConnectError with a detail. */
export function decoded<D extends DescMessage>(
  input: D,
  bytes: Uint8Array,
  { binary }: Pick<Wire, 'binary'>,
): MessageShape<D> {
  try {
    return binary
      ? fromBinary(input, bytes, { recursionLimit })
      : fromJsonString(input, utf8(bytes), { ignoreUnknownFields: true });
  } catch (error) {
    throw toConnectError(undecodable(error, input.typeName));
  }
}

async function wholeMessage(
  bytes: AsyncIterable<Uint8Array>,
  compression: Compression | null,
  wire: Wire,
  rules: BodyRules,
): Promise<Uint8Array> {
  const { messageMaxBytes } = rules;
  const read = new GrowingBytes();
  for await (const piece of bytes) {
    if (read.length + piece.length > messageMaxBytes) throw tooLarge({ messageMaxBytes });
    read.add(piece, messageMaxBytes);
  }
  const message = compression === null ? read.bytes : await compression.decompress(read.bytes, messageMaxBytes);
  checkMessage(message, wire, rules);
  return message;
}

/** Each message as the protocol has it on the wire, but not compressed. */
async function* envelopes(
  bytes: AsyncIterable<Uint8Array>,
  compression: Compression | null,
  wire: Wire,
  rules: BodyRules,
): AsyncGenerator<Uint8Array> {
  const { methodKind } = rules.method;
  const single = methodKind === 'unary' || methodKind === 'server_streaming';
  const cutter = new FrameCutter(rules.messageMaxBytes);
  let count = 0;
  for await (const piece of bytes) {
    for (const frame of cutter.cut(piece)) {
      count += 1;
      if (single && count > 1)
        throw toConnectError(malformed('The call takes one message, but got more.'), Code.Unimplemented);
      const data = await uncompressed(frame, compression, rules);
      checkMessage(data, wire, rules);
      yield encodeEnvelope(frame.flags & ~compressedFlag, data);
    }
  }
  if (cutter.isInFrame) throw lastIsCutShort();
  if (single && count === 0)
    throw toConnectError(malformed('The call takes one message, but got none.'), Code.Unimplemented);
}

function checkMessage(bytes: Uint8Array, { binary }: Wire, { method, boundValues }: BodyRules): void {
  const { input } = method;
  const text = binary ? '' : utf8(bytes);
  if (boundValues) {
    const tooMuch = binary ? checkMessageBounds(input, bytes) : checkJsonBounds(text);
    if (tooMuch !== undefined) throw toConnectError(tooMuch);
  }
  // Messages of a longer stream are decoded once, on their way to the implementation, which reports errors through explained().
  if (method.methodKind !== 'unary' && method.methodKind !== 'server_streaming') return;
  decoded(input, bytes, { binary });
}

function utf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw toConnectError(malformed('The message is not valid UTF-8.'));
  }
}

function tooLarge({ messageMaxBytes }: Pick<BodyRules, 'messageMaxBytes'>): ConnectError {
  const limit = `${Math.round(messageMaxBytes / 1024)} KiB`;
  const small = messageMaxBytes < 1024 * 1024 ? { hint: "This call does not carry a bot's source: send less." } : {};
  return toConnectError(problem('PAYLOAD_TOO_LARGE', `A message of this call may have at most ${limit}.`, small));
}

/** Any error of a request's body as one of ours. */
export function explained(error: unknown, { method, messageMaxBytes }: BodyRules): unknown {
  if (error instanceof FrameTooLongError) return tooLarge({ messageMaxBytes });
  if (!(error instanceof ConnectError) || hasDetail(error)) return error;
  switch (error.code) {
    case Code.ResourceExhausted:
      return tooLarge({ messageMaxBytes });
    case Code.InvalidArgument:
    case Code.Internal:
    case Code.DataLoss:
      return toConnectError(undecodable(error, method.input.typeName));
    default:
      return error;
  }
}

// Without the decoder's own words: they quote the value, which may be a secret.
function undecodable(error: unknown, typeName: string): Problem {
  const [, field] = /field ([\w.]+)/.exec(error instanceof Error ? error.message : '') ?? [];
  const where = field === undefined ? '' : `: the field ${field.split('.').at(-1)} is wrong`;
  return malformed(
    `The message cannot be decoded as ${typeName}${where}.`,
    field === undefined ? {} : { details: { field } },
  );
}

const malformed = (message: string, extras: ProblemExtras = {}): Problem =>
  problem('MALFORMED_REQUEST', message, {
    hint: 'Generate the client from the proto files of this release.',
    ...extras,
  });
