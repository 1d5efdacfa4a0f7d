/**
 * What the ADD instructions of a Dockerfile name by URL: fetched by this worker under its policy for sources, and put into a small image
 * of their own on the engine that builds, which the Dockerfile as it was written anew copies from. In the build context they would be
 * in every "COPY . .", too.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type Pack, pack } from 'tar-stream';
import { ProblemError, problem, refuse } from '#common/problem.ts';
import { asFailure } from '../../failures/chances.ts';
import { TransientProblemError } from '../../failures/transient.ts';
import { folder, giveUpOnFailure, modified } from '../../images/code-archive.ts';
import type { AddedFile } from '../../images/users-dockerfile/added.ts';
import type { EngineClient } from './engine-client.ts';
import { createPullReport } from './pull-output.ts';

/** A file of a user's URL, fetched onto this machine. */
export interface FileOnDisk {
  readonly path: string;
  /** When it was last changed, by the server's word. */
  readonly lastModified: Date | undefined;
  /** Removes it. */
  release(): Promise<void>;
}

/** Fetches a file of at most so many bytes under the policy for sources. ProblemError for a URL or server that will not do. */
export type FetchFile = (url: string, maxBytes: number, signal: AbortSignal) => Promise<FileOnDisk>;

export interface AddedImage {
  /** Its name, with a tag. */
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly files: readonly AddedFile[];
}

/** All files of one build together. */
const totalMaxBytes = 200 * 1024 * 1024;

/** Makes the image. ProblemError BUILD_FAILED for what cannot be fetched or is not what the Dockerfile says. On failure there is none. */
export async function makeAddedImage(
  fetchFile: FetchFile,
  engine: EngineClient,
  image: AddedImage,
  onOutput: (line: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const fetched: FileOnDisk[] = [];
  try {
    let left = totalMaxBytes;
    for (const file of image.files) {
      onOutput(`Fetching ${shownUrl(file.url)}`);
      const got = await fetchOne(fetchFile, file, left, signal);
      fetched.push(got);
      left -= (await stat(got.path)).size;
    }
    await load(engine, image, fetched, signal);
  } finally {
    for (const { release } of fetched) await release();
  }
}

/** Without what may be a login or a key. */
function shownUrl(text: string): string {
  const url = URL.parse(text);
  return url === null ? 'a URL' : `${url.protocol}//${url.host}${url.pathname}`;
}

async function fetchOne(
  fetchFile: FetchFile,
  { url, line, sha256 }: AddedFile,
  maxBytes: number,
  signal: AbortSignal,
): Promise<FileOnDisk> {
  const got = await fetchFile(url, maxBytes, signal).catch((error: unknown) => {
    throw error instanceof ProblemError ? ofStep(error, line) : error;
  });
  try {
    if (sha256 !== undefined && (await digestOf(got.path, signal)) !== sha256) {
      refuse(
        'BUILD_FAILED',
        `ADD in line ${line} of the Dockerfile: the file has another checksum than --checksum says.`,
        {
          hint: 'Check the file; if it is the right one, put its SHA-256 into the Dockerfile.',
        },
      );
    }
    return got;
  } catch (error) {
    await got.release();
    throw error;
  }
}

async function digestOf(path: string, signal: AbortSignal): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash, { signal });
  return hash.digest('hex');
}

/** What the fetch said, in the words of a build. */
function ofStep(error: ProblemError, line: number): ProblemError {
  const { code, message } = error.problem;
  const hint =
    code === 'FORBIDDEN_URL'
      ? 'ADD fetches from public addresses; the operator can allow others with FETCH_ALLOW. Or put the file into the source and COPY it.'
      : code === 'INVALID_ARCHIVE_URL'
        ? 'Write a plain http or https URL without user name and password, or put the file into the source and COPY it.'
        : 'Check the URL in the Dockerfile, or put the file into the source and COPY it.';
  const failed = problem('BUILD_FAILED', `ADD in line ${line} of the Dockerfile: ${message}`, { hint });
  return asFailure(failed, error instanceof TransientProblemError ? 'again' : 'final', { cause: error });
}

async function load(
  engine: EngineClient,
  { name, labels, files }: AddedImage,
  fetched: readonly FileOnDisk[],
  signal: AbortSignal,
): Promise<void> {
  const tar = pack();
  const packed = giveUpOnFailure(tar, packAll(tar, files, fetched));
  const colon = name.lastIndexOf(':');
  const query = {
    fromSrc: '-',
    repo: name.slice(0, colon),
    tag: name.slice(colon + 1),
    changes: Object.entries(labels).map(([key, value]) => `LABEL ${key}=${JSON.stringify(value)}`),
  };
  const upload = Readable.from(tar, { objectMode: false });
  const report = createPullReport(() => {});
  try {
    const answer = await engine.stream({ method: 'POST', path: '/images/create', query, upload }, signal);
    for await (const chunk of answer) report.push(chunk);
    report.end();
    await packed;
  } finally {
    upload.destroy();
  }
  const failure = report.error();
  if (failure !== undefined) throw new Error(`the engine did not take the files of ADD: ${failure}`);
}

async function packAll(tar: Pack, files: readonly AddedFile[], fetched: readonly FileOnDisk[]): Promise<void> {
  // A pack that is destroyed leaves a write to it hanging.
  const givenUp = new AbortController();
  tar.once('close', () => givenUp.abort());
  for (const [index, { path, lastModified }] of fetched.entries()) {
    const { name = 'file', mode = 0o600 } = files[index] ?? {};
    tar.entry(folder(`${index}/`));
    const mtime = lastModified ?? modified;
    const sink = tar.entry({ name: `${index}/${name}`, size: (await stat(path)).size, mode, mtime });
    // A streamx stream: Node's pipeline takes it, only its type is not Node's.
    await pipeline(createReadStream(path), sink as unknown as NodeJS.WritableStream, { signal: givenUp.signal });
  }
  tar.finalize();
}
