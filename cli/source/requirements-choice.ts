/** Which packages a start asks for: from -r, else from a requirements.txt among the bot's files. */
import { readFile, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { unwrap } from '#common/problem.ts';
import { complain } from '../errors.ts';
import { exitCodes } from '../exit-codes.ts';
import { looksLikeFile, readRequirementsFile, splitRequirements } from '../requirements.ts';
import type { Source } from './collect.ts';
import { fileFault, isAbsent } from './file-fault.ts';

export interface Requirements {
  readonly list: readonly string[];
  /** The file that was used without being asked for. */
  readonly from: string | undefined;
}

/** At most 200 packages are taken; a longer file than this is something else. */
const fileMaxBytes = 1024 * 1024;

/** `asked` holds the values of -r, each a file or a comma list; undefined without -r. Throws with the cure. */
export async function chooseRequirements(
  asked: readonly string[] | undefined,
  source: Source,
  entrypoint: string,
  cwd: string,
): Promise<Requirements> {
  if (asked !== undefined) {
    const lists = await Promise.all(asked.map((value) => readAsked(value, cwd)));
    return { list: lists.flat(), from: undefined };
  }
  // Packages of pip are of no use to a bot that runs on Node.js.
  const own = entrypoint.endsWith('.py') ? source.files.find(({ path }) => path === 'requirements.txt') : undefined;
  if (own === undefined) return { list: [], from: undefined };
  return { list: await readList(own.diskPath, own.path), from: own.path };
}

async function readAsked(value: string, cwd: string): Promise<readonly string[]> {
  const diskPath = resolve(cwd, value);
  const facts = await stat(diskPath).catch((error: unknown) => {
    if (isAbsent(error) && !looksLikeFile(value)) return undefined;
    throw fileFault(value, error);
  });
  // A folder may well be called like a package.
  if (facts === undefined || (facts.isDirectory() && !looksLikeFile(value))) return unwrap(splitRequirements(value));
  return readList(diskPath, value);
}

async function readList(diskPath: string, name: string): Promise<readonly string[]> {
  const facts = await stat(diskPath).catch((error: unknown) => Promise.reject(fileFault(name, error)));
  if (!facts.isFile() || facts.size > fileMaxBytes) {
    throw complain(
      exitCodes.failed,
      'UNREADABLE_FILE',
      `${name} is not a requirements file.`,
      'Name a text file, or packages.',
    );
  }
  const content = await readFile(diskPath, 'utf8').catch((error: unknown) => Promise.reject(fileFault(name, error)));
  return unwrap(readRequirementsFile(content, name));
}
