/**
 * Debian packages without installing any: apt downloads what this machine lacks into a private cache, dpkg-deb unpacks it
 * into a folder beside the system. apt runs on private lists and caches and with the system's own sources and proxy
 * settings; its hooks are switched off. Nothing outside the cache folder changes.
 */
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { arch } from 'node:os';
import { join } from 'node:path';
import { withFileLock } from './file-lock.ts';
import { runProgram } from './run-program.ts';

/** Packages unpacked beside the system. */
export class PackageTree {
  readonly root: string;
  /** All that files are taken from, the first first; then comes this machine. */
  readonly folders: readonly string[];
  /** What is in the folders `before` is taken from there. */
  constructor(root: string, before: readonly string[] = []) {
    this.root = root;
    this.folders = [...before, root];
  }

  /** Where a system path really is: in the tree, else on this machine; undefined when in neither. */
  find(path: string): string | undefined {
    // On a machine /bin and /lib are links into /usr; in packages a file has one name or the other, by Debian's version.
    const twin = path.startsWith('/usr/') ? path.slice('/usr'.length) : `/usr${path}`;
    const candidates = [...this.folders.flatMap((root) => [join(root, path), join(root, twin)]), path];
    return candidates.find((candidate) => existsSync(candidate));
  }

  /** Folders for PATH, the tree's before the machine's. */
  programPath(): string {
    const folders = ['usr/local/bin', 'usr/sbin', 'usr/bin', 'sbin', 'bin'];
    const own = this.folders.flatMap((root) => folders.map((folder) => join(root, folder)));
    return [...own, '/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'].join(':');
  }

  /** Folders with shared libraries, such as usr/lib/x86_64-linux-gnu. */
  async libraryFolders(): Promise<string[]> {
    const folders: string[] = [];
    for (const base of ['usr/lib', 'lib'].map((folder) => join(this.root, folder))) {
      if (!existsSync(base)) continue;
      for (const name of await readdir(base)) if (name.includes('-linux-')) folders.push(join(base, name));
    }
    return folders;
  }
}

const lockWaitMs = 300_000;
const downloadTimeoutMs = 240_000;

/**
 * The packages given, with whatever of their dependencies the machine lacks. Fast when the cache has them. One run at a
 * time fills a cache. Throws when Debian's archive cannot be reached or lacks one.
 */
export async function debianPackages(cacheDir: string, names: readonly string[]): Promise<PackageTree> {
  const suite = /^VERSION_CODENAME=(\w+)$/m.exec(await readFile('/etc/os-release', 'utf8'))?.[1] ?? 'unknown';
  const root = join(cacheDir, `packages-${suite}-${arch()}`);
  const wanted = [...names].sort().join('\n');
  const isComplete = async () => {
    try {
      return (await readFile(join(root, 'packages.txt'), 'utf8')) === wanted;
    } catch {
      return false; // not there yet
    }
  };
  if (!(await isComplete())) {
    await mkdir(cacheDir, { recursive: true });
    await withFileLock(join(cacheDir, 'packages.lock'), lockWaitMs, async () => {
      if (!(await isComplete())) await fillCache(cacheDir, root, names, wanted);
    });
  }
  return new PackageTree(root);
}

async function fillCache(cacheDir: string, root: string, names: readonly string[], wanted: string): Promise<void> {
  const work = await mkdtemp(join(cacheDir, 'filling-'));
  try {
    const apt = await createPrivateApt(work);
    await apt(['-qq', 'update'], work);
    const missing = missingPackages(await apt(['--simulate', '--no-install-recommends', 'install', ...names], work));
    await mkdir(join(work, 'debs'));
    if (missing.length > 0) await apt(['-qq', 'download', ...missing], join(work, 'debs'));
    const tree = join(work, 'tree');
    await mkdir(join(tree, 'usr/local/bin'), { recursive: true });
    for (const file of await readdir(join(work, 'debs'))) {
      await runProgram('dpkg-deb', ['--extract', join(work, 'debs', file), tree], { timeoutMs: downloadTimeoutMs });
    }
    // Written last: only a whole tree has it.
    await writeFile(join(tree, 'packages.txt'), wanted);
    await rm(root, { recursive: true, force: true });
    await rename(tree, root);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** Names in apt's "Inst" lines: `Inst runc (1.1.5+ds1-1 Debian:12 [amd64])`. */
function missingPackages(simulation: string): string[] {
  return [...simulation.matchAll(/^Inst (\S+)/gm)].map(([, name = '']) => name);
}

export type Apt = (args: readonly string[], cwd: string) => Promise<string>;

/** Where this machine's apt gets Debian from. */
export function debianSources(): string {
  const sources = ['/etc/apt/sources.list.d/debian.sources', '/etc/apt/sources.list'].find((path) => existsSync(path));
  if (!sources) throw new Error('this machine has no Debian sources for apt');
  return sources;
}

/** apt-get with every folder it writes to inside `work`. `more` are lines of apt.conf. */
export async function createPrivateApt(work: string, sources = debianSources(), more = ''): Promise<Apt> {
  for (const folder of ['lists/partial', 'cache/archives/partial', 'log']) {
    await mkdir(join(work, 'apt', folder), { recursive: true });
  }
  const settings = join(work, 'apt', 'apt.conf');
  // Given by -c it is read after the system's settings, so it can clear hooks that touch the system. Other sources than
  // Debian's are left out: they are slow, may be unreachable, and have nothing we need.
  await writeFile(
    settings,
    `#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
Dir::Etc::sourcelist "${sources}";
Dir::Etc::sourceparts "/dev/null";
Dir::State::lists "${work}/apt/lists";
Dir::Cache "${work}/apt/cache";
Dir::Log "${work}/apt/log";
APT::Sandbox::User "root";
Acquire::Languages "none";
Acquire::Retries "2";
Acquire::http::Timeout "20";
${more}`,
  );
  return (args, cwd) =>
    runProgram('apt-get', ['-c', settings, ...args], {
      timeoutMs: downloadTimeoutMs,
      cwd,
      env: { ...process.env, LC_ALL: 'C', DEBIAN_FRONTEND: 'noninteractive' },
    });
}
