/** One POST over HTTP/1.1, on a connection of its own. Follows no redirect, so that the token goes nowhere else. */

import { request as httpRequest } from 'node:http';
import { Code, ConnectError } from '@connectrpc/connect';
import { systemClock } from '#common/clock.ts';
import { createDeferred } from '#common/deferred.ts';
import { onAbort } from '#common/waiting/abort.ts';
import { answerBytesMax } from './answer-bytes.ts';

export interface Post {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
  readonly signal: AbortSignal | undefined;
  /** For the whole of it. */
  readonly timeoutMs: number | undefined;
}

export interface PostAnswer {
  readonly status: number;
  /** Empty where there is none. */
  readonly contentType: string;
  readonly body: Uint8Array;
}

/** Throws a network failure as Node.js reports it, a ConnectError for an end of ours, and the signal's reason. */
export async function post(target: URL, { headers, body, signal, timeoutMs }: Post): Promise<PostAnswer> {
  signal?.throwIfAborted();
  const open = target.protocol === 'https:' ? (await import('node:https')).request : httpRequest;
  const { promise, resolve, reject } = createDeferred<PostAnswer>();
  // Without an agent's pool: a connection that the other side has just closed is never reused.
  const request = open(target, {
    method: 'POST',
    agent: false,
    headers: { ...headers, 'content-length': body.byteLength },
  });
  const cancelTimer =
    timeoutMs === undefined
      ? undefined
      : systemClock.after(timeoutMs, () =>
          request.destroy(new ConnectError('the answer took too long', Code.DeadlineExceeded)),
        );
  const letGo = onAbort(signal, () => request.destroy(asError(signal?.reason)));
  request.once('response', (response) => {
    const pieces: Buffer[] = [];
    let bytes = 0;
    response.on('data', (piece: Buffer) => {
      pieces.push(piece);
      bytes += piece.byteLength;
      if (bytes > answerBytesMax) request.destroy(new ConnectError('the answer is too long', Code.ResourceExhausted));
    });
    response.once('error', reject);
    response.once('end', () => {
      const { statusCode = 0, headers: answered } = response;
      resolve({ status: statusCode, contentType: answered['content-type'] ?? '', body: Buffer.concat(pieces) });
    });
  });
  // Stays: a second error may follow the first, and one after the answer does not matter.
  request.on('error', reject);
  request.end(body);
  try {
    return await promise;
  } finally {
    cancelTimer?.();
    letGo();
  }
}

const asError = (reason: unknown): Error => (reason instanceof Error ? reason : new Error('aborted'));
