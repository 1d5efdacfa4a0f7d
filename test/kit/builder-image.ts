/**
 * A stand-in for Docker's image with an engine in it (docker:dind): the programs that the private engine runs from, with
 * what they are linked with. Only for a private engine, as the other base images.
 */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { baseImageNames } from './base-images/base-images.ts';
import { FileSet } from './base-images/file-set.ts';
import { sharedLibraries } from './base-images/shared-libraries.ts';
import type { PackageTree } from './private-engine/debian-packages.ts';
import { callEngine } from './private-engine/engine-api.ts';

/** Whether the suites on an engine are to build in a separate builder: BOTRUNNER_TEST_BUILDER=separate. */
export const buildsSeparately = process.env['BOTRUNNER_TEST_BUILDER'] === 'separate';

/** For BUILDER_IMAGE. */
export const builderImageName = 'docker:botrunner-test-dind';

const programs = [
  '/usr/sbin/dockerd',
  '/usr/bin/docker',
  '/usr/bin/docker-init',
  '/usr/bin/docker-proxy',
  '/usr/bin/containerd',
  '/usr/bin/containerd-shim-runc-v2',
  '/usr/bin/runc',
  '/usr/sbin/xtables-nft-multi',
  '/usr/sbin/mkfs.ext4',
];
const buildTimeoutMs = 60_000;

/** Puts the image on an engine that has those of base-images.ts. `tree` has the packages of that engine. */
export async function loadBuilderImage(dockerHost: string, tree: PackageTree): Promise<void> {
  const files = new FileSet();
  const sources = programs.flatMap((path) => {
    const source = tree.find(path);
    // Engines have no docker-proxy of that name in every suite, and builds need none.
    if (source === undefined && path === '/usr/bin/docker-proxy') return [];
    if (source === undefined) throw new Error(`${path} is neither on this machine nor in the downloaded packages`);
    files.file(`/files${path}`, source);
    // Debian's init is static.
    return path === '/usr/bin/docker-init' ? [] : [source];
  });
  for (const name of ['iptables', 'ip6tables']) files.link(`/files/usr/sbin/${name}`, 'xtables-nft-multi');
  // Matches and targets, which iptables loads as it needs them.
  const [folder = ''] = (await tree.libraryFolders())
    .concat('/usr/lib/x86_64-linux-gnu')
    .map((libraries) => join(libraries, 'xtables'))
    .filter((path) => existsSync(path));
  const modules = folder === '' ? [] : readdirSync(folder).map((name) => join(folder, name));
  for (const module of modules)
    files.file(`/files/usr/lib/x86_64-linux-gnu/xtables/${module.split('/').at(-1)}`, module);
  const linked = [...sources, ...modules.slice(0, 1)];
  for (const { path, source } of await sharedLibraries(tree, linked)) files.file(`/files${path}`, source);
  files.text(
    '/Dockerfile',
    `FROM ${baseImageNames.busybox}\nCOPY files/ /\nENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n`,
  );
  const query = new URLSearchParams({ t: builderImageName, rm: '1', forcerm: '1' });
  const answer = await callEngine(dockerHost, `/build?${query}`, {
    method: 'POST',
    body: files.pack(),
    timeoutMs: buildTimeoutMs,
  });
  const failure = answer.status === 200 ? /"error":"([^"]*)"/.exec(answer.text)?.[1] : answer.text;
  if (failure) throw new Error(`the image ${builderImageName} cannot be made: ${failure}`);
}
