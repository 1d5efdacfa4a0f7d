/** The programs of this machine that run bots: this Node itself, and a Python if there is one. */
import { execFile } from 'node:child_process';
import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { dirname } from 'node:path';
import { promisify } from 'node:util';

export interface Python {
  /** Absolute path of the interpreter itself, not of a shim that chooses one by its environment. */
  readonly path: string;
  readonly version: string;
}

const candidates = ['python3.11', 'python3.12', 'python3.13', 'python3.14', 'python3'] as const;
const probe = 'import sys, platform; print(sys.executable); print(platform.python_version())';
const probeMs = 5000;

/** The first Python on PATH that runs; undefined when there is none. */
export async function findPython(signal: AbortSignal): Promise<Python | undefined> {
  for (const candidate of candidates) {
    try {
      const { stdout } = await promisify(execFile)(candidate, ['-c', probe], { timeout: probeMs, signal });
      const [path = '', version = ''] = stdout.trim().split('\n');
      if (path.startsWith('/')) return { path, version };
    } catch {
      signal.throwIfAborted();
      // Not there, or a shim without a version behind it: the next one may do.
    }
  }
  return undefined;
}

/** As findPython, without running one that was found before and is still there. */
export function rememberPython(): (signal: AbortSignal) => Promise<Python | undefined> {
  let known: Python | undefined;
  return async (signal) => {
    const isThere =
      known !== undefined &&
      (await access(known.path, constants.X_OK).then(
        () => true,
        () => false,
      ));
    if (!isThere) known = await findPython(signal);
    return known;
  };
}

/** PATH of bots and builds: this Node first, so that `node` and `npm` fit together. */
export const programPath = (...first: readonly string[]): string =>
  [...first, dirname(process.execPath), process.env['PATH'] ?? '', '/usr/local/bin:/usr/bin:/bin']
    // An empty part would mean the current folder, which is the bot's.
    .flatMap((part) => part.split(':').filter((path) => path !== ''))
    .join(':');
