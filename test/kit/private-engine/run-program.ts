/** Runs a program to its end, with a bound, and gives its output; the error of a failure names the program and its last lines. */
import { execFile } from 'node:child_process';

export interface RunOptions {
  /** Default 30 s; then the program is ended by SIGKILL. */
  readonly timeoutMs?: number;
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
}

/** Resolves with stdout. Rejects when the program cannot start, ends with another code than 0, or takes too long. */
export function runProgram(program: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
  const { timeoutMs = 30_000, ...rest } = options;
  return new Promise((resolve, reject) => {
    execFile(
      program,
      [...args],
      { ...rest, timeout: timeoutMs, killSignal: 'SIGKILL', maxBuffer: 64 * 1024 * 1024, encoding: 'utf8' },
      (error, stdout, stderr) => {
        if (!error) return resolve(stdout);
        const why = error.killed ? `did not end within ${timeoutMs} ms` : `failed (${error.code ?? error.signal})`;
        const lines = stderr.trim().split('\n').slice(-3).join(' | ');
        reject(new Error(`${program} ${args.slice(0, 3).join(' ')} ${why}${lines && `: ${lines}`}`, { cause: error }));
      },
    );
  });
}
