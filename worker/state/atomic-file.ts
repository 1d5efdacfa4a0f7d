/** Files that are whole or absent, also after a crash of the program: written beside their place, then renamed. */
import { randomBytes } from 'node:crypto';
import { readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Replaces the file. Only this user can read it. On failure the old content stays. */
export async function writeFileAtomic(path: string, content: string | Uint8Array): Promise<void> {
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    await writeFile(temporary, content, { mode: 0o600, flag: 'wx' });
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

const temporaryName = /\.[0-9a-f]{12}\.tmp$/;

/** Removes what writeFileAtomic of a process that was killed left in a folder. Nobody may be writing there. */
export async function removeTemporaryFiles(dir: string): Promise<void> {
  for (const name of await readdir(dir)) {
    if (temporaryName.test(name)) await rm(join(dir, name), { force: true });
  }
}

/** The file's bytes, or undefined if it does not exist. */
export async function readFileIfAny(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    // If a folder is in its place, Node.js names no path.
    throw error instanceof Error ? Object.assign(error, { path }) : error;
  }
}

export const isErrno = (error: unknown, ...codes: readonly string[]): boolean =>
  error instanceof Error && 'code' in error && codes.includes(String(error.code));

/** Whether a write has found no room on the disk, or in its quota. */
export const isNoRoom = (error: unknown): boolean => isErrno(error, 'ENOSPC', 'EDQUOT');

/**
 * The object in a JSON file that this program wrote, `T`; undefined when there is none, or a failing disk or an outside hand has
 * damaged it: one file must not hide the bots of all others.
 */
export async function readJsonIfAny<T extends object>(path: string): Promise<T | undefined> {
  const text = (await readFileIfAny(path))?.toString();
  if (text === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as T) : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
