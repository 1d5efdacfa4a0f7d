/**
 * package-lock.json as a value: what is missing from it, and the lock with that filled in. Pure.
 *
 * npm leaves optional packages out of the lock when the registry it used does not offer them (those of other systems, on
 * a mirror), and `npm ci` then refuses the lock elsewhere. Version 3 of the format:
 * https://docs.npmjs.com/cli/configuring-npm/package-lock-json
 */

export interface LockEntry {
  readonly version?: string;
  readonly resolved?: string;
  readonly integrity?: string;
  readonly cpu?: readonly string[];
  readonly dev?: boolean;
  readonly libc?: readonly string[];
  readonly optional?: boolean;
  readonly os?: readonly string[];
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

export interface LockFile {
  readonly lockfileVersion: number;
  /** By folder: '' is the project itself, 'node_modules/x' a package. */
  readonly packages: Readonly<Record<string, LockEntry>>;
}

export interface MissingPackage {
  readonly name: string;
  /** As its parent asks for it. */
  readonly range: string;
  /** The folder of the package that asks for it. */
  readonly parent: string;
}

/** Optional dependencies that no entry of the lock stands for. */
export function missingOptionals(lock: LockFile): MissingPackage[] {
  return Object.entries(lock.packages).flatMap(([parent, entry]) =>
    Object.entries(entry.optionalDependencies ?? {})
      .filter(([name]) => !foldersSeenFrom(parent).some((folder) => `${folder}node_modules/${name}` in lock.packages))
      .map(([name, range]) => ({ name, range, parent })),
  );
}

/**
 * The lock with an entry for each missing optional package, in npm's order of entries. Such an entry has a version and,
 * where the name shows them, the systems it is for; no integrity, which is unknown here and which npm then takes from
 * its registry. Throws for a range that does not name one version.
 */
export function completed<L extends LockFile>(lock: L): L {
  const packages: Record<string, LockEntry> = { ...lock.packages };
  for (const { name, range, parent } of missingOptionals(lock)) {
    const { cpu, libc, os } = systemsOf(name);
    // The keys in npm's order, so that its next install changes nothing.
    packages[`node_modules/${name}`] = {
      version: lowestVersion(name, range),
      ...(cpu === undefined ? {} : { cpu: [cpu] }),
      ...(lock.packages[parent]?.dev ? { dev: true } : {}),
      ...(libc === undefined ? {} : { libc: [libc] }),
      optional: true,
      ...(os === undefined ? {} : { os: [os] }),
    };
  }
  const inOrder = Object.entries(packages).sort(([a], [b]) => a.localeCompare(b, 'en'));
  return { ...lock, packages: Object.fromEntries(inOrder) };
}

/** What is wrong with the lock, in sentences; empty when `npm ci` can use it on every system. */
export function lockMistakes(lock: LockFile, manifest: LockEntry): string[] {
  const root = lock.packages[''];
  const kinds = ['dependencies', 'devDependencies', 'optionalDependencies'] as const;
  return [
    ...missingOptionals(lock).map(({ name, parent }) => `${name}, optional for ${parent}, has no entry`),
    ...kinds
      .filter((kind) => !sameRecord(manifest[kind] ?? {}, root?.[kind] ?? {}))
      .map((kind) => `${kind} are not those of package.json`),
    // Addresses in the lock would tie every user to the registry of its author.
    ...Object.entries(lock.packages)
      .filter(([, entry]) => entry.resolved?.includes('://'))
      .map(([folder]) => `${folder} names the address it came from (npm config: omit-lockfile-registry-resolved)`),
  ];
}

/** Where Node looks for packages from a folder: itself, then each folder above it, ending with the project ('' ). */
function foldersSeenFrom(folder: string): string[] {
  const outer = folder.lastIndexOf('node_modules/');
  if (folder === '') return [''];
  return [`${folder}/`, ...foldersSeenFrom(folder.slice(0, Math.max(0, outer)).replace(/\/$/, ''))];
}

/** An exact version, or the lower end of a ^, ~ or >= range: its authors tested with it, so it exists. */
function lowestVersion(name: string, range: string): string {
  const version = /^(?:\^|~|>=)?(\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?)$/.exec(range)?.[1];
  if (version === undefined) throw new Error(`${name}: the range "${range}" names no version; add its entry by hand`);
  return version;
}

const cpus: Readonly<Record<string, string>> = {
  aarch64: 'arm64',
  arm64: 'arm64',
  armv7: 'arm',
  ia32: 'ia32',
  x64: 'x64',
};
const systems = ['aix', 'android', 'darwin', 'freebsd', 'linux', 'netbsd', 'openbsd', 'sunos', 'win32'];

/**
 * What a name such as cli-linux-x64-musl says about where the package runs. Without this, npm would ask its registry
 * for every one of them on every system.
 */
function systemsOf(name: string): { cpu: string | undefined; libc: string | undefined; os: string | undefined } {
  const words = name.split(/[-/]/);
  return {
    cpu: words.map((word) => cpus[word]).find((found) => found !== undefined),
    libc: words.find((word) => word === 'musl'),
    os: words.find((word) => systems.includes(word)),
  };
}

function sameRecord(a: Readonly<Record<string, string>>, b: Readonly<Record<string, string>>): boolean {
  const names = new Set([...Object.keys(a), ...Object.keys(b)]);
  return [...names].every((name) => a[name] === b[name]);
}
