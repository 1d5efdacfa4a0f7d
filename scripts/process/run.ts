/** Runs a development tool of node_modules in the checkout and waits for its end. */
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { delimiter } from 'node:path';
import { checkout, checkoutPath } from './checkout.ts';

export interface RunOptions {
  /** Given to the tool as its standard input; without it there is none. With `keyboard` it has that of this process. */
  readonly input?: string;
  readonly keyboard?: true;
  /** 'show' lets the tool print directly; 'keep' (the default) returns what it prints. */
  readonly print?: 'show' | 'keep';
  readonly env?: Readonly<Record<string, string>>;
  /** Ends the tool with SIGTERM. */
  readonly signal?: AbortSignal;
}

export interface Ended {
  /** 128 + number when a signal ended the tool. */
  readonly code: number;
  /** Standard output; empty with print 'show'. */
  readonly stdout: string;
  /** Standard output, then standard error: what a person would read. */
  readonly output: string;
}

/** Throws only when the tool cannot be started. */
export function run(tool: string, args: readonly string[], options: RunOptions = {}): Promise<Ended> {
  const kept = options.print === 'show' ? 'inherit' : 'pipe';
  return new Promise((resolve, reject) => {
    const child = spawn(tool, [...args], {
      cwd: checkout,
      env: { ...process.env, ...options.env, PATH: toolPath() },
      stdio: [options.keyboard ? 'inherit' : options.input === undefined ? 'ignore' : 'pipe', kept, kept],
    });
    const [out, err]: [string[], string[]] = [[], []];
    child.stdout?.setEncoding('utf8').on('data', (text: string) => out.push(text));
    child.stderr?.setEncoding('utf8').on('data', (text: string) => err.push(text));
    // A tool that ends before it has read its input says why by its exit code.
    child.stdin?.on('error', () => {});
    child.stdin?.end(options.input);
    const stop = () => child.kill('SIGTERM');
    options.signal?.addEventListener('abort', stop, { once: true });
    if (options.signal?.aborted) stop();
    child.on('error', reject);
    child.on('close', (code, ended) => {
      options.signal?.removeEventListener('abort', stop);
      resolve({
        code: ended === null ? (code ?? 1) : 128 + constants.signals[ended],
        stdout: out.join(''),
        output: [...out, ...err].join(''),
      });
    });
  });
}

/** Our tools and our Node first, also when the command was not started through npm. */
const toolPath = (): string => [checkoutPath('node_modules', '.bin'), process.env['PATH'] ?? ''].join(delimiter);
