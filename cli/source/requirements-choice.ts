/** Which packages a bot asks for: from -r, else from a requirements.txt or package.json among its files. */
import { stat } from 'node:fs/promises';
import { posix, resolve } from 'node:path';
import { unwrap } from '#common/problem.ts';
import { readTextFile } from '../read-text.ts';
import { looksLikeFile, readRequirementsFile, splitRequirements } from '../requirements.ts';
import type { RunOptions } from './choice.ts';
import type { SourceFile } from './collect.ts';
import { fileFault, isAbsent } from './file-fault.ts';
import { textFileMaxBytes } from './file-limits.ts';
import { isRunBy } from './language.ts';
import { readPackageJson } from './package-json.ts';
import type { SourceContext } from './source.ts';

export interface Requirements {
  readonly list: readonly string[];
  /** Whether -r or a file says so, even if it names none. */
  readonly isGiven: boolean;
  /** The file that was used without being asked for. */
  readonly from: string | undefined;
}

type Context = Pick<SourceContext, 'cwd' | 'signal'>;

/** `requirements` holds the values of -r, each a file or a comma list; undefined without -r. Throws with the cure. */
export async function chooseRequirements(
  { requirements: asked, runtime }: Pick<RunOptions, 'requirements' | 'runtime'>,
  files: readonly SourceFile[],
  entrypoint: string,
  { cwd, signal }: Context,
): Promise<Requirements> {
  if (asked !== undefined) {
    const lists = await Promise.all(asked.map((value) => readAsked(value, { cwd, signal })));
    return { list: lists.flat(), isGiven: true, from: undefined };
  }
  // Packages of pip are of no use to a bot that runs on Node.js, and the other way round.
  const isPython = runtime === undefined ? isRunBy(entrypoint, 'python') : runtime === 'python';
  const own = files.find(({ path }) => path === (isPython ? 'requirements.txt' : 'package.json'));
  if (own === undefined) return { list: [], isGiven: false, from: undefined };
  return { list: await readList(own.diskPath, own.path, signal), isGiven: true, from: own.path };
}

async function readAsked(value: string, { cwd, signal }: Context): Promise<readonly string[]> {
  const diskPath = resolve(cwd, value);
  const facts = await stat(diskPath).catch((error: unknown) => {
    if (isAbsent(error) && !looksLikeFile(value)) return undefined;
    throw fileFault(value, error);
  });
  // A folder may well be called like a package.
  if (facts === undefined || (facts.isDirectory() && !looksLikeFile(value))) return unwrap(splitRequirements(value));
  return readList(diskPath, value, signal);
}

async function readList(diskPath: string, name: string, signal: AbortSignal): Promise<readonly string[]> {
  const content = await readTextFile(diskPath, name, textFileMaxBytes, signal);
  const isPackageJson = posix.basename(name) === 'package.json';
  return unwrap(isPackageJson ? readPackageJson(content, name) : readRequirementsFile(content, name));
}
