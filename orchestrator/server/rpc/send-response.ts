/**
 * Writes what a procedure's handler answers to a response of Node.js, of either version of HTTP. One message at a time is on its
 * way: a reader that is slow holds that one and no more, and one that has stopped reading is cut off.
 */

import type { OutgoingHttpHeaders } from 'node:http';
import { constants } from 'node:http2';
import type { UniversalServerResponse } from '@connectrpc/connect/protocol';
import { inBackground, later } from '#common/background.ts';
import { isGone } from '../is-gone.ts';

/** What the responses of both versions have in common. */
export interface Writable {
  readonly destroyed?: boolean;
  /** HTTP/2 only. */
  readonly stream?: { readonly destroyed: boolean; close(code: number): void };
  writeHead(status: number, headers: OutgoingHttpHeaders): unknown;
  /** False when `drain` is to be waited for. */
  write(bytes: Uint8Array): boolean;
  addTrailers(trailers: OutgoingHttpHeaders): void;
  end(): unknown;
  destroy(): unknown;
  once(event: 'drain' | 'close', listener: () => void): unknown;
  removeListener(event: 'drain' | 'close', listener: () => void): unknown;
}

/** How long a message may take to go out. */
export interface Patience {
  readonly stallMs: number;
  /** So many bytes are granted a second on top of it, for messages that are large and lines that are slow. */
  readonly bytesPerSecond: number;
}

const usualPatience: Patience = { stallMs: 60_000, bytesPerSecond: 4096 };

/** The way out of one call. */
export interface Output {
  /** Sends the head, unless it has been sent. */
  begin(status: number, header: Headers | undefined): void;
  /** True when the next may follow, false when there is nobody to write to any more; a promise while the reader is slow. */
  write(bytes: Uint8Array): boolean | Promise<boolean>;
  /** What was written last, as `write` tells of it. */
  settled(): Promise<boolean>;
  /** From now on nothing more is taken. */
  close(): void;
}

export function createOutput(response: Writable, patience: Patience = usualPatience): Output {
  let begun = false;
  let closed = false;
  let last: boolean | Promise<boolean> = true;
  return {
    begin(status, header) {
      if (begun || isGone(response)) return;
      begun = true;
      response.writeHead(status, { 'cache-control': 'no-store', ...nodeHeaders(header) });
    },
    write(bytes) {
      if (closed) return false;
      last = written(response, bytes, patience);
      return last;
    },
    settled: async () => last,
    close() {
      closed = true;
    },
  };
}

/**
 * Resolves when all is written, or when there is nobody to write to any more. Rejects with what the body throws. `output` may
 * have had messages before.
 */
export async function sendResponse(
  answer: UniversalServerResponse,
  response: Writable,
  output: Output = createOutput(response),
): Promise<void> {
  const { status, header, trailer } = answer;
  const body = answer.body?.[Symbol.asyncIterator]();
  try {
    // Headers follow the first message: an implementation may set some until then.
    let chunk = await body?.next();
    // The end of a call waits for what is on its way, as every message does.
    if (!(await output.settled()) || isGone(response)) return;
    output.begin(status, header);
    for (; chunk !== undefined && !chunk.done; chunk = await body?.next()) {
      if (!(await output.write(chunk.value))) return;
    }
    if (isGone(response)) return;
    if (trailer !== undefined) response.addTrailers(nodeHeaders(trailer));
    response.end();
  } finally {
    output.close();
    // Not awaited: a source that waits for its next value ends by the call's signal.
    inBackground(Promise.resolve(body?.return?.()), () => undefined);
  }
}

function nodeHeaders(headers: Headers | undefined): OutgoingHttpHeaders {
  return Object.fromEntries(headers ?? []);
}

/** False when there is nobody to write to any more. Waits for a reader that is slow, not for one that has gone or stalls. */
function written(response: Writable, bytes: Uint8Array, patience: Patience): boolean | Promise<boolean> {
  if (isGone(response)) return false;
  if (response.write(bytes)) return true;
  // In HTTP/2 a write may be what detects it; `close` has already fired then.
  if (isGone(response)) return false;
  return drained(response, bytes.length, patience);
}

async function drained(response: Writable, size: number, { stallMs, bytesPerSecond }: Patience): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const onDrain = () => resolve(true);
  const onClose = () => resolve(false);
  const cancel = later(stallMs + (size / bytesPerSecond) * 1000, () => {
    cutOff(response);
    resolve(false);
  });
  response.once('drain', onDrain);
  response.once('close', onClose);
  try {
    return await promise;
  } finally {
    cancel();
    response.removeListener('drain', onDrain);
    response.removeListener('close', onClose);
  }
}

/**
 * Trailers would wait behind what is not read. The code of HTTP/2 is RESOURCE_EXHAUSTED to every client of gRPC
 * (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md, errors); its stream may be opened again.
 */
function cutOff(response: Writable): void {
  if (response.stream === undefined) response.destroy();
  else response.stream.close(constants.NGHTTP2_ENHANCE_YOUR_CALM);
}
