/** Writes what a procedure's handler answers to a response of Node.js, of either version of HTTP. */

import type { OutgoingHttpHeaders } from 'node:http';
import type { UniversalServerResponse } from '@connectrpc/connect/protocol';
import { inBackground } from '#common/background.ts';
import { isGone } from '../is-gone.ts';

/** What the responses of both versions have in common. */
export interface Writable {
  readonly destroyed?: boolean;
  readonly stream?: { readonly destroyed: boolean };
  writeHead(status: number, headers: OutgoingHttpHeaders): unknown;
  /** False when `drain` is to be waited for. */
  write(bytes: Uint8Array): boolean;
  addTrailers(trailers: OutgoingHttpHeaders): void;
  end(): unknown;
  once(event: 'drain' | 'close', listener: () => void): unknown;
  removeListener(event: 'drain' | 'close', listener: () => void): unknown;
}

/** Resolves when all is written, or when there is nobody to write to any more. Rejects with what the body throws. */
export async function sendResponse(answer: UniversalServerResponse, response: Writable): Promise<void> {
  const { status, header, trailer } = answer;
  const body = answer.body?.[Symbol.asyncIterator]();
  try {
    // Headers follow the first message: an implementation may set some until then.
    let chunk = await body?.next();
    if (isGone(response)) return;
    response.writeHead(status, { 'cache-control': 'no-store', ...nodeHeaders(header) });
    for (; chunk !== undefined && !chunk.done; chunk = await body?.next()) {
      if (!(await written(response, chunk.value))) return;
    }
    if (isGone(response)) return;
    if (trailer !== undefined) response.addTrailers(nodeHeaders(trailer));
    response.end();
  } finally {
    // Not awaited: a source that waits for its next value ends by the call's signal.
    inBackground(Promise.resolve(body?.return?.()), () => undefined);
  }
}

function nodeHeaders(headers: Headers | undefined): OutgoingHttpHeaders {
  return Object.fromEntries(headers ?? []);
}

/** False when there is nobody to write to any more. Waits for a reader that is slow, not for one that has gone. */
async function written(response: Writable, bytes: Uint8Array): Promise<boolean> {
  if (isGone(response)) return false;
  if (response.write(bytes)) return true;
  // Of HTTP/2, a write may be what finds out; its `close` is past then.
  if (isGone(response)) return false;
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const onDrain = () => resolve(true);
  const onClose = () => resolve(false);
  response.once('drain', onDrain);
  response.once('close', onClose);
  try {
    return await promise;
  } finally {
    response.removeListener('drain', onDrain);
    response.removeListener('close', onClose);
  }
}
