/** The two programs as child processes: started, waited for until they are up, ended in good order. */
import { type ChildProcess, spawn } from 'node:child_process';
import { openSync } from 'node:fs';
import { checkoutPath } from '../process/checkout.ts';

export interface Program {
  readonly name: 'orchestrator' | 'worker';
  readonly child: ChildProcess;
  /** Resolves with the exit code (128 + number for a signal) once it has ended. */
  readonly ended: Promise<number>;
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
    stdio: ['ignore', out, out],
    detached: true,
  });
  const ended = new Promise<number>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => resolve(code ?? (signal === null ? 1 : 137)));
  });
  return { name, child, ended };
}

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

const pollMs = 50;
const upTimeoutMs = 20_000;

/** Resolves once GET /health answers; throws when the program ends first or 20 s pass. */
export async function untilHealthy(url: string, program: Program, signal: AbortSignal): Promise<void> {
  const end = performance.now() + upTimeoutMs;
  let exited: number | undefined;
  program.ended.then(
    (code) => {
      exited = code;
    },
    () => {
      exited = 1;
    },
  );
  for (;;) {
    signal.throwIfAborted();
    // Its own lines on the terminal have said why.
    if (exited !== undefined) throw new ProgramEndedError(program.name, exited);
    try {
      const response = await fetch(`${url}/health`, { signal: AbortSignal.any([signal, AbortSignal.timeout(1_000)]) });
      if (response.ok) return;
    } catch (error) {
      signal.throwIfAborted();
      if (performance.now() > end) throw error;
    }
    if (performance.now() > end) throw new Error(`${url} did not come up within ${upTimeoutMs / 1000} s`);
    // A timer that keeps the process alive, unlike AbortSignal.timeout: the program may be gone by now.
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
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
