/**
 * The image whose nft(8) sets the rules. A worker in a container has its own, which is of the right version and on the engine
 * already. Any other worker has its machine's nft, with the libraries that it is linked with, made into an image of 5 MB.
 */

import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { pack } from 'tar-stream';
import type { EngineClient } from '../engine-client.ts';
import { EngineRefusal } from '../engine-errors.ts';
import { hasImage } from '../images.ts';
import { findProgram, ownImage, partsOf } from '../machine-programs.ts';

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
