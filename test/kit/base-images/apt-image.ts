/**
 * The Python base image with apt and dpkg in it, as the real one has them, and a Debian archive that its apt installs
 * from. apt and dpkg are this machine's; the packages in the archive are made by the test. Only for a private engine.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { freePort } from '../../../scripts/platform/free-port.ts';
import { PackageTree } from '../private-engine/debian-packages.ts';
import { callEngine } from '../private-engine/engine-api.ts';
import { runProgram } from '../private-engine/run-program.ts';
import { baseImageNames } from './base-images.ts';
import { FileSet } from './file-set.ts';
import { sharedLibraries } from './shared-libraries.ts';

export interface AptImage {
  readonly image: string;
  close(): Promise<void>;
}

export interface TestPackage {
  readonly name: string;
  readonly depends?: string;
  /** Programs by path; shell scripts. */
  readonly files: Readonly<Record<string, string>>;
}

const image = 'botrunner-test-python-apt:1';
const programs = ['apt-get', 'dpkg', 'dpkg-deb', 'dpkg-split', 'tar'].map((name) => `/usr/bin/${name}`);
const methods = ['http', 'store', 'copy', 'file', 'gpgv'].map((name) => `/usr/lib/apt/methods/${name}`);

/** `env` goes into the image. Throws where this machine has no apt. */
export async function loadAptImage(
  dockerHost: string,
  hostAddress: string,
  packages: readonly TestPackage[],
  env: Readonly<Record<string, string>>,
): Promise<AptImage> {
  const dir = mkdtempSync(join(tmpdir(), 'apt-image-'));
  const archive = await makeArchive(dir, packages);
  const server = createServer((request, response) => {
    const file = archive.get(request.url?.replace(/^\/(\.\/)?/, '') ?? '');
    response.writeHead(file ? 200 : 404).end(file);
  });
  const port = await freePort(hostAddress);
  await new Promise<void>((resolve) => server.listen(port, hostAddress, resolve));
  const close = async () => {
    server.close();
    server.closeAllConnections();
    await callEngine(dockerHost, `/images/${image}?force=1`, { method: 'DELETE' });
    rmSync(dir, { recursive: true, force: true });
  };
  try {
    await buildImage(dockerHost, `deb [trusted=yes] http://${hostAddress}:${port}/ ./\n`, env);
  } catch (error) {
    await close();
    throw error;
  }
  return { image, close };
}

async function buildImage(dockerHost: string, sources: string, env: Readonly<Record<string, string>>): Promise<void> {
  const files = new FileSet();
  const lines = Object.entries(env).map(([name, value]) => `ENV ${name}=${value}\n`);
  files.text('/Dockerfile', `FROM ${baseImageNames.python}\nCOPY root/ /\n${lines.join('')}`);
  // A tree of nothing: all files are the machine's.
  const libraries = await sharedLibraries(new PackageTree('/nonexistent'), [...programs, ...methods]);
  for (const path of [...programs, ...methods]) files.file(`/root${path}`, path);
  for (const { path, source } of libraries) files.file(`/root${path}`, source);
  for (const table of ['cputable', 'ostable', 'tupletable', 'abitable']) {
    files.file(`/root/usr/share/dpkg/${table}`, `/usr/share/dpkg/${table}`);
  }
  files.text('/root/etc/apt/sources.list', sources);
  files.text('/root/usr/sbin/ldconfig', '#!/bin/sh\n', 0o755);
  files.text('/root/etc/passwd', 'root:x:0:0:root:/root:/bin/sh\n_apt:x:42:65534::/nonexistent:/bin/false\n');
  files.text('/root/var/lib/dpkg/status', '');
  for (const folder of ['dpkg/info', 'dpkg/updates', 'apt/lists/partial']) files.folder(`/root/var/lib/${folder}`);
  for (const folder of ['cache/apt/archives/partial', 'log/apt']) files.folder(`/root/var/${folder}`);
  for (const folder of ['apt.conf.d', 'preferences.d', 'trusted.gpg.d']) files.folder(`/root/etc/apt/${folder}`);
  const build = { method: 'POST', body: files.pack(), timeoutMs: 120_000 };
  const answer = await callEngine(dockerHost, `/build?t=${image}&rm=1&forcerm=1`, build);
  if (answer.status !== 200 || answer.text.includes('"error"')) throw new Error(`no image with apt: ${answer.text}`);
}

/** Files of a flat archive by name: https://wiki.debian.org/DebianRepository/Format#Flat_Repository_Format. */
async function makeArchive(dir: string, packages: readonly TestPackage[]): Promise<ReadonlyMap<string, Buffer>> {
  const archive = new Map<string, Buffer>();
  const index: string[] = [];
  for (const { name, depends, files } of packages) {
    const root = join(dir, name);
    const control = `Package: ${name}
Version: 1.0
Architecture: all
Maintainer: test <test@example.com>
${depends === undefined ? '' : `Depends: ${depends}\n`}Description: a stand-in
`;
    for (const [path, text] of Object.entries({ '/DEBIAN/control': control, ...files })) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), text, { mode: path.startsWith('/DEBIAN') ? 0o644 : 0o755 });
    }
    const deb = `${name}_1.0_all.deb`;
    await runProgram('dpkg-deb', ['--root-owner-group', '--build', root, join(dir, deb)]);
    const content = readFileSync(join(dir, deb));
    archive.set(deb, content);
    const sha256 = createHash('sha256').update(content).digest('hex');
    index.push(`${control}Filename: ./${deb}\nSize: ${content.length}\nSHA256: ${sha256}\n`);
  }
  archive.set('Packages', Buffer.from(index.join('\n')));
  return archive;
}
