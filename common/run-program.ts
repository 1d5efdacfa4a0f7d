/**
 * The life of a program: start, run until SIGTERM or SIGINT, stop. A mistake of the operator is one clear line per mistake
 * on stderr and exit code 1, with nothing left half-started.
 */
import { ConfigError } from './env-config.ts';

export interface Stoppable {
  stop(): Promise<void>;
}

/** What start-up errors of the system mean to an operator. */
export function explainStartError(error: unknown): string | undefined {
  if (error instanceof ConfigError) return error.message;
  if (!(error instanceof Error)) return undefined;
  const { code, address, port, path } = error as NodeJS.ErrnoException & { address?: string; port?: number };
  switch (code) {
    case 'EADDRINUSE':
      return `port ${port} on ${address} is in use: end the program that uses it, or set PORT to another one`;
    case 'EADDRNOTAVAIL':
      return `this machine has no address ${address}: set HOST to one of its addresses`;
    case 'EACCES':
      return port === undefined
        ? `no permission for ${path}: choose another DATA_DIR or fix its owner`
        : `no permission to listen on port ${port}: set PORT to 1024 or more`;
    case 'ENOENT':
      return `${path} does not exist`;
    default:
      // https://www.sqlite.org/rescode.html#busy: the store is open elsewhere.
      if ('errcode' in error && error.errcode === 5) {
        return 'the store is in use by another orchestrator: end it, or set DATA_DIR to another folder';
      }
      return error.name.endsWith('Error') && error.name !== 'Error' && error.name !== 'TypeError'
        ? error.message
        : undefined;
  }
}

/**
 * Runs one program for the life of this process. A signal that comes while it starts ends it as soon as it has started, so
 * that nothing is left half-started; a second one ends it at once.
 */
export async function runProgram(name: string, start: () => Promise<Stoppable>): Promise<void> {
  const signalled = new Promise<void>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.once(signal, () => {
        process.once(signal, () => process.exit(130));
        resolve();
      });
    }
  });
  let running: Stoppable;
  try {
    running = await start();
  } catch (error) {
    const explained = explainStartError(error);
    process.stderr.write(
      explained === undefined
        ? `${name}: ${error instanceof Error ? error.stack : String(error)}\n`
        : explained
            .split('\n')
            .map((line) => `${name}: ${line}\n`)
            .join(''),
    );
    process.exit(1);
  }
  await signalled;
  await running.stop();
}
