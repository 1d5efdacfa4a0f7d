/**
 * What a bot on a read-only root file system needs beside it: folders in memory where programs expect to write. Pure. They count
 * as the bot's memory.
 */
import { posix } from 'node:path';
import { dataDir } from '../../../images/dockerfile.ts';
import type { ContainerPlan } from '../../container-runtime.ts';

/** Where programs of any kind write; as Podman has it for --read-only. */
const temporaryFolders = ['/tmp', '/var/tmp', '/run'];
const mib = 1024 * 1024;
const mostBytes = 64 * mib;

/**
 * Variables for those that nothing sets. Python would try to write beside each module it imports, which cannot succeed. The home of
 * simple mode is empty, and would be read-only; a folder in memory in its place would belong to root, as runc gives it the owner and mode of
 * what it covers. Images of users may have something in theirs.
 */
export const readOnlyVariables = ({ run }: Pick<ContainerPlan, 'run'>): readonly (readonly [string, string])[] => [
  ['PYTHONDONTWRITEBYTECODE', '1'],
  ...(run.kind === 'simple' ? ([['HOME', '/tmp']] as const) : []),
];

/**
 * Tmpfs of HostConfig: path -> mount options. `used` are paths at which the container has something of its own: volumes, and the
 * folder it starts in.
 */
export function temporaryMounts(
  { memoryBytes }: Pick<ContainerPlan, 'memoryBytes'>,
  used: readonly string[],
): Readonly<Record<string, string>> {
  const taken = [dataDir, ...used].map((path) => posix.resolve('/', path));
  // Half of the bot's memory for each at most: full ones should fail with ENOSPC, which a log explains, before the kernel kills the bot.
  const size = Math.min(mostBytes, Math.max(mib, Math.floor(memoryBytes / 2 / mib) * mib));
  // Programs that unpack themselves start what they unpack.
  const options = `rw,exec,nosuid,nodev,mode=1777,size=${size}`;
  const isFree = (path: string) => !taken.some((other) => other === path || other.startsWith(`${path}/`));
  return Object.fromEntries(temporaryFolders.filter(isFree).map((path) => [path, options]));
}
