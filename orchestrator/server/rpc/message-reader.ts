/**
 * The messages of a gRPC call that lasts, read past the protocol library: it keeps half a dozen generators for each such call, and takes
 * every message through them. One frame after the other, as they come; the same bounds and errors as in request-body.ts.
 */
import type { PushedMessages, Taker } from '#common/waiting/pushed-messages.ts';
import { BodyBrokenOffError } from '../body/request-bytes.ts';
import { type Frame, FrameCutter } from './frames.ts';
import { type BodyRules, compressedSomehow, decodedBy, explained, lastIsCutShort } from './request-body.ts';

// Decoded and not taken; then the sender is made to wait.
const readAheadMax = 64;

/** A stream of HTTP/2, as far as it is read. */
export interface Incoming {
  on(event: 'data', listener: (bytes: Buffer) => void): unknown;
  on(event: 'end' | 'close', listener: () => void): unknown;
  on(event: 'error', listener: (error: Error) => void): unknown;
  pause(): unknown;
  resume(): unknown;
}

export class MessageReader<T> implements PushedMessages<T> {
  readonly #incoming: Incoming;
  readonly #decode: (bytes: Uint8Array) => T;
  readonly #rules: BodyRules;
  readonly #cutter: FrameCutter;
  /** Decoded and not taken. */
  #messages: T[] = [];
  #waiting: PromiseWithResolvers<IteratorResult<T>> | undefined;
  #taker: Taker<T> | undefined;
  /** The taker takes no more for now. */
  #isHeld = false;
  #end: { readonly error?: unknown } | undefined;

  /** What `decode` throws is a fault of the message. */
  constructor(incoming: Incoming, decode: (bytes: Uint8Array) => T, rules: BodyRules) {
    this.#incoming = incoming;
    this.#decode = decode;
    this.#rules = rules;
    this.#cutter = new FrameCutter(rules.bounds.messageMaxBytes);
    incoming.on('data', (bytes) => this.#take(bytes));
    incoming.on('end', () => {
      this.#finish(this.#cutter.isInFrame ? { error: lastIsCutShort() } : {});
    });
    incoming.on('error', (error) => this.#finish({ error: new BodyBrokenOffError(error) }));
    incoming.on('close', () => this.#finish({ error: new BodyBrokenOffError(undefined) }));
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<T>> {
    const value = this.#messages.shift();
    if (value !== undefined) {
      if (this.#messages.length === 0 && this.#end === undefined) this.#incoming.resume();
      return Promise.resolve({ done: false, value });
    }
    if (this.#end !== undefined) return this.#ended(this.#end);
    this.#waiting = Promise.withResolvers();
    return this.#waiting.promise;
  }

  handTo(taker: Taker<T>): void {
    this.#taker = taker;
    this.#hand(taker);
  }

  resume(): void {
    this.#isHeld = false;
    if (this.#taker !== undefined) this.#hand(this.#taker);
  }

  #hand(taker: Taker<T>): void {
    while (!this.#isHeld) {
      const value = this.#messages.shift();
      if (value === undefined) break;
      this.#isHeld = !taker.take(value);
    }
    if (this.#messages.length > 0) return;
    if (this.#end !== undefined) taker.end('error' in this.#end ? { error: this.#end.error } : undefined);
    else if (!this.#isHeld) this.#incoming.resume();
  }

  #ended(end: { readonly error?: unknown }): Promise<IteratorResult<T>> {
    if ('error' in end) return Promise.reject(end.error);
    return Promise.resolve({ done: true, value: undefined });
  }

  #finish(end: { readonly error?: unknown }): void {
    if (this.#end !== undefined) return;
    this.#end = end;
    const waiting = this.#waiting;
    this.#waiting = undefined;
    // Who waits has taken all that there was.
    if (waiting !== undefined) this.#ended(end).then(waiting.resolve, waiting.reject);
    else if (this.#taker !== undefined) this.#hand(this.#taker);
  }

  #take(bytes: Buffer): void {
    // What comes after a message that could not be read is thrown away.
    if (this.#end !== undefined) return;
    try {
      for (const frame of this.#cutter.cut(bytes)) this.#give(this.#decoded(frame));
    } catch (error) {
      this.#finish({ error: explained(error, this.#rules) });
    }
    if (this.#messages.length >= readAheadMax) this.#incoming.pause();
  }

  #give(value: T): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting !== undefined) waiting.resolve({ done: false, value });
    else if (this.#taker === undefined || this.#isHeld) this.#messages.push(value);
    else this.#isHeld = !this.#taker.take(value);
  }

  #decoded({ flags, data }: Frame): T {
    if (flags !== 0) throw compressedSomehow();
    return decodedBy(this.#decode, data, this.#rules.method.input.typeName);
  }
}
