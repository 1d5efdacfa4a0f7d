/**
 * The space on the engine's disk. A worker in a container of the engine, or beside it, sees it for itself; elsewhere it is not known, and
 * nothing is refused for want of it.
 */
import { access, statfs } from 'node:fs/promises';
import { record, text } from '../answers.ts';
import type { EngineClient } from '../engine-client.ts';
import { ownImage } from '../machine-programs.ts';

export interface FreeSpace {
  readonly bytes: number;
  /** Free files in thousandths of all; 1000 where a file system does not count them. */
  readonly filesPerMille: number;
}

export type AskSpace = (signal: AbortSignal) => Promise<FreeSpace | undefined>;

const findAgainMs = 600_000;

export function createAskSpace(engine: EngineClient, dockerHost: string, monotonicMs: () => number): AskSpace {
  let found: { readonly path: string | undefined; readonly atMs: number } | undefined;
  return async (signal) => {
    if (found === undefined || (found.path === undefined && monotonicMs() - found.atMs > findAgainMs)) {
      found = { path: await findPath(engine, dockerHost, signal), atMs: monotonicMs() };
    }
    if (found.path === undefined) return undefined;
    try {
      const { bavail, bsize, files, ffree } = await statfs(found.path);
      return { bytes: bavail * bsize, filesPerMille: files === 0 ? 1000 : Math.floor((ffree * 1000) / files) };
    } catch {
      // Not ours to see any more: nothing is known.
      found = { path: undefined, atMs: monotonicMs() };
      return undefined;
    }
  };
}

/** A folder on the engine's disk, as this process sees it. */
async function findPath(engine: EngineClient, dockerHost: string, signal: AbortSignal): Promise<string | undefined> {
  // The root of a container is a layer on the engine's disk.
  if ((await ownImage(engine, signal)) !== undefined) return '/';
  if (!dockerHost.startsWith('unix:')) return undefined;
  const root = text(record(await engine.call({ method: 'GET', path: '/info' }, signal))['DockerRootDir']);
  return root !== '' &&
    (await access(root).then(
      () => true,
      () => false,
    ))
    ? root
    : undefined;
}
