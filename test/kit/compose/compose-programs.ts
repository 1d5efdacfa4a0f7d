/**
 * docker-compose of both kinds, unpacked beside the system: 1.29, which is Python, from this machine's Debian if that still
 * has it, and v2, one Go program, from Debian 13. Neither is installed.
 */
import { join } from 'node:path';
import { debianPackages, type PackageTree } from '../private-engine/debian-packages.ts';
import { suitePackages } from '../private-engine/debian-suite.ts';
import { defaultCacheDir } from '../private-engine/private-engine.ts';
import { runProgram } from '../private-engine/run-program.ts';

export interface ComposeProgram {
  /** As it says itself, such as 1.29.2 or 2.26.1-4. */
  readonly version: string;
  /** The first lines of a shell script that ends with `exec` of the program. */
  readonly script: string;
}

/** A program, or one line that says why it is unavailable. */
export type ComposeOrNot = ComposeProgram | { readonly skip: string };

// A folder of its own: a cache holds one set of packages.
const cacheDir = join(defaultCacheDir, 'compose');

/** docker compose v2. */
export function composeV2(): Promise<ComposeOrNot> {
  return orSkip('docker compose v2', async () => {
    const packages = await suitePackages(cacheDir, 'trixie', ['docker-compose']);
    const program = join(packages.get('docker-compose') ?? '', 'usr/libexec/docker/cli-plugins/docker-compose');
    // One build after the other, so that the second finds what they share.
    return { version: await versionOf(program), script: `export COMPOSE_PARALLEL_LIMIT=1\nexec ${program} "$@"\n` };
  });
}

/** docker-compose 1.29, which Debian 12 is the last to have. */
export function composeV1(): Promise<ComposeOrNot> {
  return orSkip('docker-compose 1.29', async () => {
    const tree = await composePackages();
    const program = tree.find('/usr/bin/docker-compose');
    const python = tree.find('/usr/bin/python3');
    if (!program || !python) throw new Error('it is not in the package');
    const modules = join(tree.root, 'usr/lib/python3/dist-packages');
    const version = await versionOf(python, [program], { PYTHONPATH: modules });
    return { version, script: `export PYTHONPATH=${modules}\nexec ${python} ${program} "$@"\n` };
  });
}

/** docker-compose, nats-server and nft as this machine's Debian has them: one download for all. */
export const composePackages = (): Promise<PackageTree> =>
  debianPackages(cacheDir, ['docker-compose', 'python3-distro', 'nats-server', 'nftables']);

async function versionOf(program: string, args: readonly string[] = [], env = {}): Promise<string> {
  const said = await runProgram(program, [...args, 'version', '--short'], { env: { PATH: '/usr/bin:/bin', ...env } });
  return said.trim();
}

async function orSkip(name: string, find: () => Promise<ComposeProgram>): Promise<ComposeOrNot> {
  try {
    return await find();
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return { skip: `${name} cannot be had: ${why.replace(/\s*\n\s*/g, ' | ')}` };
  }
}
