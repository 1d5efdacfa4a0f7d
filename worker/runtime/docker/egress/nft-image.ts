/**
 * The image whose nft(8) sets the rules. A worker in a container has its own, which is of the right version and on the engine
 * already. Any other worker has its machine's nft, with the libraries that it is linked with, made into an image of 5 MB.
 */

import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import type { EngineClient } from '../engine-client.ts';
import { findProgram, ownImage, partsOf } from '../machine-programs.ts';
import { programImage } from '../program-image.ts';

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
  const at = (path: string) => `${folder}/${basename(path)}`;
  const files = await Promise.all(parts.files.map(async (path) => [at(path), await readFile(path)] as const));
  const made = { repository: nftRepository, label: 'bot_runner=nft', files: new Map(files) };
  const image = await programImage(engine, made, signal);
  const { loader } = parts;
  // Told where its libraries are, the loader looks in no folder of a system.
  const command = loader === undefined ? [at(program)] : [at(loader), '--library-path', folder, at(program)];
  return { image, command };
}
