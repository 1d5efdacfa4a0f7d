/**
 * The image whose programs measure what bots have written and make file systems for them. A worker in a container has its own;
 * any other worker has these programs of its machine, with their libraries, made into an image of some 8 MB.
 */

import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import type { EngineClient } from '../engine-client.ts';
import { hasImage } from '../images.ts';
import { findProgram, ownImage, partsOf } from '../machine-programs.ts';
import { programImage } from '../program-image.ts';

export interface ToolsImage {
  readonly image: string;
  /** A shell that takes a script: `-c`, the script and its arguments come behind. */
  readonly shell: string;
  readonly env: readonly string[];
  /** Programs for file systems of bots that are not there; without them only measuring is possible. */
  readonly missing: readonly string[];
}

/** Why there is none, in words that follow "because ". */
export interface NoToolsImage {
  readonly why: string;
}

export type FindToolsImage = (engine: EngineClient, signal: AbortSignal) => Promise<ToolsImage | NoToolsImage>;

const toolsRepository = 'bot_runner_tools';
const measuring = ['sh', 'du', 'find', 'grep', 'head', 'sort', 'stat', 'timeout', 'wc'] as const;
const making = [
  'mke2fs',
  'e2fsck',
  'resize2fs',
  'debugfs',
  'losetup',
  'flock',
  'mkdir',
  'mv',
  'ln',
  'rm',
  'rmdir',
  'sleep',
  'sync',
] as const;

/** `env` is where the programs and their libraries are found: PATH, and what the loader reads. Found once. */
export function createFindToolsImage(env: NodeJS.ProcessEnv = process.env): FindToolsImage {
  let programs: Promise<ReadonlyMap<string, string>> | undefined;
  let made: ToolsImage | undefined;
  return async (engine, signal) => {
    // Nothing of the machine is read again while the engine has what was made of it.
    if (made !== undefined && (await hasImage(engine, made.image, signal))) return made;
    programs ??= findAll([...measuring, ...making], env['PATH']);
    const found = await programs;
    const lacks = measuring.filter((name) => !found.has(name));
    if (lacks.length > 0) return { why: `the worker has no ${lacks.join(', ')}` };
    const missing = making.filter((name) => !found.has(name));
    const own = await ownImage(engine, signal);
    if (own !== undefined) return { image: own, shell: found.get('sh') ?? '', env: [], missing };
    const image = await machineImage(engine, [...found.values()], { env, missing }, signal);
    if (!('why' in image)) made = image;
    return image;
  };
}

async function findAll(names: readonly string[], path: string | undefined): Promise<ReadonlyMap<string, string>> {
  const found = await Promise.all(names.map(async (name) => [name, await findProgram(name, path)] as const));
  return new Map(found.flatMap(([name, file]) => (file === undefined ? [] : [[name, file] as const])));
}

const folder = '/tools';

/** Made once for each set of versions. The loader is where the programs look for it, everything else in one folder. */
async function machineImage(
  engine: EngineClient,
  programs: readonly string[],
  { env, missing }: { readonly env: NodeJS.ProcessEnv; readonly missing: readonly string[] },
  signal: AbortSignal,
): Promise<ToolsImage | NoToolsImage> {
  const places = new Map<string, string>();
  for (const program of programs) {
    const parts = await partsOf(program, env);
    if (parts === undefined) return { why: `it cannot be found out what ${program} is linked with (by ldd)` };
    for (const file of parts.files) places.set(file === parts.loader ? file : `${folder}/${basename(file)}`, file);
  }
  const files = await Promise.all([...places].map(async ([at, file]) => [at, await readFile(file)] as const));
  const content = { repository: toolsRepository, label: 'bot_runner=tools', files: new Map(files) };
  const image = await programImage(engine, content, signal);
  return { image, shell: `${folder}/sh`, env: [`PATH=${folder}`, `LD_LIBRARY_PATH=${folder}`], missing };
}
