/** Compares what is installed with package-lock.json, and that with package.json. Reads three files; runs nothing. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Where npm notes what it installed: the "hidden lockfile"
 * (https://docs.npmjs.com/cli/configuring-npm/package-lock-json#hidden-lockfiles).
 * @param {string} root
 */
export const recordPath = (root) => join(root, 'node_modules', '.package-lock.json');

/**
 * Packages whose installed version is not the lock's. Optional ones may be absent: most are for other systems.
 * @param {string} root
 * @returns {string[]} for people; empty when all is in place
 */
export function differencesFromRecord(root) {
  const wanted = readJson(join(root, 'package-lock.json'))?.packages ?? {};
  const installed = readJson(recordPath(root))?.packages;
  if (installed === undefined) return ['node_modules is missing or incomplete'];
  const differences = [];
  for (const [path, entry] of Object.entries(wanted)) {
    const found = installed[path];
    if (path === '' || (found === undefined && entry.optional)) continue;
    if (found?.version !== entry.version)
      differences.push(`${path} ${found?.version ?? 'absent'}, not ${entry.version}`);
  }
  return differences;
}

/**
 * Direct dependencies that package.json and package-lock.json state differently.
 * @param {string} root
 * @returns {string[]}
 */
export function differencesFromManifest(root) {
  const manifest = readJson(join(root, 'package.json')) ?? {};
  const locked = readJson(join(root, 'package-lock.json'))?.packages?.[''] ?? {};
  return ['dependencies', 'devDependencies', 'optionalDependencies'].flatMap((kind) => {
    const [stated, kept] = [manifest[kind] ?? {}, locked[kind] ?? {}];
    return [...new Set([...Object.keys(stated), ...Object.keys(kept)])].filter((name) => stated[name] !== kept[name]);
  });
}

/** @param {string} path */
function readJson(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    // Absent, or cut off while it was written: the same as not there, and npm writes or names it.
    return undefined;
  }
}
