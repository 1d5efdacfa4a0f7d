/** Packages of another Debian suite than this machine's, each in a folder of its own. As debian-packages.ts, nothing is installed. */
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createPrivateApt, debianSources } from './debian-packages.ts';
import { withFileLock } from './file-lock.ts';
import { runProgram } from './run-program.ts';

const lockWaitMs = 300_000;
const unpackTimeoutMs = 60_000;
const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg';

/**
 * The packages named, without their dependencies: name to the folder it is unpacked into. Fast when the cache has them.
 * Throws when Debian's archive cannot be reached or lacks one.
 */
export async function suitePackages(
  cacheDir: string,
  suite: string,
  names: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const root = join(cacheDir, `suite-${suite}`);
  const wanted = names.toSorted().join('\n');
  const isComplete = async () => {
    const list = join(root, 'packages.txt');
    return existsSync(list) && (await readFile(list, 'utf8')) === wanted;
  };
  if (!(await isComplete())) {
    await mkdir(cacheDir, { recursive: true });
    await withFileLock(join(cacheDir, 'suite.lock'), lockWaitMs, async () => {
      if (!(await isComplete())) await fillCache(cacheDir, root, suite, names, wanted);
    });
  }
  return new Map(names.map((name) => [name, join(root, name)]));
}

async function fillCache(
  cacheDir: string,
  root: string,
  suite: string,
  names: readonly string[],
  wanted: string,
): Promise<void> {
  const work = await mkdtemp(join(cacheDir, 'filling-'));
  try {
    const sources = join(work, 'suite.sources');
    await writeFile(
      sources,
      `Types: deb\nURIs: ${await archiveUrl()}\nSuites: ${suite}\nComponents: main\nSigned-By: ${keyring}\n`,
    );
    // What is installed here is of no interest to another suite.
    const apt = await createPrivateApt(work, sources, 'Dir::State::status "/dev/null";\n');
    await apt(['-qq', 'update'], work);
    await mkdir(join(work, 'debs'));
    await apt(['-qq', 'download', ...names], join(work, 'debs'));
    for (const file of await readdir(join(work, 'debs'))) {
      // python3-httpx_0.28.1-1_all.deb
      const target = join(work, 'tree', file.split('_')[0] ?? file);
      await mkdir(target, { recursive: true });
      await runProgram('dpkg-deb', ['--extract', join(work, 'debs', file), target], { timeoutMs: unpackTimeoutMs });
    }
    // Written last: only a whole tree has it.
    await writeFile(join(work, 'tree', 'packages.txt'), wanted);
    await rm(root, { recursive: true, force: true });
    await rename(join(work, 'tree'), root);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** The archive that this machine's own suite comes from has all the others too. */
async function archiveUrl(): Promise<string> {
  const text = await readFile(debianSources(), 'utf8');
  const url = /^URIs:\s*(\S+)/m.exec(text)?.[1] ?? /^deb\s+(?:\[[^\]]*\]\s+)?(\S+)/m.exec(text)?.[1];
  if (url === undefined) throw new Error("this machine's sources for apt name no archive of Debian");
  return url;
}
