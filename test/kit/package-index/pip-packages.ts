/**
 * Real Python packages for tests: fetched once by this machine's own pip, from whatever index it is set up with, and kept
 * in a private cache. Builds in containers get them from package-index.ts, so they need no network beyond this machine.
 */
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rename, rm } from 'node:fs/promises';
import { arch } from 'node:os';
import { join } from 'node:path';
import { withFileLock } from '../private-engine/file-lock.ts';
import { defaultCacheDir } from '../private-engine/private-engine.ts';
import { runProgram } from '../private-engine/run-program.ts';
import { readWheel, type Wheel } from './wheel.ts';

export interface PipPackages {
  readonly wheels: readonly Wheel[];
  /** An import folder with all of them, for PYTHONPATH of a bot that runs without pip. */
  readonly folder: string;
}

const pipTimeoutMs = 180_000;
const lockWaitMs = 400_000;
const machine = arch() === 'arm64' ? 'aarch64' : 'x86_64';
/** Newest first; what pip takes on a Debian of the last years. */
const platforms = ['manylinux_2_28', 'manylinux_2_17', 'manylinux2014'].map((name) => `${name}_${machine}`);

/**
 * The packages asked for, as ["aiogram>=3.0"], resolved together with all they depend on, as wheels for the Python of the
 * base image. Throws when there is no pip here or it cannot get them.
 */
export async function pipPackages(requirements: readonly string[], pythonVersion: string): Promise<PipPackages> {
  const cacheDir = join(defaultCacheDir, 'pip-packages');
  const root = join(cacheDir, encodeURIComponent(`${requirements.join(' ')} for ${pythonVersion}`));
  await mkdir(cacheDir, { recursive: true });
  await withFileLock(join(cacheDir, 'packages.lock'), lockWaitMs, async () => {
    if (!existsSync(root)) await fetchInto(cacheDir, root, requirements, pythonVersion);
  });
  const files = (await readdir(join(root, 'wheels'))).toSorted();
  const wheels = await Promise.all(
    files.map(async (name) => readWheel(name, await readFile(join(root, 'wheels', name)))),
  );
  return { wheels, folder: join(root, 'modules') };
}

async function fetchInto(
  cacheDir: string,
  root: string,
  requirements: readonly string[],
  pythonVersion: string,
): Promise<void> {
  const work = await mkdtemp(join(cacheDir, 'fetching-'));
  try {
    const pip = (args: readonly string[]) => runProgram('pip', args, { timeoutMs: pipTimeoutMs });
    const target = [
      '--only-binary=:all:',
      ...['--implementation', 'cp', '--python-version', pythonVersion],
      ...platforms.flatMap((platform) => ['--platform', platform]),
    ];
    const wheels = join(work, 'wheels');
    await pip(['download', '--quiet', '--retries', '1', '--dest', wheels, ...target, ...requirements]);
    const files = (await readdir(wheels)).map((name) => join(wheels, name));
    await pip([
      'install',
      '--quiet',
      '--no-index',
      '--no-deps',
      '--target',
      join(work, 'modules'),
      ...target,
      ...files,
    ]);
    await rename(work, root);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}
