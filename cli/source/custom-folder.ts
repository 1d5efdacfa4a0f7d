/** `--custom DIR`: a folder with a Dockerfile, packed as a gzipped tar. */
import type { Stats } from 'node:fs';
import { lstat } from 'node:fs/promises';
import { join } from 'node:path';
import {
  dockerignoreMaxBytes,
  dockerignoreNames,
  parseDockerignore,
  withDockerfile,
} from '#common/ignore/dockerignore.ts';
import { unwrap } from '#common/problem.ts';
import { type CliError, complain } from '../failures/errors.ts';
import { exitCodes } from '../failures/exit-codes.ts';
import { fileFault, isFileMissing } from '../text/file-fault.ts';
import { filesText, namesText } from '../text/files-text.ts';
import { readTextFile } from '../text/read-text.ts';
import { collectContext } from './build-context.ts';
import { sizeOf } from './file-bounds.ts';
import { packEntries } from './pack.ts';
import type { ReadySource, SourceContext } from './source.ts';
import { refuseEmptySubmodule } from './submodules.ts';

/** `name` as the user wrote it. Throws CliError or ProblemError with the cure. */
export async function prepareFolder(
  name: string,
  diskPath: string,
  dockerfile: string,
  { signal }: Pick<SourceContext, 'signal'>,
): Promise<ReadySource> {
  await checkDockerfile(name, diskPath, dockerfile);
  const ignore = await readIgnore(name, diskPath, dockerfile, signal);
  const written = ignore === undefined ? [] : unwrap(parseDockerignore(ignore.content, join(name, ignore.file)));
  const patterns = withDockerfile(written, dockerfile);
  const { entries: found, leftOut, byDefault } = await collectContext(diskPath, patterns, signal);
  const emptyFolders = found.flatMap((entry) => (entry.kind === 'folder' ? [entry.path] : []));
  await refuseEmptySubmodule(name, diskPath, emptyFolders, signal);
  // The worker reads it too, and follows no link.
  const entries = found.map((entry) =>
    entry.kind === 'link' && entry.path === ignore?.file
      ? ({ kind: 'text', path: entry.path, content: ignore.content } as const)
      : entry,
  );
  const files = entries.filter(({ kind }) => kind !== 'folder');
  const doubtful = doubtfulIn(files.map(({ path }) => path));
  const skipped: string[] = [];
  const onUnreadable = (path: string, fault: CliError): void => {
    if (path === dockerfile) throw fault;
    skipped.push(path);
  };
  return {
    notes: [
      ...(byDefault.length === 0
        ? []
        : [`Left out by default: ${namesText(byDefault)}. A "!" line with its name in .dockerignore includes it`]),
      ...(doubtful.length === 0
        ? []
        : [`Sent to the build: ${namesText(doubtful)}. List in .dockerignore what the image does not need`]),
      ...(leftOut.length === 0
        ? []
        : [
            `Left out because of their name or permissions, or because they are special files or links out of the folder: ${namesText(leftOut)}`,
          ]),
    ],
    upload: {
      what: `${filesText(files.length, sizeOf(entries))} of ${name} as a gzipped tar`,
      paths: files.map(({ path }) => path),
      read: (uploadSignal) => packEntries(entries, { gzip: true, onUnreadable }, uploadSignal),
      skipped: () => skipped,
    },
    spec: (artifactSha256) => ({ case: 'custom', value: { from: { case: 'artifactSha256', value: artifactSha256 } } }),
  };
}

async function checkDockerfile(name: string, diskPath: string, dockerfile: string): Promise<void> {
  const shown = join(name, dockerfile);
  const facts = await factsOf(join(diskPath, dockerfile), shown);
  if (facts?.isFile()) return;
  throw complain(
    exitCodes.failed,
    'INVALID_ARCHIVE',
    `${shown} ${facts === undefined ? 'is missing' : 'is not a plain file'}.`,
    dockerfile === 'Dockerfile'
      ? 'Add one, or use --simple if the files need none.'
      : 'Give --dockerfile its path below the folder that --custom names.',
  );
}

/** What few images need: secrets, and what is created again anywhere. Of a folder only the folder. Sorted. */
function doubtfulIn(paths: readonly string[]): readonly string[] {
  const found = new Set<string>();
  const environments = paths.flatMap((path) =>
    path.endsWith('/pyvenv.cfg') ? [`${path.slice(0, -'pyvenv.cfg'.length)}`] : [],
  );
  for (const path of paths) {
    const environment = environments.find((folder) => path.startsWith(folder));
    if (environment !== undefined) {
      found.add(environment.slice(0, -1));
      continue;
    }
    const segments = path.split('/');
    const at = segments.findIndex((name) => /^(\.venv|venv|node_modules|__pycache__|.*\.env)$/.test(name));
    if (at >= 0) found.add(segments.slice(0, at + 1).join('/'));
  }
  return [...found].toSorted();
}

/** The file that Docker would read, and its text; undefined if there is none. */
async function readIgnore(
  name: string,
  diskPath: string,
  dockerfile: string,
  signal: AbortSignal,
): Promise<{ readonly file: string; readonly content: string } | undefined> {
  for (const file of dockerignoreNames(dockerfile)) {
    const path = join(diskPath, file);
    const shown = join(name, file);
    if ((await factsOf(path, shown)) === undefined) continue;
    return { file, content: await readTextFile(path, shown, dockerignoreMaxBytes, signal) };
  }
  return undefined;
}

/** Facts of the path itself, not of a link's target; undefined if there is nothing. */
const factsOf = (path: string, shown: string): Promise<Stats | undefined> =>
  lstat(path).catch((error: unknown) => {
    if (isFileMissing(error)) return undefined;
    throw fileFault(shown, error);
  });
