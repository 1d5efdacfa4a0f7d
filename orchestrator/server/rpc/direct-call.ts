/** Calls of which thousands may come at once or last: in plain gRPC they do not come to the library at all. */
import type { DescMessage, DescMethodBiDiStreaming, Message, MessageShape } from '@bufbuild/protobuf';
import type { Logger } from '#common/log.ts';
import type { PushedMessages } from '#common/waiting/pushed-messages.ts';
import type { Scope } from '../../core/records.ts';
import type { Identity } from '../auth.ts';
import { encodeFrame } from './frames.ts';
import { type Incoming, MessageReader } from './message-reader.ts';
import type { OwnAnswer, OwnStream, RequestReader, TakenCall } from './own-stream.ts';
import { type BodyRules, onlyMessage } from './request-body.ts';

/** Such a procedure: the library serves it to all other callers. */
export interface DirectCall<O extends DescMessage = DescMessage, R = unknown> {
  readonly method: DescMethodBiDiStreaming<DescMessage, O>;
  readonly scope: Scope;
  /** A request as `serve` wants it. Throws on what cannot be decoded. */
  decode(bytes: Uint8Array): R;
  /** Resolves when all is sent; ends when the signal aborts. */
  serve(requests: PushedMessages<R>, identity: Identity, answer: DirectAnswer<O>): Promise<void>;
}

export interface DirectAnswer<O extends DescMessage> {
  readonly signal: AbortSignal;
  /** For messages that go out together; as OwnStream.write. */
  readonly send: (together: readonly MessageShape<O>[]) => boolean | Promise<boolean>;
}

export interface DirectWay {
  readonly incoming: Incoming;
  readonly rules: BodyRules;
  readonly identity: Identity;
  readonly logger: Logger;
}

/** The call as one that the library has let go of; it is asked for the end alone. */
export function takeDirect<O extends DescMessage, R>(
  { method, decode, serve }: DirectCall<O, R>,
  { incoming, rules, identity, logger }: DirectWay,
): TakenCall {
  const run = ({ signal, write }: OwnStream): Promise<void> => {
    const send = (together: readonly MessageShape<O>[]) => writeAll(framesOf(method.output, together), write);
    return serve(new MessageReader(incoming, decode, rules), identity, { signal, send });
  };
  return { identity, timeoutMs: undefined, logger, run };
}

/** The same for a call with one request. */
export function takeDirectOne(
  answer: OwnAnswer<Message>,
  read: RequestReader,
  { identity, logger }: Pick<DirectWay, 'identity' | 'logger'>,
): TakenCall {
  // A stream that lasts holds nothing of what it took to read its request.
  let unread: RequestReader | undefined = read;
  const run = async (stream: OwnStream): Promise<void> => {
    if (unread === undefined) throw new Error('the request of a call is read once');
    const reading = onlyMessage(unread(stream.signal));
    unread = undefined;
    return reading.then((request) => answer(request, identity, stream));
  };
  return { identity, timeoutMs: undefined, logger, run };
}

function writeAll(pieces: Iterator<Uint8Array>, write: OwnStream['write']): boolean | Promise<boolean> {
  for (let next = pieces.next(); !next.done; next = pieces.next()) {
    const more = write(next.value);
    if (more === false) return false;
    if (more !== true) return more.then((isThere) => isThere && writeAll(pieces, write));
  }
  return true;
}

// Of one write: a reader that is slow holds as much, or one message that is larger.
const writtenBytes = 64 * 1024;

/** The frames of the messages, as few large pieces: a write of HTTP/2 costs more than a small message does. */
function* framesOf<O extends DescMessage>(schema: O, messages: readonly MessageShape<O>[]): Generator<Uint8Array> {
  let frames: Uint8Array[] = [];
  let bytes = 0;
  for (const message of messages) {
    const frame = encodeFrame(schema, message, true);
    if (bytes > 0 && bytes + frame.length > writtenBytes) {
      yield joined(frames);
      frames = [];
      bytes = 0;
    }
    frames.push(frame);
    bytes += frame.length;
  }
  if (bytes > 0) yield joined(frames);
}

const joined = (frames: readonly Uint8Array[]): Uint8Array => {
  const [first] = frames;
  return first !== undefined && frames.length === 1 ? first : Buffer.concat(frames);
};
