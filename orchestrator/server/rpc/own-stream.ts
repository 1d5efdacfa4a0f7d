/**
 * Calls that come in crowds, past the protocol library: streams with many readers above all. A plain gRPC call does not come to the library.
 * Of other forms, the library takes such a call, checks it and decodes its request; then it is done with the call, and nothing of it stays in memory. What the stream says is written here, as bytes that may be the same
 * for many callers, and the library is asked once more for how each protocol ends a call, trailers and errors included (ADR 0041).
 */
import { create, type DescMessage, type Message, type MessageInitShape } from '@bufbuild/protobuf';
import { Code, ConnectError, type ContextValues, createContextKey, type HandlerContext } from '@connectrpc/connect';
import { later } from '#common/background.ts';
import type { Logger } from '#common/log.ts';
import { onAbort, orAbort } from '#common/waiting/abort.ts';
import type { Scope } from '../../core/records.ts';
import type { Identity } from '../auth.ts';
import { isGone } from '../is-gone.ts';
import { type CallDeps, call, identify, toError } from './call.ts';
import { endOfDeadline, endOfToken } from './cut-short.ts';
import type { Endings } from './endings.ts';
import { encodeFrame } from './frames.ts';
import { createOutput, sendResponse, type Writable } from './send-response.ts';
import { wireOf } from './wire.ts';

/** What the answer of such a call is written to. */
export interface OwnStream {
  /** Whether the caller speaks protobuf; else JSON. */
  readonly binary: boolean;
  /** Aborts when the call is cut short, with the error that its caller sees; whatever is written then is dropped. */
  readonly signal: AbortSignal;
  /** True when the next may follow, false when there is nobody to write to any more; a promise while the reader is slow. */
  write(frame: Uint8Array): boolean | Promise<boolean>;
}

/** A call that the library has taken and let go of. */
export interface TakenCall {
  readonly identity: Identity;
  /** Until its deadline. */
  readonly timeoutMs: number | undefined;
  readonly logger: Logger;
  run(stream: OwnStream): Promise<void>;
}

/** A stream of requests, read past the library too; those together that have come together. */
export type RequestReader = (signal: AbortSignal) => AsyncIterable<readonly Message[]>;

/** Set for methods with `ownReader`; the library is then given no messages. */
export const readerKey = createContextKey<RequestReader | undefined>(undefined, { description: 'reader' });

const takenKey = createContextKey<TakenCall | undefined>(undefined, { description: 'taken' });

/** What the library has put there; it has answered every other call itself. */
export const takenFrom = (values: ContextValues | undefined): TakenCall | undefined => values?.get(takenKey);

/** What a procedure does with its one request; resolves when all is written. */
export type OwnAnswer<In> = (request: In, identity: Identity, stream: OwnStream) => Promise<void>;

const ownAnswerKey = Symbol('what is done past the library');

/** The same function, which knows what is to be done with a plain gRPC call that does not come to the library. */
const withOwn = <F extends object, In>(implementation: F, answer: OwnAnswer<In>): F =>
  Object.assign(implementation, { [ownAnswerKey]: answer });

/** What to do with plain gRPC calls of a procedure; undefined for one whose calls all come to the library. */
export function ownAnswerOf(implementation: unknown): OwnAnswer<Message> | undefined {
  if (typeof implementation !== 'function' || !(ownAnswerKey in implementation)) return undefined;
  return implementation[ownAnswerKey] as OwnAnswer<Message>; // what withOwn has put there; its request is decoded as the method has it
}

/** A procedure that answers one request with a stream of its own; `handle` resolves when all is written. */
export function ownStream<In>(
  { logger }: CallDeps,
  scope: Scope,
  handle: OwnAnswer<In>,
): (request: In, context: HandlerContext) => AsyncIterable<never> {
  return withOwn((request: In, context: HandlerContext) => {
    const identity = identify(context, scope);
    const timeoutMs = context.timeoutMs();
    context.values.set(takenKey, {
      identity,
      timeoutMs,
      logger,
      run: (stream: OwnStream) => handle(request, identity, stream),
    });
    return nothing;
  }, handle);
}

/** As `call`, for a procedure that crowds of callers call at once. */
export function ownCall<In, S extends DescMessage>(
  deps: CallDeps,
  scope: Scope,
  output: S,
  handle: (request: In, identity: Identity) => Promise<MessageInitShape<S>>,
): (request: In, context: HandlerContext) => Promise<MessageInitShape<S>> {
  return withOwn(call(deps, scope, handle), async (request: In, identity: Identity, { write }: OwnStream) => {
    await write(encodeFrame(output, create(output, await handle(request, identity)), true));
  });
}

/** As ownStream, for a procedure that takes a stream of requests, which has `ownReader`. */
export function ownDuplex<In>(
  { logger }: CallDeps,
  scope: Scope,
  handle: (requests: AsyncIterable<readonly In[]>, identity: Identity, stream: OwnStream) => Promise<void>,
): (requests: AsyncIterable<In>, context: HandlerContext) => AsyncIterable<never> {
  return async function* (requests, context) {
    const identity = identify(context, scope);
    const read = context.values.get(readerKey);
    if (read === undefined) throw new Error('the requests of this procedure are to have a reader of their own');
    // None: what is wrong with the head of the call is reported here.
    for await (const _ of requests);
    const run = (stream: OwnStream) =>
      // The reader decodes what the method takes.
      handle(read(stream.signal) as AsyncIterable<readonly In[]>, identity, stream);
    context.values.set(takenKey, { identity, timeoutMs: context.timeoutMs(), logger, run });
  };
}

const nothing: AsyncIterable<never> = {
  [Symbol.asyncIterator]: () => ({ next: async () => ({ done: true, value: undefined }) }),
};

/** What a call is answered with. */
export interface OwnStreamWay {
  readonly response: Writable;
  /** The head of the answer, as the library made it. */
  readonly header: Headers;
  readonly shutdown: AbortSignal;
  readonly endings: Endings;
}

/** Resolves when the call has ended, or when its caller is gone. */
export async function runOwnStream(call: TakenCall, way: OwnStreamWay): Promise<void> {
  const { response, header, endings } = way;
  if (isGone(response)) return;
  const contentType = header.get('content-type') ?? '';
  const output = createOutput(response);
  const cut = new AbortController();
  const letGo = cutBy(cut, call, way);
  const write = (frame: Uint8Array) => {
    if (cut.signal.aborted) return false;
    output.begin(200, header);
    return output.write(frame);
  };
  let error: ConnectError | undefined;
  try {
    await orAbort(cut.signal, call.run({ binary: wireOf(contentType)?.binary ?? true, signal: cut.signal, write }));
  } catch (thrown) {
    error = toError(thrown, cut.signal, call.logger);
  } finally {
    letGo();
  }
  // What still runs for it must not write behind the end.
  cut.abort(error);
  if (isGone(response)) return;
  await sendResponse({ ...(await endings.ofStream(contentType, error)), header, status: 200 }, response, output);
}

/** Whatever ends a call before its time aborts it, with the error that its caller sees. */
function cutBy(cut: AbortController, { identity, timeoutMs }: TakenCall, { response, shutdown }: OwnStreamWay) {
  const onClose = () => cut.abort(new ConnectError('the caller is gone', Code.Canceled));
  response.once('close', onClose);
  const ends = [
    () => response.removeListener('close', onClose),
    onAbort(shutdown, () => cut.abort(shutdown.reason)),
    onAbort(identity.revoked, () => cut.abort(endOfToken())),
    ...(timeoutMs === undefined ? [] : [later(Math.max(0, timeoutMs), () => cut.abort(endOfDeadline()))]),
  ];
  return () => {
    for (const end of ends) end();
  };
}
