/** Stand-ins for images that compose.services.yml names: NATS, and a base for the worker that has all its programs already. */
import { baseImageNames } from '../base-images/base-images.ts';
import { FileSet } from '../base-images/file-set.ts';
import { sharedLibraries } from '../base-images/shared-libraries.ts';
import type { PackageTree } from '../private-engine/debian-packages.ts';
import { callEngine } from '../private-engine/engine-api.ts';
import { composePackages } from './compose-programs.ts';

export const natsImage = 'nats:botrunner-test';
export const workerBaseImage = 'node:botrunner-test-git';
const buildTimeoutMs = 60_000;

/**
 * What the Dockerfile installs beside git and nft, and what the real base has where this one has busybox: programs that measure disks
 * and make file systems.
 */
const diskPrograms = [
  ...['/usr/bin/dash', '/usr/bin/du', '/usr/bin/find', '/usr/bin/grep', '/usr/bin/stat', '/usr/bin/timeout'],
  ...['/usr/sbin/mke2fs', '/usr/sbin/e2fsck', '/usr/sbin/resize2fs', '/usr/sbin/debugfs', '/usr/sbin/losetup'],
  '/usr/bin/flock',
  ...['/usr/bin/mkdir', '/usr/bin/mv', '/usr/bin/ln', '/usr/bin/rm', '/usr/bin/rmdir', '/usr/bin/sync'],
];

/** Both images, on an engine that has those of base-images.ts. `machine` is where git is looked for. */
export async function loadComposeImages(dockerHost: string, machine: PackageTree): Promise<void> {
  const debian = await composePackages();
  const nats = await withLibraries(debian, ['/usr/sbin/nats-server']);
  nats.link('/files/usr/bin/nats-server', '/usr/sbin/nats-server');
  await build(dockerHost, natsImage, baseImageNames.busybox, nats);
  const git = await withLibraries(machine, ['/usr/bin/git', '/usr/lib/git-core/git-remote-https']);
  git.link('/files/usr/lib/git-core/git-remote-http', 'git-remote-https');
  const withGit = `${workerBaseImage}-git`;
  await build(dockerHost, withGit, baseImageNames.node, git);
  const nft = await withLibraries(debian, ['/usr/sbin/nft', ...diskPrograms]);
  nft.link('/files/usr/bin/sh', 'dash');
  // The stand-in's PATH has no folder of the system's programs, and busybox some that are called the same.
  for (const path of ['/usr/sbin/nft', ...diskPrograms]) {
    if (path.startsWith('/usr/sbin/')) nft.link(`/files${path.replace('/sbin/', '/bin/')}`, path);
  }
  await build(dockerHost, workerBaseImage, withGit, nft);
}

/** Programs of Debian, with all that they load, under "files". */
async function withLibraries(tree: PackageTree, paths: readonly string[]): Promise<FileSet> {
  const files = new FileSet();
  const sources = paths.map((path) => {
    const source = tree.find(path);
    if (source === undefined) throw new Error(`${path} is neither on this machine nor in the downloaded packages`);
    files.file(`/files${path}`, source);
    return source;
  });
  for (const { path, source } of await sharedLibraries(tree, sources)) files.file(`/files${path}`, source);
  return files;
}

async function build(dockerHost: string, tag: string, base: string, files: FileSet): Promise<void> {
  files.text('/Dockerfile', `FROM ${base}\nCOPY files/ /\n`);
  const query = new URLSearchParams({ t: tag, rm: '1', forcerm: '1' });
  const answer = await callEngine(dockerHost, `/build?${query}`, {
    method: 'POST',
    body: files.pack(),
    timeoutMs: buildTimeoutMs,
  });
  // The engine answers 200 first and reports failures in the stream.
  const failure = answer.status === 200 ? /"error":"([^"]*)"/.exec(answer.text)?.[1] : answer.text;
  if (failure) throw new Error(`the image ${tag} cannot be made: ${failure}`);
}
