/** What the outside world gives to a command: streams, time, the network, all replaceable in tests. */

import type { Clock } from '#common/clock.ts';
import type { BaseContext } from '../argv/clipanion.ts';
import type { ConnectionSettings } from '../options/settings.ts';
import type { Client } from './client.ts';

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
