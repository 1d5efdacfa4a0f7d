/**
 * The tar that the engine builds an image from where the user brings the Dockerfile: the user's archive, read whole and
 * checked first, then packed anew as a stream. Nothing is unpacked to disk. Owners and times are fixed, modes say
 * "executable" or not, and only the Dockerfile at the root counts.
 */
import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type Pack, pack } from 'tar-stream';
import { unwrap as orThrow, refuse } from '#common/problem.ts';
import { type ContextEntry, readContextTar } from '#common/safe-tar.ts';
import type { BuildContext } from './build-context.ts';
import { basesOf, checkBases } from './dockerfile-bases.ts';

export interface CustomContextSource {
  readonly contextTarPath: string;
  /** Look through a single folder around everything if there is no Dockerfile beside it. */
  readonly unwrap?: boolean | undefined;
}

export interface CustomContext extends BuildContext {
  /** The images that the Dockerfile names, as it names them. */
  readonly bases: readonly string[];
}

const dockerfile = 'Dockerfile';
const dockerfileMaxBytes = 1024 * 1024;
// As in build-context.ts: the same source gives the same tar, and thus the engine's cached layers.
const modified = new Date('2000-01-01T00:00:00Z');

/** Refuses with INVALID_ARCHIVE and ARCHIVE_TOO_LARGE as readContextTar does, and when there is no fitting Dockerfile. */
export async function createCustomContext(source: CustomContextSource): Promise<CustomContext> {
  // Two readings: what is wrong shows before the engine begins, and where the root is can only be told at the end.
  const { root, bases } = await findRoot(source);
  const tar = pack();
  const done = addEntries(tar, source.contextTarPath, root).catch((error: unknown) => {
    tar.destroy(error instanceof Error ? error : new Error(String(error)));
    throw error;
  });
  // Whoever reads only the stream learns of the failure there; this keeps an unread `done` from ending the process.
  done.catch(() => {});
  return { stream: Readable.from(tar, { objectMode: false }), done, bases };
}

/** Reads the whole archive, and so checks it. `root` is the folder to look through with a trailing slash, or ''. */
async function findRoot({ contextTarPath, unwrap = false }: CustomContextSource): Promise<{
  readonly root: string;
  readonly bases: readonly string[];
}> {
  const seen = new Map<string, Seen>();
  const tops = new Set<string>();
  let leavesTop = false;
  for await (const entry of readContextTar(createReadStream(contextTarPath))) {
    const [top = '', ...below] = entry.name.split('/');
    tops.add(top);
    if (entry.kind === 'link') leavesTop ||= countUps(entry.target) >= below.length;
    const isDockerfile = entry.name === dockerfile || (below.length === 1 && below[0] === dockerfile);
    if (isDockerfile || below.length === 0) seen.set(entry.name, await seenEntry(entry, isDockerfile));
  }
  if (seen.has(dockerfile)) {
    return { root: '', bases: checkDockerfile(seen.get(dockerfile)) };
  }
  const [only = ''] = tops;
  const wrapped = unwrap && tops.size === 1 && seen.get(only)?.kind !== 'file';
  const bases = checkDockerfile(wrapped ? seen.get(`${only}/${dockerfile}`) : undefined);
  if (leavesTop) {
    refuse('INVALID_ARCHIVE', 'The archive holds a link that leads out of it, or nowhere.', {
      hint: 'Only relative links to files of the same archive are allowed; put the files themselves in.',
    });
  }
  return { root: `${only}/`, bases };
}

const countUps = (target: string): number => target.split('/').filter((part) => part === '..').length;

interface Seen {
  readonly kind: ContextEntry['kind'];
  /** Of a Dockerfile; undefined when it is too large. */
  readonly text?: string | undefined;
}

async function seenEntry(entry: ContextEntry, isDockerfile: boolean): Promise<Seen> {
  if (entry.kind !== 'file' || !isDockerfile) return { kind: entry.kind };
  if (entry.sizeBytes > dockerfileMaxBytes) return { kind: 'file', text: undefined };
  const chunks: Uint8Array[] = [];
  for await (const chunk of entry.content) chunks.push(chunk);
  return { kind: 'file', text: Buffer.concat(chunks).toString() };
}

/** Returns the images it builds on. */
function checkDockerfile(seen: Seen | undefined): readonly string[] {
  const hint = 'Put a file named Dockerfile at the top of the folder that you send.';
  if (seen === undefined) refuse('INVALID_ARCHIVE', 'There is no Dockerfile at the root of the source.', { hint });
  if (seen.kind !== 'file') refuse('INVALID_ARCHIVE', 'The Dockerfile at the root is not a plain file.', { hint });
  if (seen.text === undefined) {
    refuse('INVALID_ARCHIVE', `The Dockerfile is larger than ${dockerfileMaxBytes} bytes.`, { hint });
  }
  orThrow(checkBases(seen.text));
  return basesOf(seen.text);
}

async function addEntries(tar: Pack, path: string, root: string): Promise<void> {
  // A pack that is destroyed leaves a write to it hanging.
  const givenUp = new AbortController();
  tar.once('close', () => givenUp.abort());
  for await (const entry of readContextTar(createReadStream(path))) {
    const name = entry.name.slice(root.length);
    if (name === '') continue;
    if (entry.kind === 'folder') {
      tar.entry({ name: `${name}/`, type: 'directory', mode: 0o755, mtime: modified });
      continue;
    }
    if (entry.kind === 'link') {
      tar.entry({ name, type: 'symlink', linkname: entry.target, mtime: modified });
      continue;
    }
    const mode = entry.executable ? 0o755 : 0o644;
    const sink = tar.entry({ name, size: entry.sizeBytes, mode, mtime: modified });
    // A streamx stream: Node's pipeline takes it, only its type is not Node's.
    await pipeline(entry.content, sink as unknown as NodeJS.WritableStream, { signal: givenUp.signal });
  }
  tar.finalize();
}
