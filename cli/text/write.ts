/** Writing to a reader that may be slow. */
import type { Writable } from 'node:stream';
import { createDeferred } from '#common/deferred.ts';
import { orAbort } from '#common/waiting/abort.ts';

/** Writes and waits while the reader is slow, so that a fast log does not pile up in memory. */
export async function write(stream: Writable, text: string, signal: AbortSignal): Promise<void> {
  if (stream.write(text)) return;
  const { promise, resolve } = createDeferred<void>();
  const done = (): void => resolve();
  // A reader that went away ends the command through the signal; there is nothing to wait for.
  stream.once('drain', done).once('close', done);
  await orAbort(signal, promise).finally(() => stream.off('drain', done).off('close', done));
}
