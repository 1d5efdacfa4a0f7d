/**
 * The body of a request for a procedure, checked before anything is decoded: the size of each message, how much is in it,
 * and whether it can be decoded at all. Refusals are errors of ours, with a detail, whichever layer found the fault.
 */

import type { DescMessage, DescMethod, Message, MessageShape } from '@bufbuild/protobuf';
import { fromBinary, fromJsonString } from '@bufbuild/protobuf';
import { Code, ConnectError } from '@connectrpc/connect';
import { encodeEnvelope } from '@connectrpc/connect/protocol';
import { inBackground } from '#common/background.ts';
import { JsonCount } from '#common/json-count.ts';
import { jsonBounds } from '#common/json-text.ts';
import { type Problem, ProblemError, type ProblemExtras, problem } from '#common/problem.ts';
import type { Turn } from '../admission/admission.ts';
import type { Hold } from '../admission/body-budget.ts';
import type { BodyBounds } from '../admission/body-kinds.ts';
import type { LargeBody } from '../admission/large-bodies.ts';
import { type Look, Looks, lookAtJson, readWhole } from '../body/growing-message.ts';
import { BodyTooLargeError } from '../body/request-bytes.ts';
import { NotGzipError, unpacked } from '../body/unpack.ts';
import { hasDetail, toConnectError } from './connect-error.ts';
import { endOfCall, untilEnd } from './cut-short.ts';
import { type Frame, FrameCutter, FrameTooLongError } from './frames.ts';
import { checkMessageBounds, lookAtProtobuf } from './message-bounds.ts';
import type { Wire } from './wire.ts';

export interface BodyRules {
  readonly method: DescMethod;
  readonly bounds: BodyBounds;
  readonly hold: Hold;
  /** See Allowance. */
  readonly turn: Turn;
  readonly large: LargeBody | undefined;
}

export interface BodySource {
  readonly bytes: AsyncIterable<Uint8Array>;
  /** Whether messages may be compressed, with gzip. */
  readonly gzip: boolean;
  /** The call's signal, including its deadline; known when the body is read. */
  readonly signal: () => AbortSignal;
}

// A level of JSON is up to three of protobuf: the object, its entry and its value.
export const recursionLimit = jsonBounds.depthMax * 3 + 8;

/** What the protocol's handler is given to read: the same, uncompressed. Throws ConnectError with a detail. */
export async function* requestBody(source: BodySource, wire: Wire, rules: BodyRules): AsyncGenerator<Uint8Array> {
  const bytes = untilEnd(source.bytes, [endOfCall(source.signal())]);
  try {
    if (wire.protocol === 'connect') yield await wholeMessage(bytes, source.gzip, wire, rules);
    else yield* envelopes(bytes, source.gzip, wire, rules);
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
  const bytes = untilEnd(source.bytes, [endOfCall(source.signal())]);
  try {
    for await (const frames of framesOf(bytes, wire, rules)) {
      const messages: Message[] = [];
      for (const frame of frames) {
        const plain = await plainOf(frame, source.gzip, wire, rules);
        checkMessage(plain, wire, rules);
        if (frame.flags <= compressedFlag) messages.push(decoded(input, plain, wire));
        else if ((frame.flags & endFlags[wire.protocol]) === 0) throw unknownFlags();
      }
      if (messages.length > 0) yield messages;
    }
  } catch (error) {
    throw explained(error, rules);
  } finally {
    inBackground(bytes.return(undefined), () => undefined);
  }
}

const compressedFlag = 1;
/** Of the frame that ends an answer, for which a request has no use. */
const endFlags: Readonly<Record<Wire['protocol'], number>> = {
  grpc: 0,
  'grpc-web': 0x80,
  connect: 0,
  'connect-stream': 2,
};

/** The frames that come together. Looks at a message while it comes. */
async function* framesOf(
  bytes: AsyncIterable<Uint8Array>,
  wire: Wire,
  rules: BodyRules,
): AsyncGenerator<readonly Frame[]> {
  const cutter = new FrameCutter(rules.bounds.messageMaxBytes);
  const newLooks = () => new Looks(lookOf(wire, rules), rules.turn);
  let looks = newLooks();
  for await (const piece of bytes) {
    const frames = cutter.cut(piece);
    if (frames.length > 0) {
      looks = newLooks();
      yield frames;
    }
    rules.hold.holds(cutter.begunBytes);
    if (!looks.isDue(cutter.begunBytes)) continue;
    const { begun } = cutter;
    if (begun === undefined || (begun.flags & compressedFlag) !== 0) continue;
    const refused = await looks.at(begun.data);
    if (refused !== undefined) throw toConnectError(refused);
  }
  if (cutter.isInFrame) throw lastIsCutShort();
}

function plainOf(
  { flags, data }: Frame,
  gzip: boolean,
  wire: Wire,
  rules: BodyRules,
): Uint8Array | Promise<Uint8Array> {
  if ((flags & compressedFlag) === 0) return data;
  if (!gzip) throw compressedSomehow();
  return whole(unpacked(one(data)), wire, rules);
}

/** The pieces of one message; it is looked at while it comes. */
const whole = (pieces: AsyncIterable<Uint8Array>, wire: Wire, rules: BodyRules): Promise<Uint8Array> =>
  readWhole(pieces, {
    maxBytes: rules.bounds.messageMaxBytes,
    tooLarge: () => tooLarge(rules),
    look: lookOf(wire, rules),
    refused: (refused) => toConnectError(refused),
    turn: rules.turn,
    hold: rules.hold,
    large: rules.large,
  });

/** Looks at one message while it comes; undefined for those that have no bounds. */
function lookOf({ binary }: Wire, { method, bounds: { values } }: BodyRules): Look | undefined {
  if (values === undefined) return undefined;
  return binary ? lookAtProtobuf(method.input, values) : lookAtJson(values);
}

async function* one(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

export const compressedSomehow = (): ConnectError =>
  toConnectError(malformed('A message is compressed, but the call does not say how.'));

const moreThanOne = (): ConnectError =>
  toConnectError(malformed('The call takes one message, but got more.'), Code.Unimplemented);

const noneAtAll = (): ConnectError =>
  toConnectError(malformed('The call takes one message, but got none.'), Code.Unimplemented);

/** The message of a call that takes one. Throws ConnectError with a detail for none and for more. */
export async function onlyMessage(lists: AsyncIterable<readonly Message[]>): Promise<Message> {
  let only: Message | undefined;
  for await (const messages of lists) {
    for (const message of messages) {
      if (only !== undefined) throw moreThanOne();
      only = message;
    }
  }
  if (only === undefined) throw noneAtAll();
  return only;
}

const unknownFlags = (): ConnectError =>
  toConnectError(malformed('A message has flags that the protocol of the call does not have.'));

export const lastIsCutShort = (): ConnectError => toConnectError(malformed('The last message is cut short.'));

/** Throws ConnectError with a detail. */
function decoded<D extends DescMessage>(
  input: D,
  bytes: Uint8Array,
  { binary }: Pick<Wire, 'binary'>,
): MessageShape<D> {
  const decode = (encoded: Uint8Array) =>
    binary
      ? fromBinary(input, encoded, { recursionLimit })
      : fromJsonString(input, utf8(encoded), { ignoreUnknownFields: true });
  return decodedBy(decode, bytes, input.typeName);
}

/** As decoded, for messages of this type that are decoded in a way of their own. */
export function decodedBy<T>(decode: (bytes: Uint8Array) => T, bytes: Uint8Array, typeName: string): T {
  try {
    return decode(bytes);
  } catch (error) {
    throw toConnectError(undecodable(error, typeName));
  }
}

async function wholeMessage(
  bytes: AsyncIterable<Uint8Array>,
  gzip: boolean,
  wire: Wire,
  rules: BodyRules,
): Promise<Uint8Array> {
  const message = await whole(gzip ? unpacked(bytes) : bytes, wire, rules);
  await rules.large?.begin(message.length);
  checkMessage(message, wire, rules);
  return message;
}

/** Each message as the protocol has it on the wire, but not compressed. */
async function* envelopes(
  bytes: AsyncIterable<Uint8Array>,
  gzip: boolean,
  wire: Wire,
  rules: BodyRules,
): AsyncGenerator<Uint8Array> {
  const { methodKind } = rules.method;
  const single = methodKind === 'unary' || methodKind === 'server_streaming';
  let count = 0;
  for await (const frames of framesOf(bytes, wire, rules)) {
    for (const frame of frames) {
      count += 1;
      if (single && count > 1) throw moreThanOne();
      const data = await plainOf(frame, gzip, wire, rules);
      await rules.large?.begin(data.length);
      checkMessage(data, wire, rules);
      yield encodeEnvelope(frame.flags & ~compressedFlag, data);
    }
  }
  if (single && count === 0) throw noneAtAll();
}

function checkMessage(bytes: Uint8Array, { binary }: Wire, { method, bounds }: BodyRules): void {
  const { input } = method;
  if (bounds.values !== undefined) {
    const tooMuch = binary
      ? checkMessageBounds(input, bytes, { bounds: bounds.values })
      : new JsonCount(bounds.values).add(bytes);
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

function tooLarge({ bounds: { messageMaxBytes } }: BodyRules): ConnectError {
  const limit = `${Math.round(messageMaxBytes / 1024)} KiB`;
  const small = messageMaxBytes < 1024 * 1024 ? { hint: "This call does not carry a bot's source: send less." } : {};
  return toConnectError(problem('PAYLOAD_TOO_LARGE', `A message of this call may have at most ${limit}.`, small));
}

/** Any error of a request's body as one of ours. */
export function explained(error: unknown, rules: BodyRules): unknown {
  if (error instanceof FrameTooLongError || error instanceof BodyTooLargeError) return tooLarge(rules);
  if (error instanceof NotGzipError) return toConnectError(malformed('The message is not valid gzip.'));
  if (error instanceof ProblemError) return toConnectError(error.problem);
  if (!(error instanceof ConnectError) || hasDetail(error)) return error;
  switch (error.code) {
    case Code.ResourceExhausted:
      return tooLarge(rules);
    case Code.InvalidArgument:
    case Code.Internal:
    case Code.DataLoss:
      return toConnectError(undecodable(error, rules.method.input.typeName));
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
