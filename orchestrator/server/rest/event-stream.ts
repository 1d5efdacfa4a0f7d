/**
 * Writes a Server-Sent Events answer (https://html.spec.whatwg.org/multipage/server-sent-events.html). Each piece is written
 * when the one before has gone out; a reader that takes nothing for a minute is cut off, and may resume.
 */

import { later } from '#common/background.ts';
import { onAbort } from '#common/waiting/abort.ts';
import { isGone } from '../is-gone.ts';
import type { Response } from './http.ts';

/** What goes between two blank lines; `id` alone moves the place to resume from and is not an event to the reader. */
export interface EventFrame {
  readonly id: string;
  readonly event?: string;
  /** One line. */
  readonly data?: string;
}

const stallMs = 60_000;
// What a browser waits before it connects again.
const retryMs = 1_000;

export const formatFrame = ({ id, event, data }: EventFrame): Uint8Array =>
  Buffer.from(
    `id: ${id}\n${event === undefined ? '' : `event: ${event}\n`}${data === undefined ? '' : `data: ${data}\n`}\n`,
  );

/** Resolves at the end of the frames, or when the reader has gone. Rejects with what the frames throw. */
export async function sendEventStream(
  response: Response,
  frames: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<void> {
  response.writeHead(200, {
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    // nginx and its like would hold events back otherwise.
    'x-accel-buffering': 'no',
  });
  if (!(await written(response, Buffer.from(`retry: ${retryMs}\n\n`), signal))) return;
  for await (const frame of frames) {
    const more = written(response, frame, signal);
    if (more !== true && !(await more)) break;
  }
  if (!isGone(response)) response.end(Buffer.alloc(0));
}

/** False when there is nobody to write to any more. */
function written(response: Response, bytes: Uint8Array, signal: AbortSignal): boolean | Promise<boolean> {
  if (isGone(response) || signal.aborted) return false;
  return response.write(bytes) || drained(response, signal);
}

async function drained(response: Response, signal: AbortSignal): Promise<boolean> {
  const over = Promise.withResolvers<boolean>();
  const yes = () => over.resolve(true);
  const no = () => over.resolve(false);
  const cancel = later(stallMs, no);
  response.once('drain', yes);
  response.once('close', no);
  const letGo = onAbort(signal, no);
  try {
    if (await over.promise) return true;
    response.destroy();
    return false;
  } finally {
    cancel();
    response.removeListener('drain', yes);
    response.removeListener('close', no);
    letGo();
  }
}
