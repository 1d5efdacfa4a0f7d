/** What the outside world gives to a command: streams, time, the network, all replaceable in tests. */

import type { Writable } from 'node:stream';
import type { Clock } from '#common/clock.ts';
import { createDeferred } from '#common/deferred.ts';
import { orAbort } from '#common/waiting/abort.ts';
import type { Client } from './client.ts';
import type { BaseContext } from './clipanion.ts';
import type { ConnectionSettings } from './settings.ts';

export interface Terminal {
  /** Whether each stream is a terminal. */
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  /** Width of the terminal at stderr, in columns. */
  readonly columns: () => number;
}

export interface CliContext extends BaseContext {
  readonly terminal: Terminal;
  /** File names of the command line are relative to it. */
  readonly cwd: string;
  readonly clock: Clock;
  /** 0 <= value < 1, for the jitter of retries. */
  readonly random: () => number;
  /** 1 to 255 printable ASCII characters that were never used before. */
  readonly newIdempotencyKey: () => string;
  readonly openClient: (settings: ConnectionSettings) => Client | Promise<Client>;
  /** Aborts with an Interrupted when the user wants the command to end. */
  readonly signal: AbortSignal;
}

/** Writes and waits while the reader is slow, so that a fast log does not pile up in memory. */
export async function write(stream: Writable, text: string, signal: AbortSignal): Promise<void> {
  if (stream.write(text)) return;
  const { promise, resolve } = createDeferred<void>();
  const done = (): void => resolve();
  // A reader that went away ends the command through the signal; there is nothing to wait for.
  stream.once('drain', done).once('close', done);
  await orAbort(signal, promise).finally(() => stream.off('drain', done).off('close', done));
}
