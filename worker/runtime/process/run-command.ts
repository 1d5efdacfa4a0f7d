/** Runs one command of a build: its output line by line, and nothing left behind when it ends or is aborted. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { onAbort } from '#common/waiting/abort.ts';
import { createWholeLineSplitter } from '../output-lines.ts';
import { signalGroup } from './wrapper.ts';

export interface Command {
  /** Program and arguments; no shell is involved. */
  readonly argv: readonly [string, ...string[]];
  readonly cwd: string;
  /** The whole environment. */
  readonly env: Readonly<Record<string, string>>;
  /** Gets stdout and stderr alike. */
  readonly onLine: (line: string) => void;
}

/** The exit code; 128 + n for a signal. Rejects with the signal's reason, and if the program cannot be started. */
export async function runCommand(command: Command, signal: AbortSignal): Promise<number> {
  signal.throwIfAborted();
  const [program, ...args] = command.argv;
  // Its own group, so that all that it starts can be ended with it.
  const child = spawn(program, args, {
    cwd: command.cwd,
    env: command.env,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const end = () => {
    if (child.pid !== undefined) signalGroup(child.pid, 'SIGKILL');
  };
  const letGo = onAbort(signal, end);
  // What it left in the background would hold its output open.
  child.once('exit', end);
  try {
    const [exit] = await Promise.all([
      once(child, 'exit'),
      readLines(child.stdout, command.onLine),
      readLines(child.stderr, command.onLine),
    ]);
    signal.throwIfAborted();
    const [code, killedBy] = exit as [number | null, NodeJS.Signals | null];
    return code ?? 128 + (killedBy === 'SIGKILL' ? 9 : 15);
  } finally {
    letGo();
  }
}

async function readLines(stream: Readable, onLine: (line: string) => void): Promise<void> {
  const splitter = createWholeLineSplitter(onLine);
  for await (const chunk of stream) splitter.push(chunk);
  splitter.end();
}
