/** The command line as users of other machines get it: packed, and installed globally into a prefix of its own. */
import { execFile } from 'node:child_process';
import { mkdirSync, readdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { checkoutPath } from '../../../scripts/process/checkout.ts';

const exec = promisify(execFile);
const longMs = 180_000;

/** Makes the tarball in `folder`; its path. */
export async function packCli(folder: string): Promise<string> {
  await exec(process.execPath, [checkoutPath('scripts', 'pack-cli.ts'), folder], { timeout: longMs });
  const [file = ''] = readdirSync(folder).filter((name) => name.endsWith('.tgz'));
  return join(folder, file);
}

/** `npm install -g` of a tarball; the path of its program. Reaches no registry: there is nothing to fetch. */
export async function installGlobally(tarball: string, prefix: string): Promise<string> {
  mkdirSync(prefix, { recursive: true });
  const quiet = ['--offline', '--no-audit', '--no-fund'];
  await exec('npm', ['install', '--global', '--prefix', prefix, ...quiet, tarball], { timeout: longMs });
  return join(prefix, 'bin', 'avtomatika-bot');
}

/** A folder for PATH in which `node` is this one. */
export function pathWithNode(node: string, folder: string): string {
  mkdirSync(folder, { recursive: true });
  symlinkSync(node, join(folder, 'node'));
  return `${folder}:/usr/bin:/bin`;
}

/**
 * The program of a Node.js of this major version: this process's own, else the one in PATH, else from npm, into `folder`.
 * Undefined where that does not reach an index.
 */
export async function findNode(major: number, folder: string): Promise<string | undefined> {
  for (const node of [process.execPath, '/usr/bin/node', '/usr/local/bin/node']) {
    if ((await majorOf(node)) === major) return node;
  }
  const name = `node-${process.platform}-${process.arch}`;
  try {
    const quiet = ['--ignore-scripts', '--no-audit', '--no-fund', '--no-save'];
    await exec('npm', ['install', '--prefix', folder, ...quiet, `${name}@${major}`], { timeout: longMs });
  } catch {
    // No index, or one without it: the caller says what was left out.
    return undefined;
  }
  const node = join(folder, 'node_modules', name, 'bin', 'node');
  return (await majorOf(node)) === major ? node : undefined;
}

async function majorOf(node: string): Promise<number | undefined> {
  try {
    const { stdout } = await exec(node, ['-p', 'process.versions.node'], { timeout: longMs });
    return Number.parseInt(stdout, 10);
  } catch {
    // There is none.
    return undefined;
  }
}
