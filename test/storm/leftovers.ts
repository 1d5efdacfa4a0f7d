/** What is left of bots that no longer exist: containers, images, volumes, networks, files and processes. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { callEngine } from '../kit/private-engine/engine-api.ts';
import type { StormParts } from './parts.ts';

/** What the engine has, by name; of images all, those without a name too, but not the worker's own programs, which it keeps. */
export async function engineThings({ engine }: StormParts): Promise<ReadonlySet<string>> {
  if (engine === undefined) return new Set();
  const get = async (path: string) => JSON.parse((await callEngine(engine.dockerHost, path)).text);
  const [containers, images, volumes, networks] = await Promise.all([
    get('/containers/json?all=1'),
    get('/images/json'),
    get('/volumes'),
    get('/networks'),
  ]);
  return new Set([
    ...containers.map(({ Id, Names, State }: EngineThing) => `container ${Names?.[0] ?? Id} (${State})`),
    ...images
      .filter(({ Labels }: EngineThing) => !/^(?:tools|nft)$/.test(Labels?.['bot_runner'] ?? ''))
      .map(({ Id, RepoTags }: EngineThing) => `image ${RepoTags?.join(', ') || Id}`),
    ...(volumes.Volumes ?? []).map(({ Name }: EngineThing) => `volume ${Name}`),
    ...networks.map(({ Name }: EngineThing) => `network ${Name}`),
  ]);
}

interface EngineThing {
  readonly Id?: string;
  readonly Name?: string;
  readonly Names?: readonly string[];
  readonly State?: string;
  readonly RepoTags?: readonly string[] | null;
  readonly Labels?: Readonly<Record<string, string>> | null;
}

/** Processes of bots, by a variable that only they have. */
export const botProcesses = (witness: string): readonly string[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      const env = read(`/proc/${pid}/environ`);
      if (!env.split('\0').includes(`STORM_WITNESS=${witness}`)) return [];
      return [`process ${pid}: ${read(`/proc/${pid}/cmdline`).replaceAll('\0', ' ')}`];
    });

/** Files that programs make for a while only, and folders of containers and images of the process runtime. */
export function oddFiles({ dir }: StormParts): readonly string[] {
  const files = readdirSync(dir, { recursive: true, withFileTypes: true });
  const paths = files.map((entry) => join(entry.parentPath, entry.name).slice(dir.length + 1));
  return paths
    .filter((path) =>
      /^tmp\/.|\.(tmp|part|partial)$|\/tmp-|\.tmp-|^worker-\d+\/.*\/(containers|images|builds)\/[^/]+$/.test(path),
    )
    .map((path) => `file ${path}`);
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return ''; // it has just ended
  }
}
