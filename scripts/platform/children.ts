/** The two programs as child processes: started, waited for until they are up, ended cleanly. */
import { type ChildProcess, spawn } from 'node:child_process';
import { openSync } from 'node:fs';
import type { UpMessage } from '#common/run-program.ts';
import { checkoutPath } from '../process/checkout.ts';

export interface Program {
  readonly name: 'orchestrator' | 'worker';
  readonly child: ChildProcess;
  /** Resolves with the exit code (128 + number for a signal) once it has ended. */
  readonly ended: Promise<number>;
  /** Resolves when it has said itself that it is up, with its address if it listens. ProgramEndedError when it ends first. */
  readonly up: Promise<string | undefined>;
}

export interface StartOptions {
  readonly env: NodeJS.ProcessEnv;
  /** Where its log goes; the terminal without it. */
  readonly logFile?: string;
}

export function startProgram(name: Program['name'], { env, logFile }: StartOptions): Program {
  const out = logFile === undefined ? 'inherit' : openSync(logFile, 'a', 0o600);
  // Its own process group: Ctrl-C in the terminal then reaches only this script, which ends the programs in order.
  const child = spawn(process.execPath, [checkoutPath(name, 'main.ts')], {
    env,
    // It reports over the channel that it is up: what answers at its address may be another program.
    stdio: ['ignore', out, out, 'ipc'],
    detached: true,
  });
  const ended = new Promise<number>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => resolve(code ?? (signal === null ? 1 : 137)));
  });
  const up = new Promise<string | undefined>((resolve, reject) => {
    child.on('message', (message) => {
      if (isUp(message)) resolve(message.up.url);
    });
    ended.then((code) => reject(new ProgramEndedError(name, code)), reject);
  });
  // Not everybody waits for it.
  up.catch(() => {});
  return { name, child, ended, up };
}

const isUp = (message: unknown): message is UpMessage =>
  typeof message === 'object' && message !== null && 'up' in message;

/** SIGTERM, and SIGKILL when it has not ended within `graceMs`. */
export async function endProgram({ child, ended }: Program, graceMs = 30_000): Promise<number> {
  if (child.exitCode !== null || child.signalCode !== null) return ended;
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), graceMs);
  try {
    return await ended;
  } finally {
    clearTimeout(timer);
  }
}

/** Generous: a worker gives its first connection 5 s, and the machine may be a busy one. */
const upTimeoutMs = 60_000;

/** Where it listens, once it is up. Throws when it ends first, the signal aborts or a minute passes. */
export async function untilUp(program: Program, signal: AbortSignal): Promise<string | undefined> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(upTimeoutMs)]);
  limit.throwIfAborted();
  const aborted = new Promise<never>((_, reject) => {
    limit.addEventListener(
      'abort',
      () => reject(signal.aborted ? signal.reason : new Error(`the ${program.name} did not come up within a minute`)),
      { once: true },
    );
  });
  return Promise.race([program.up, aborted]);
}

/** A program ended before it was up. */
export class ProgramEndedError extends Error {
  readonly code: number;
  constructor(name: string, code: number) {
    super(`the ${name} ended with code ${code}`);
    this.name = 'ProgramEndedError';
    this.code = code;
  }
}
