/**
 * The image whose nft(8) sets the rules. A worker in a container has its own, which is of the right version and on the engine
 * already. Any other worker has its machine's nft, with the libraries that it is linked with, made into an image of 5 MB.
 */

import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { access, readFile } from 'node:fs/promises';
import { basename, delimiter, join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { pack } from 'tar-stream';
import { record, text } from '../answers.ts';
import type { EngineClient } from '../engine-client.ts';
import { EngineRefusal, hasStatus } from '../engine-errors.ts';
import { hasImage } from '../images.ts';

export interface NftImage {
  readonly image: string;
  /** Program and first arguments; the rules come behind. */
  readonly command: readonly string[];
}

/** Why there is none, in words that follow "because ". */
export interface NoNftImage {
  readonly why: string;
}

export type FindNftImage = (engine: EngineClient, signal: AbortSignal) => Promise<NftImage | NoNftImage>;

const nftRepository = 'bot_runner_nft';

/** `env` is where the program and its libraries are found: PATH, and what the loader reads. */
export const createFindNftImage =
  (env: NodeJS.ProcessEnv = process.env): FindNftImage =>
  async (engine, signal) => {
    const program = await findProgram('nft', env['PATH']);
    if (program === undefined) {
      return { why: 'the worker has no nft program (on Debian and Ubuntu: apt-get install nftables)' };
    }
    const own = await ownImage(engine, signal);
    return own === undefined ? machineImage(engine, { program, env }, signal) : { image: own, command: [program] };
  };

/** Where a system keeps such programs, though not every user's PATH has it. */
const systemFolders = ['/usr/sbin', '/sbin'];

async function findProgram(name: string, path = ''): Promise<string | undefined> {
  for (const folder of [...path.split(delimiter), ...systemFolders]) {
    const file = join(folder, name);
    try {
      if (folder !== '') await access(file, constants.X_OK);
      if (folder !== '') return file;
    } catch {
      // Not in this folder.
    }
  }
  return undefined;
}

/** The image of the container that this process is in, by id; undefined outside of the containers of this engine. */
async function ownImage(engine: EngineClient, signal: AbortSignal): Promise<string | undefined> {
  const mounts = await readFile('/proc/self/mountinfo', 'utf8').catch(() => '');
  // The engine mounts these three files from the folder of the container.
  const id = /\/containers\/([0-9a-f]{64})\/(?:resolv\.conf|hostname|hosts) /.exec(mounts)?.[1];
  if (id === undefined) return undefined;
  try {
    return text(record(await engine.call({ method: 'GET', path: `/containers/${id}/json` }, signal))['Image']);
  } catch (error) {
    // A container of another engine than the one that runs bots.
    if (hasStatus(error, 404)) return undefined;
    throw error;
  }
}

const run = promisify(execFile);
const folder = '/nft';

/** Made once for each version of the program. */
async function machineImage(
  engine: EngineClient,
  { program, env }: { readonly program: string; readonly env: NodeJS.ProcessEnv },
  signal: AbortSignal,
): Promise<NftImage | NoNftImage> {
  const parts = await partsOf(program, env);
  if (parts === undefined) return { why: `it cannot be found out what ${program} is linked with (by ldd)` };
  const contents = await Promise.all(parts.files.map(async (path) => [path, await readFile(path)] as const));
  const hash = createHash('sha256');
  for (const [path, content] of contents) hash.update(`${basename(path)}\0${content.length}\0`).update(content);
  const tag = hash.digest('hex').slice(0, 16);
  const image = `${nftRepository}:${tag}`;
  const at = (path: string) => `${folder}/${basename(path)}`;
  if (!(await hasImage(engine, image, signal))) {
    const tar = pack();
    tar.entry({ name: `${folder.slice(1)}/`, type: 'directory', mode: 0o755 });
    for (const [path, content] of contents) tar.entry({ name: at(path).slice(1), mode: 0o755 }, content);
    tar.finalize();
    const query = { fromSrc: '-', repo: nftRepository, tag, changes: 'LABEL bot_runner=nft' };
    const upload = Readable.from([await buffer(Readable.from(tar))]);
    const answer = await buffer(await engine.stream({ method: 'POST', path: '/images/create', query, upload }, signal));
    const failure = /"error":"([^"]*)"/.exec(answer.toString())?.[1];
    if (failure !== undefined) throw new EngineRefusal(500, failure);
  }
  const { loader } = parts;
  // Told where its libraries are, the loader looks in no folder of a system.
  const command = loader === undefined ? [at(program)] : [at(loader), '--library-path', folder, at(program)];
  return { image, command };
}

interface ProgramParts {
  readonly files: readonly string[];
  /** The dynamic loader; undefined for a static program. */
  readonly loader: string | undefined;
}

/** From lines as `libnftables.so.1 => /lib/x86_64-linux-gnu/libnftables.so.1 (0x...)` and `/lib64/ld-linux-x86-64.so.2 (0x...)`. */
async function partsOf(program: string, env: NodeJS.ProcessEnv): Promise<ProgramParts | undefined> {
  const listed = await run('ldd', [program], { timeout: 10_000, env: { ...env, LC_ALL: 'C' } }).then(
    ({ stdout }) => stdout,
    (error: { readonly stderr?: string }) => (/not a dynamic executable/.test(error.stderr ?? '') ? '' : undefined),
  );
  if (listed === undefined || listed.includes('not found')) return undefined;
  const libraries = [...new Set([...listed.matchAll(/(?:^|\s)(\/\S+) \(0x/gm)].map(([, path = '']) => path))];
  const loader = libraries.find((path) => /^ld-|^ld64\.so|^ld\.so/.test(basename(path)));
  return libraries.length > 0 && loader === undefined ? undefined : { files: [program, ...libraries], loader };
}
