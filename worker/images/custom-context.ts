/**
 * The tar that the engine builds an image from where the user brings the Dockerfile: the user's archive, read whole and
 * checked first, then packed again as a stream. Nothing is unpacked to disk. Owners and times are fixed, modes say
 * "executable" or not, and only the Dockerfile at the root counts. What the .dockerignore leaves out is left out here for all
 * sources alike: an engine that is given a tar does not do it.
 */
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type Pack, pack } from 'tar-stream';
import { nextTurn } from '#common/background.ts';
import { gitmodules, gitmodulesMaxBytes, submodulePaths } from '#common/gitmodules.ts';
import {
  dockerignoreMaxBytes,
  dockerignoreNames,
  type IgnorePattern,
  parseDockerignore,
  withDockerfile,
} from '#common/ignore/dockerignore.ts';
import { createEffort } from '#common/ignore/judge.ts';
import { createPathFilter, type PathFilter } from '#common/ignore/path-filter.ts';
import { isLfsPointer } from '#common/lfs-pointer.ts';
import { unwrap as orThrow, refuse } from '#common/problem.ts';
import { type ContextEntry, defaultTarLimits, type OnLeftOut, readContextTar } from '#common/safe-tar.ts';
import type { SourceTar } from '../state/source-tar.ts';
import type { BuildContext } from './build-context.ts';
import { giveUpOnFailure } from './code-archive.ts';
import { prepareDockerfile } from './users-dockerfile/prepare.ts';
import type { DockerfileTerms, PreparedDockerfile } from './users-dockerfile/terms.ts';

export interface CustomContextSource {
  readonly contextTar: SourceTar;
  /** Look through a single folder around everything if there is no Dockerfile beside it. */
  readonly unwrap?: boolean | undefined;
  /** Path of the Dockerfile; Dockerfile unless given. */
  readonly dockerfile?: string | undefined;
  /** What the builder builds on and for, and with what. */
  readonly terms: DockerfileTerms;
}

export interface CustomContext extends BuildContext {
  /** The images that the Dockerfile names. */
  readonly images: Omit<PreparedDockerfile, 'text'>;
  /** What is left out of the source, each with its reason, for people. */
  readonly leftOut: readonly string[];
}

const usualDockerfile = 'Dockerfile';
const dockerfileMaxBytes = 1024 * 1024;
// As in build-context.ts: the same source gives the same tar, and thus the engine's cached layers.
const modified = new Date('2000-01-01T00:00:00Z');

/** Refuses with INVALID_ARCHIVE and ARCHIVE_TOO_LARGE as readContextTar does, and when there is no fitting Dockerfile. */
export async function createCustomContext(source: CustomContextSource): Promise<CustomContext> {
  // Read twice: mistakes show before the engine begins, and where the root is can only be known at the end.
  const leftOut: string[] = [];
  const { root, prepared, patterns } = await findRoot(source, (name, why) => leftOut.push(`${name} ${why}`));
  const tar = pack();
  const done = giveUpOnFailure(tar, addEntries(tar, source, root, prepared.text, patterns));
  return { stream: Readable.from(tar, { objectMode: false }), done, images: prepared, leftOut };
}

interface Root {
  /** The folder to look through with a trailing slash, or ''. */
  readonly root: string;
  readonly prepared: PreparedDockerfile;
  readonly patterns: readonly IgnorePattern[];
}

/** Files whose text counts, by their paths below the root. */
const steeringOf = (dockerfile: string): ReadonlyMap<string, number> =>
  new Map([
    ...dockerignoreNames(dockerfile).map((name) => [name, dockerignoreMaxBytes] as const),
    [gitmodules, gitmodulesMaxBytes],
    [dockerfile, dockerfileMaxBytes],
  ]);

/** Reads the whole archive, and so checks it. */
async function findRoot(
  { contextTar, unwrap = false, dockerfile = usualDockerfile, terms }: CustomContextSource,
  onLeftOut: OnLeftOut,
): Promise<Root> {
  const seen = new Map<string, Seen>();
  const tops = new Set<string>();
  const steering = steeringOf(dockerfile);
  const contents: Contents = { pointers: [], filled: new Set(), nearest: undefined };
  let leavesTop = false;
  for await (const entry of readContextTar(contextTar.open(), defaultTarLimits, onLeftOut)) {
    const [top = '', ...below] = entry.name.split('/');
    tops.add(top);
    if (entry.kind === 'link') leavesTop ||= countUps(entry.target) >= below.length;
    const maxBytes = steering.get(entry.name) ?? steering.get(below.join('/'));
    if (maxBytes !== undefined || below.length === 0) seen.set(entry.name, await seenEntry(entry, maxBytes ?? 0));
    if (maxBytes === undefined && entry.kind === 'file' && (await isLfsPointer(entry)))
      contents.pointers.push(entry.name);
    if (entry.kind !== 'folder') addFolders(contents.filled, entry.name);
    if (entry.kind === 'file' && entry.name.endsWith(`/${usualDockerfile}`)) {
      const depth = countSlashes(entry.name);
      if (contents.nearest === undefined || depth < countSlashes(contents.nearest)) contents.nearest = entry.name;
    }
  }
  if (seen.has(dockerfile)) return readRoot(seen, contents, '', dockerfile, terms);
  const [only = ''] = tops;
  const wrapped = unwrap && tops.size === 1 && seen.get(only)?.kind !== 'file';
  if (wrapped && leavesTop) {
    refuse('INVALID_ARCHIVE', 'The archive contains a link that leads out of it, or nowhere.', {
      hint: 'Only relative links to files in the same archive are allowed; otherwise include the files themselves.',
    });
  }
  return readRoot(wrapped ? seen : new Map(), contents, `${only}/`, dockerfile, terms);
}

/** What the source has, wherever its root is. */
interface Contents {
  /** Git LFS pointers. */
  readonly pointers: string[];
  /** The folders with a file in them, at whatever depth. */
  readonly filled: Set<string>;
  /** The Dockerfile below the fewest folders, the first of several; undefined when there is none below the root. */
  nearest: string | undefined;
}

function addFolders(filled: Set<string>, name: string): void {
  for (let end = name.lastIndexOf('/'); end > 0; end = name.lastIndexOf('/', end - 1)) {
    const folder = name.slice(0, end);
    if (filled.has(folder)) return;
    filled.add(folder);
  }
}

async function readRoot(
  seen: ReadonlyMap<string, Seen>,
  { pointers, filled, nearest }: Contents,
  root: string,
  dockerfile: string,
  terms: DockerfileTerms,
): Promise<Root> {
  const prepared = readDockerfile(seen.get(`${root}${dockerfile}`), dockerfile, terms, nearest);
  const name = dockerignoreNames(dockerfile).find((each) => seen.has(`${root}${each}`));
  const written = name === undefined ? [] : readIgnore(name, seen.get(`${root}${name}`));
  const patterns = withDockerfile(written, dockerfile);
  const isKept = filterOf(patterns);
  for (const path of pointers) if (await isKept(path.slice(root.length))) refusePointer(path.slice(root.length));
  const modules = seen.get(`${root}${gitmodules}`)?.bytes;
  for (const path of modules === undefined ? [] : submodulePaths(Buffer.from(modules).toString())) {
    if (!filled.has(`${root}${path}`) && (await isKept(path))) refuseSubmodule(path);
  }
  return { root, prepared, patterns };
}

const filterOf = (patterns: readonly IgnorePattern[]): PathFilter => createPathFilter(patterns, createEffort(nextTurn));

/** Built, it would be a bot that starts and then fails at the first use of the file. */
function refusePointer(path: string): never {
  return refuse('INVALID_ARCHIVE', `${JSON.stringify(path)} is a Git LFS pointer, not the file itself.`, {
    details: { field: 'archive', rule: 'lfs_pointer', path },
    hint: 'Fetch it with "git lfs pull" and send the folder (--custom DIR); list in .dockerignore what the image does not need.',
  });
}

/** An archive made from a clone whose submodules were not fetched, as forges make them too. */
function refuseSubmodule(path: string): never {
  return refuse('INVALID_ARCHIVE', `${JSON.stringify(path)} is a submodule, and the archive has no file of it.`, {
    details: { field: 'archive', rule: 'submodule', path },
    hint: 'Clone it with --recurse-submodules and send the folder (--custom DIR); list in .dockerignore what the image does not need.',
  });
}

function readIgnore(name: string, seen: Seen | undefined): readonly IgnorePattern[] {
  if (seen?.kind === 'file' && seen.bytes !== undefined) {
    return orThrow(parseDockerignore(Buffer.from(seen.bytes).toString(), name));
  }
  const what =
    seen?.kind === 'file' ? `is larger than ${dockerignoreMaxBytes} bytes` : 'at the root is not a plain file';
  return refuse('INVALID_ARCHIVE', `The ${name} ${what}.`, { hint: 'Make it a plain text file, or leave it out.' });
}

const countSlashes = (path: string): number => path.split('/').length - 1;

const countUps = (target: string): number => target.split('/').filter((part) => part === '..').length;

interface Seen {
  readonly kind: ContextEntry['kind'];
  /** Content of a file that steers the build; undefined when it is too large. */
  readonly bytes?: Uint8Array | undefined;
}

async function seenEntry(entry: ContextEntry, maxBytes: number): Promise<Seen> {
  if (entry.kind !== 'file' || entry.sizeBytes > maxBytes) return { kind: entry.kind };
  const chunks: Uint8Array[] = [];
  for await (const chunk of entry.content) chunks.push(chunk);
  return { kind: 'file', bytes: Buffer.concat(chunks) };
}

function readDockerfile(
  seen: Seen | undefined,
  path: string,
  terms: DockerfileTerms,
  nearest: string | undefined,
): PreparedDockerfile {
  if (path !== usualDockerfile) return readNamedDockerfile(seen, path, terms, nearest);
  const hint = 'Put a file named Dockerfile at the top of the folder that you send.';
  if (seen === undefined && nearest !== undefined) {
    const folder = nearest.slice(0, -`/${usualDockerfile}`.length);
    refuse('INVALID_ARCHIVE', `There is no Dockerfile at the root of the source; there is ${nearest}.`, {
      hint: `Send that folder; of a git repository, name it with --subdir ${folder}.`,
    });
  }
  if (seen === undefined) refuse('INVALID_ARCHIVE', 'There is no Dockerfile at the root of the source.', { hint });
  if (seen.kind !== 'file') refuse('INVALID_ARCHIVE', 'The Dockerfile at the root is not a plain file.', { hint });
  if (seen.bytes === undefined) {
    refuse('INVALID_ARCHIVE', `The Dockerfile is larger than ${dockerfileMaxBytes} bytes.`, { hint });
  }
  return orThrow(prepareDockerfile(textOf(seen.bytes), terms));
}

function readNamedDockerfile(
  seen: Seen | undefined,
  path: string,
  terms: DockerfileTerms,
  nearest: string | undefined,
): PreparedDockerfile {
  const shown = JSON.stringify(path);
  const refuseIt = (what: string): never =>
    refuse('INVALID_ARCHIVE', `The Dockerfile ${shown} ${what}.`, {
      details: { field: 'dockerfile' },
      hint: `Give its path below the root of the source${nearest === undefined ? '' : `, for example ${nearest}`}.`,
    });
  if (seen === undefined) return refuseIt('is not in the source');
  if (seen.kind !== 'file') return refuseIt('is not a plain file');
  if (seen.bytes === undefined) return refuseIt(`is larger than ${dockerfileMaxBytes} bytes`);
  return orThrow(prepareDockerfile(textOf(seen.bytes), terms));
}

function textOf(bytes: Uint8Array): string {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    if (!text.includes('\0')) return text;
  } catch {
    // Refused below.
  }
  return refuse('BUILD_FAILED', 'The Dockerfile is not text in UTF-8.', {
    hint: 'Save it as UTF-8; a PowerShell redirection (>) writes UTF-16.',
  });
}

async function addEntries(
  tar: Pack,
  { contextTar, dockerfile = usualDockerfile }: CustomContextSource,
  root: string,
  dockerfileText: string,
  patterns: readonly IgnorePattern[],
): Promise<void> {
  // A pack that is destroyed leaves a write to it hanging.
  const givenUp = new AbortController();
  tar.once('close', () => givenUp.abort());
  const isKept = filterOf(patterns);
  // What is left out was reported when the root was looked for.
  for await (const entry of readContextTar(contextTar.open(), defaultTarLimits, () => {})) {
    const name = entry.name.slice(root.length);
    if (name === '' || !(await isKept(name))) continue;
    if (entry.kind === 'folder') {
      tar.entry({ name: `${name}/`, type: 'directory', mode: 0o755, mtime: modified });
      continue;
    }
    if (entry.kind === 'link') {
      tar.entry({ name, type: 'symlink', linkname: entry.target, mtime: modified });
      continue;
    }
    const mode = entry.executable ? 0o755 : 0o644;
    if (name === dockerfile) {
      tar.entry({ name, mode, mtime: modified }, dockerfileText);
      continue;
    }
    const sink = tar.entry({ name, size: entry.sizeBytes, mode, mtime: modified });
    // A streamx stream: Node's pipeline takes it, only its type is not Node's.
    await pipeline(entry.content, sink as unknown as NodeJS.WritableStream, { signal: givenUp.signal });
  }
  tar.finalize();
}
