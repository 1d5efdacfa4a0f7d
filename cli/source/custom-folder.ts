/** `--custom DIR`: a folder with a Dockerfile, packed as a gzipped tar. */
import type { Stats } from 'node:fs';
import { lstat } from 'node:fs/promises';
import { join } from 'node:path';
import { unwrap } from '#common/problem.ts';
import { complain } from '../errors.ts';
import { exitCodes } from '../exit-codes.ts';
import { readTextFile } from '../read-text.ts';
import { collectContext } from './build-context.ts';
import { sizeOf } from './file-bounds.ts';
import { fileFault, isAbsent } from './file-fault.ts';
import { textFileMaxBytes } from './file-limits.ts';
import { filesText, namesText } from './files-text.ts';
import { type IgnorePattern, parseDockerignore } from './ignore/dockerignore.ts';
import { packEntries } from './pack.ts';
import type { ReadySource, SourceContext } from './source.ts';

/** `name` as the user wrote it. Throws CliError or ProblemError with the cure. */
export async function prepareFolder(
  name: string,
  diskPath: string,
  { signal }: Pick<SourceContext, 'signal'>,
): Promise<ReadySource> {
  await checkDockerfile(name, diskPath);
  const patterns = await readIgnore(name, diskPath, signal);
  const { entries, leftOut, byDefault } = await collectContext(diskPath, patterns, signal);
  const files = entries.filter(({ kind }) => kind !== 'folder');
  return {
    notes: [
      ...(byDefault.length === 0
        ? []
        : [`Left out by default: ${namesText(byDefault)}. A "!" line with its name in .dockerignore keeps it`]),
      ...(leftOut.length === 0
        ? []
        : [`Left out, because they are links out of the folder or no plain files: ${namesText(leftOut)}`]),
    ],
    upload: {
      what: `${filesText(files.length, sizeOf(entries))} of ${name} as a gzipped tar`,
      paths: files.map(({ path }) => path),
      read: (uploadSignal) => packEntries(entries, { gzip: true }, uploadSignal),
    },
    spec: (artifactSha256) => ({ case: 'custom', value: { from: { case: 'artifactSha256', value: artifactSha256 } } }),
  };
}

async function checkDockerfile(name: string, diskPath: string): Promise<void> {
  const shown = join(name, 'Dockerfile');
  const facts = await factsOf(join(diskPath, 'Dockerfile'), shown);
  if (facts?.isFile()) return;
  throw complain(
    exitCodes.failed,
    'INVALID_ARCHIVE',
    `${shown} ${facts === undefined ? 'is missing' : 'is no plain file'}.`,
    'Put one there, or use --simple if the files need none.',
  );
}

async function readIgnore(name: string, diskPath: string, signal: AbortSignal): Promise<readonly IgnorePattern[]> {
  const path = join(diskPath, '.dockerignore');
  const shown = join(name, '.dockerignore');
  const facts = await factsOf(path, shown);
  return facts === undefined
    ? []
    : unwrap(parseDockerignore(await readTextFile(path, shown, textFileMaxBytes, signal), shown));
}

/** Of the thing itself, not of what a link leads to; undefined if there is none. */
const factsOf = (path: string, shown: string): Promise<Stats | undefined> =>
  lstat(path).catch((error: unknown) => {
    if (isAbsent(error)) return undefined;
    throw fileFault(shown, error);
  });
