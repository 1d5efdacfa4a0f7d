/**
 * Stand-ins for the base images of Docker Hub, made in seconds of this machine's own files, because tests run without
 * the internet. They carry the real names, so that nothing in the product has to know; for that reason they may only be
 * put on a private engine.
 */
import { existsSync, readdirSync, realpathSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { arch, tmpdir } from 'node:os';
import { basename, delimiter, dirname, join } from 'node:path';
import type { PackageTree } from '../private-engine/debian-packages.ts';
import { callEngine } from '../private-engine/engine-api.ts';
import { runProgram } from '../private-engine/run-program.ts';
import { FileSet } from './file-set.ts';
import { sharedLibraries } from './shared-libraries.ts';

export const baseImageNames = {
  python: 'python:3.11-slim',
  node: 'node:24-slim',
  /** A shell and small programs. */
  busybox: 'busybox:stable',
} as const;

export type BaseImage = keyof typeof baseImageNames;

/** Libraries of the real image with which packages with native modules are linked. */
const commonLibraries = ['libgcc_s.so.1', 'libstdc++.so.6', 'librt.so.1', 'libpthread.so.0', 'libdl.so.2', 'libm.so.6'];

/** The authorities that the real Python image has: libraries read them even for a server without TLS. */
const authorities = '/etc/ssl/certs/ca-certificates.crt';
/** Two of the time zones of the real image, which has all. */
const timeZones = ['Europe/Moscow', 'Etc/UTC'].map((name) => `/usr/share/zoneinfo/${name}`);

/** Puts base images on the engine, all of them unless some are named. Only for a private engine: see above. */
export async function loadBaseImages(
  dockerHost: string,
  tree: PackageTree,
  which: readonly BaseImage[] = ['busybox', 'python', 'node'],
): Promise<void> {
  await Promise.all(which.map((image) => loadBaseImage(dockerHost, tree, image)));
}

async function loadBaseImage(dockerHost: string, tree: PackageTree, image: BaseImage): Promise<void> {
  const name = baseImageNames[image];
  switch (image) {
    case 'busybox':
      return importImage(dockerHost, name, await busyboxFiles(tree), ['CMD ["sh"]']);
    case 'node':
      return importImage(dockerHost, name, await nodeFiles(tree), ['CMD ["node"]']);
    case 'python': {
      const work = await mkdtemp(join(tmpdir(), 'botrunner-base-'));
      try {
        const files = await pythonFiles(tree, work);
        for (const path of [authorities, ...timeZones]) if (existsSync(path)) files.file(path, path);
        const settings = ['ENV PIP_DISABLE_PIP_VERSION_CHECK=1', 'ENV PIP_ROOT_USER_ACTION=ignore'];
        return await importImage(dockerHost, name, files, [...settings, 'CMD ["python3"]']);
      } finally {
        await rm(work, { recursive: true, force: true });
      }
    }
  }
}

/** The engine unpacks it before it answers. */
const importTimeoutMs = 120_000;

async function importImage(
  dockerHost: string,
  name: string,
  files: FileSet,
  changes: readonly string[],
): Promise<void> {
  const query = new URLSearchParams({ fromSrc: '-', repo: name });
  // One to a parameter, and one variable to an ENV: Podman reads all of an ENV as one value.
  for (const change of ['ENV PATH=/usr/local/bin:/usr/bin:/bin', 'ENV LANG=C.UTF-8', ...changes]) {
    query.append('changes', change);
  }
  const answer = await callEngine(dockerHost, `/images/create?${query}`, {
    method: 'POST',
    body: files.pack(),
    timeoutMs: importTimeoutMs,
  });
  // The engine answers 200 first and reports failures in the stream.
  const failure = answer.status === 200 ? /"error":"([^"]*)"/.exec(answer.text)?.[1] : answer.text;
  if (failure) throw new Error(`the base image ${name} cannot be made: ${failure}`);
}

/** What every image has: a shell with small programs, users, and the folders programs expect. */
async function busyboxFiles(tree: PackageTree): Promise<FileSet> {
  const files = new FileSet();
  const busybox = found(tree, '/bin/busybox');
  files.file('/bin/busybox', busybox);
  for (const name of (await runProgram(busybox, ['--list'])).split('\n')) {
    if (name && name !== 'busybox') files.link(`/bin/${name}`, 'busybox');
  }
  files.link('/usr/bin/env', '/bin/env');
  files.text(
    '/etc/passwd',
    `root:x:0:0:root:/root:/bin/sh
nobody:x:65534:65534:nobody:/nonexistent:/bin/false
bot:x:10001:10001:bot:/home/bot:/bin/sh
`,
  );
  files.text('/etc/group', 'root:x:0:\nnogroup:x:65534:\nbot:x:10001:\n');
  files.text('/etc/nsswitch.conf', 'hosts: files dns\n');
  for (const path of ['/root', '/proc', '/sys', '/dev', '/usr/local/bin']) files.folder(path);
  for (const path of ['/tmp', '/var/tmp']) files.folder(path, 0o1777);
  files.folder('/home/bot', 0o755, 10001);
  return files;
}

/** Parts of the standard library that no bot and no pip needs. EXTERNALLY-MANAGED would make pip refuse to install. */
const pythonLeftOut = /^(EXTERNALLY-MANAGED|config-3|idlelib|lib2to3|tkinter|test|turtle|pydoc_data|ensurepip)/;

async function pythonFiles(tree: PackageTree, work: string): Promise<FileSet> {
  const files = await busyboxFiles(tree);
  const python = realpathSync(found(tree, '/usr/bin/python3'));
  const name = basename(python);
  const library = found(tree, `/usr/lib/${name}`);
  files.file(`/usr/bin/${name}`, python);
  for (const link of ['python', 'python3']) files.link(`/usr/local/bin/${link}`, `/usr/bin/${name}`);
  files.link('/usr/bin/python3', name);
  files.tree(`/usr/lib/${name}`, library, (within) => pythonLeftOut.test(within));
  const modules = join(library, 'lib-dynload');
  const programs = [python, ...readdirSync(modules).map((module) => join(modules, module))];
  for (const { path, source } of await sharedLibraries(tree, programs)) files.file(path, source);
  for (const path of commonLibraries.map((file) => join(multiarchFolder, file))) files.file(path, found(tree, path));

  const wheels = found(tree, '/usr/share/python-wheels');
  const env = { LD_LIBRARY_PATH: (await tree.libraryFolders()).join(':') };
  for (const wheel of readdirSync(wheels).filter((file) => /^(pip|setuptools)-.*\.whl$/.test(file))) {
    await runProgram(python, ['-m', 'zipfile', '-e', join(wheels, wheel), work], { env });
  }
  files.tree(`/usr/local/lib/${name}/dist-packages`, work, () => false);
  for (const pip of ['pip', 'pip3']) {
    const script = `#!/usr/bin/${name}\nimport sys\nfrom pip._internal.cli.main import main\nsys.exit(main())\n`;
    files.text(`/usr/local/bin/${pip}`, script, 0o755);
  }
  return files;
}

const multiarchFolder = `/usr/lib/${arch() === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu`;

/** The Node that runs the tests, and npm if this machine has one. */
async function nodeFiles(tree: PackageTree): Promise<FileSet> {
  const files = await busyboxFiles(tree);
  files.file('/usr/local/bin/node', process.execPath);
  for (const { path, source } of await sharedLibraries(tree, [process.execPath])) files.file(path, source);
  const npm = npmFolder();
  if (npm) {
    files.tree('/usr/local/lib/node_modules/npm', npm, (within) => /^(docs|man)(\/|$)/.test(within));
    for (const program of ['npm', 'npx']) {
      files.link(`/usr/local/bin/${program}`, `../lib/node_modules/npm/bin/${program}-cli.js`);
    }
  }
  return files;
}

/** `npm` on PATH is a link to bin/npm-cli.js in its package. */
function npmFolder(): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  const npm = folders.map((folder) => join(folder, 'npm')).find((path) => existsSync(path));
  const folder = npm && dirname(dirname(realpathSync(npm)));
  return folder && existsSync(join(folder, 'bin/npm-cli.js')) ? folder : undefined;
}

function found(tree: PackageTree, path: string): string {
  const source = tree.find(path);
  if (!source) throw new Error(`${path} is neither on this machine nor in the downloaded packages`);
  return source;
}
