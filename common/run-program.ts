/**
 * The life of a program: start, run until SIGTERM or SIGINT, stop. A mistake of the operator is one clear line per mistake
 * on stderr and exit code 1, with nothing left half-started.
 */
import { systemClock } from './clock.ts';
import { createGarbageCollector } from './collect-garbage.ts';
import { diskFaultOf, diskFaultSentences } from './disk-fault.ts';
import { endThisProgram, endThisProgramWithin } from './end-program.ts';
import { ConfigError } from './env-config.ts';
import { watchIdleMemory } from './idle-memory.ts';
import { ProblemError } from './problem.ts';
import { complaintAbout } from './start-main.js';

export interface Stoppable {
  /** Where it is reached; for a program that listens. */
  readonly url?: string;
  stop(): Promise<void>;
}

/** What a program says to the one that started it with a channel (`npm start`), once it is up and never before. */
export interface UpMessage {
  readonly up: { readonly url: string | undefined };
}

type SystemError = NodeJS.ErrnoException & {
  readonly address?: string;
  readonly port?: number;
  readonly hostname?: string;
};

/** What start-up errors of the system mean to an operator. */
export function explainStartError(error: unknown): string | undefined {
  if (error instanceof ConfigError) return error.message;
  if (!(error instanceof Error)) return undefined;
  const { code = '', address, port, path, hostname, syscall } = error as SystemError;
  // For a Unix socket the address is its path, and there is no port.
  const file = path ?? (port === -1 ? address : undefined);
  switch (code) {
    case 'EADDRINUSE':
      return file === undefined
        ? `port ${port} on ${address} is in use: stop the program that uses it, or set PORT to another one`
        : `${file} is in use: stop the program that listens there, or choose another path`;
    case 'EADDRNOTAVAIL':
      return `this machine has no address ${address}: set HOST to one of its addresses`;
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `${hostname} is neither an address nor a name that resolves: set HOST to an address of this machine`;
    case 'EACCES':
    case 'EPERM':
      return file === undefined
        ? `no permission to listen on port ${port}: set PORT to 1024 or more`
        : `no permission for ${file}: choose another path, such as another DATA_DIR, or fix its owner`;
    case 'ENOENT':
      // What Node.js says of a folder that is to be made on a disk that cannot be written to.
      if (syscall === 'mkdir' && file !== undefined) {
        return `${file} cannot be created: its disk is read-only or gone; choose another path, such as another DATA_DIR`;
      }
      return `${file} does not exist`;
    case 'EEXIST':
    case 'ENOTDIR':
      return `${file} is not a folder, or lies in something that is not one: choose another path, such as another DATA_DIR`;
    case 'EISDIR':
      return file === undefined
        ? 'a folder stands where a file should be'
        : `${file} is a folder, and should be a file: move it away, or choose another DATA_DIR`;
    case 'EROFS':
      return `${file} is on a read-only disk: choose another path, such as another DATA_DIR`;
    case 'ENOSPC':
    case 'EDQUOT':
      return `the disk is full${file === undefined ? '' : ` (${file})`}: free some space on it`;
    case 'ELOOP':
    case 'ENAMETOOLONG':
      return `${file} cannot be resolved (${code}): choose another path, such as another DATA_DIR`;
    default:
      if (code.startsWith('ERR_OSSL_')) {
        return `TLS_CERT and TLS_KEY are not a certificate chain and its private key in PEM (${error.message})`;
      }
      // https://www.sqlite.org/rescode.html#busy: the store is open elsewhere.
      if ('errcode' in error && error.errcode === 5) {
        return 'the store is in use by another orchestrator: stop it, or set DATA_DIR to another folder';
      }
      if ('errcode' in error || error instanceof ProblemError) {
        const fault = diskFaultOf(error);
        if (fault !== undefined) return diskFaultSentences[fault];
      }
      return error.name.endsWith('Error') && error.name !== 'Error' && error.name !== 'TypeError'
        ? error.message
        : undefined;
  }
}

/** How long a clean shutdown may take, whatever the others that it waits for do. */
const shutdownMaxMs = 10_000;
/** How long what is under way in a file when all else has ended may take. */
const threadsMaxMs = 2_000;

/**
 * Runs one program for the life of this process. A signal that comes while it starts ends it as soon as it has started, so
 * that nothing is left half-started; a second one ends it at once. From the first signal on it is over within 10 s: what does
 * not end by then (a peer that is silent, an engine that hangs) is left behind, as at a crash, which every store here outlives.
 */
export async function runProgram(name: string, start: () => Promise<Stoppable>): Promise<void> {
  let doing = 'starting';
  const signalled = new Promise<void>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.once(signal, () => {
        process.once(signal, () => endThisProgram(130));
        systemClock.after(shutdownMaxMs, () => {
          process.stderr.write(`${name}: ${doing} took more than ${shutdownMaxMs / 1000} s and was aborted\n`);
          endThisProgram(1);
        });
        resolve();
      });
    }
  });
  let running: Stoppable;
  try {
    // Some older ones run TypeScript, too, and then fail in the middle of their work.
    const complaint = complaintAbout(process.versions.node);
    if (complaint !== undefined) throw new ConfigError([complaint]);
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
    return endThisProgramWithin(threadsMaxMs, 1);
  }
  // The last resort for what no guard has caught (common/background.ts): what one request, timer or stream broke is not worth
  // the end of all others.
  for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
    process.on(event, (error: unknown) => {
      const text = error instanceof Error ? error.stack : String(error);
      process.stderr.write(`${name}: a bug; the program keeps running: ${text}\n`);
    });
  }
  watchIdleMemory(systemClock, createGarbageCollector());
  sayUp({ up: { url: running.url } });
  await signalled;
  doing = 'stopping';
  await running.stop();
  // Not by waiting for the event loop: a connection that a peer keeps open would hold it.
  await endThisProgramWithin(threadsMaxMs, 0);
}

/** Nothing is said where there is nobody to say it to, or when who started this is gone. */
function sayUp(message: UpMessage): void {
  if (process.send === undefined) return;
  process.send(message, undefined, undefined, () => {
    if (process.connected) process.disconnect();
  });
}
