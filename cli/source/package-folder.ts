/**
 * A folder that is a Python package itself: it is sent under its own name, and run as `python -m NAME` from the folder around it,
 * as its author does. Without that its relative imports fail.
 */
import { basename, resolve } from 'node:path';
import type { RunOptions } from './choice.ts';
import type { Source } from './collect.ts';
import { usualNames } from './entrypoint.ts';
import { isRunBy } from './language.ts';
import { rootFileText } from './run-choice.ts';

export interface Rooted {
  readonly source: Source;
  /** The folder that the user named, in the bot's folder: empty, or its name with "/". */
  readonly folder: string;
}

export async function asPackage(
  source: Source,
  names: readonly string[],
  { entrypoint, command, runtime }: Pick<RunOptions, 'entrypoint' | 'command' | 'runtime'>,
  cwd: string,
  signal: AbortSignal,
): Promise<Rooted> {
  const asItIs = { source, folder: '' };
  const isAsked = entrypoint !== undefined || command !== undefined || runtime === 'node';
  if (!source.wholeFolder || isAsked) return asItIs;
  const paths = new Set(source.files.map(({ path }) => path));
  const name = basename(resolve(cwd, names[0] ?? ''));
  if (!paths.has('__main__.py') || !/^[A-Za-z_][\w-]*$/.test(name)) return asItIs;
  if (paths.has('Procfile') || usualNames.some((usual) => paths.has(usual) && isRunBy(usual, 'python'))) return asItIs;
  const main = (await rootFileText(source.files, '__main__.py', signal)) ?? '';
  const isRelative = main.split('\n').some((line) => /^\s*from\s+\./.test(line));
  if (!paths.has('__init__.py') && !isRelative) return asItIs;
  const under = <T extends { readonly path: string }>(each: T): T => ({ ...each, path: `${name}/${each.path}` });
  return {
    source: { ...source, files: source.files.map(under), leftOut: source.leftOut.map(under) },
    folder: `${name}/`,
  };
}
