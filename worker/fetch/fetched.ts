/** What fetching a source has in common: where to, how long, and what it leaves behind. */
import { lookup } from 'node:dns/promises';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '#common/clock.ts';
import type { FetchAllow, Resolve } from '#common/fetch-policy.ts';
import { problem } from '#common/problem.ts';
import { asFailure, chanceOfConnection } from '../failures/chances.ts';

export interface FetchParts {
  /** Where temporary folders are made. */
  readonly dir: string;
  /** Places exempt from the block of private addresses. */
  readonly allow: FetchAllow;
  readonly clock: Clock;
  /** The system's resolver unless given. */
  readonly resolve?: Resolve | undefined;
}

/** A source on this machine. */
export interface Fetched {
  /** A tar or gzipped tar; not checked yet. */
  readonly path: string;
  /** Removes it. */
  release(): Promise<void>;
}

/** By the system, as every other program here would; FETCH_FAILED for a name that is not known. */
export const systemResolve: Resolve = async (hostname) => {
  try {
    const found = await lookup(hostname, { all: true });
    return found.map(({ address, family }) => ({ address, family: family === 6 ? 6 : 4 }));
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    const chance = chanceOfConnection(code);
    const message =
      chance === 'final' ? 'The name of the server is not known.' : 'The name of the server cannot be looked up now.';
    throw asFailure(problem('FETCH_FAILED', message), chance, { cause: error });
  }
};

/** A folder for one fetch, only for our user. */
export async function createFetchFolder(dir: string): Promise<{ path: string; remove: () => Promise<void> }> {
  const path = await mkdtemp(join(dir, 'fetch-'));
  return { path, remove: () => rm(path, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 }) };
}
