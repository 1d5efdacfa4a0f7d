/**
 * Real npm packages for tests: fetched once by this machine's own npm, from whatever registry it is set up with, and kept
 * in a private cache. Builds in containers get them from npm-registry.ts, so they need no network beyond this machine.
 */
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { withFileLock } from '../private-engine/file-lock.ts';
import { defaultCacheDir } from '../private-engine/private-engine.ts';
import { runProgram } from '../private-engine/run-program.ts';

export interface NpmPackage {
  readonly name: string;
  readonly version: string;
  /** As in a registry's answer, for example "sha512-...". */
  readonly integrity: string;
  readonly shasum: string;
  /** Its package.json. */
  readonly manifest: Readonly<Record<string, unknown>>;
  /** Path of the tarball on this machine. */
  readonly file: string;
}

const npmTimeoutMs = 120_000;
const lockWaitMs = 300_000;

/** The package asked for, as "grammy@^1.30", and all that it depends on. Throws when npm cannot get them. */
export async function npmPackages(requirement: string): Promise<readonly NpmPackage[]> {
  const cacheDir = join(defaultCacheDir, 'npm-packages');
  const root = join(cacheDir, encodeURIComponent(requirement));
  await mkdir(cacheDir, { recursive: true });
  await withFileLock(join(cacheDir, 'packages.lock'), lockWaitMs, async () => {
    if (!existsSync(root)) await fetchInto(cacheDir, root, requirement);
  });
  // Written by fetchInto in our own cache, whole or not at all.
  const packages = JSON.parse(await readFile(join(root, 'packages.json'), 'utf8')) as NpmPackage[];
  return packages.map((found) => ({ ...found, file: join(root, found.file) }));
}

async function fetchInto(cacheDir: string, root: string, requirement: string): Promise<void> {
  const work = await mkdtemp(join(cacheDir, 'fetching-'));
  try {
    const npm = (args: readonly string[]) => runProgram('npm', args, { cwd: work, timeoutMs: npmTimeoutMs });
    await writeFile(join(work, 'package.json'), '{"name":"fetch","private":true}');
    await npm(['install', '--ignore-scripts', '--no-audit', '--no-fund', requirement]);
    const { packages: locked } = JSON.parse(await readFile(join(work, 'package-lock.json'), 'utf8')) as {
      packages: Record<string, { version: string }>;
    };
    const folders = Object.keys(locked).filter((path) => path !== '');
    const names = folders.map((path) => `${path.split('node_modules/').at(-1)}@${locked[path]?.version}`);
    const packed = JSON.parse(await npm(['pack', '--ignore-scripts', '--json', ...names])) as {
      name: string;
      version: string;
      integrity: string;
      shasum: string;
      filename: string;
    }[];
    const packages: NpmPackage[] = [];
    for (const [index, { name, version, integrity, shasum, filename }] of packed.entries()) {
      const manifest = JSON.parse(await readFile(join(work, folders[index] ?? '', 'package.json'), 'utf8'));
      if (manifest.name !== name || manifest.version !== version) throw new Error(`npm packed ${name} out of order`);
      // npm spells the file of a scoped package in two ways, by its version.
      const file = filename.replace(/^@/, '').replaceAll('/', '-');
      packages.push({ name, version, integrity, shasum, manifest, file });
    }
    await writeFile(join(work, 'packages.json'), JSON.stringify(packages));
    for (const name of ['node_modules', 'package-lock.json']) await rm(join(work, name), { recursive: true });
    await rename(work, root);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}
