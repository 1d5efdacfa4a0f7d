/** What a reader of docs/GRPC.md has before him, in a folder of its own: the proto files and the client of one language. */
import { execFile } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkout, checkoutPath } from '../../scripts/process/checkout.ts';

export interface ClientCheckout extends Disposable {
  /** Runs a program there. */
  run(program: string, words: readonly string[], env?: NodeJS.ProcessEnv): Promise<ProgramEnd>;
  /** buf of the checkout. */
  buf(words: readonly string[]): Promise<ProgramEnd>;
  path(...parts: string[]): string;
}

export interface ProgramEnd {
  /** 0, another code, or why it could not be run. */
  readonly code: number | string;
  readonly stdout: string;
  /** stdout and stderr, their ends. */
  readonly output: string;
}

const timeoutMs = 500_000;
const builtFolders = /\/(target|generators|stubs|org)$/;

export function checkOutClient(language: string): ClientCheckout {
  const dir = mkdtempSync(join(tmpdir(), `${language}-client-`));
  for (const path of ['buf.yaml', 'proto', `examples/clients/${language}`]) {
    cpSync(checkoutPath(path), join(dir, path), { recursive: true, filter: (from) => !builtFolders.test(from) });
  }
  const run: ClientCheckout['run'] = (program, words, env = {}) =>
    new Promise((resolve) => {
      const options = { cwd: dir, env: { ...process.env, ...env }, timeout: timeoutMs, maxBuffer: 64 * 1024 * 1024 };
      execFile(program, [...words], options, (error, stdout, stderr) =>
        resolve({ code: error ? (error.code ?? error.message) : 0, stdout, output: `${stdout}${stderr}`.slice(-4000) }),
      );
    });
  return {
    run,
    buf: (words) => run(join(checkout, 'node_modules/.bin/buf'), words),
    path: (...parts) => join(dir, ...parts),
    [Symbol.dispose]: () => rmSync(dir, { recursive: true, force: true }),
  };
}
