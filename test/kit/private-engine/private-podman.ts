/**
 * Podman behind its Docker-compatible socket, in place of a Docker engine: unpacked beside the system as that one is, with
 * storage, network, processes and mounts of its own. All of its processes are in one process namespace, so that they end with
 * its first.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readdirSync, readFileSync, rmdirSync } from 'node:fs';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { hasEnded, killChild } from './child-end.ts';
import { debianPackages, PackageTree } from './debian-packages.ts';
import { suitePackages } from './debian-suite.ts';
import { callEngine } from './engine-api.ts';
import { createRunFolder, removeRun, saveRun, sweepLeftovers } from './engine-run.ts';
import type { TestEngine } from './find-engine.ts';
import { createNetwork, type PrivateNetwork } from './network.ts';

/** Podman, and what the base images need. */
const packages = ['podman', 'netavark', 'aardvark-dns', 'catatonit', 'runc', 'iptables'].concat([
  'busybox-static',
  'python3',
  'python3-pip-whl',
  'python3-setuptools-whl',
]);
/** What Podman of another suite needs, with all that its programs are linked with, the C library included. */
const ofSuite = [
  'podman',
  'netavark',
  'aardvark-dns',
  'catatonit',
  'conmon',
  'runc',
  'golang-github-containers-common',
].concat(
  ['libc6', 'libgcc-s1', 'libgpgme11t64', 'libassuan9', 'libgpg-error0', 'libseccomp2', 'libsubid5', 'libsqlite3-0'],
  ['libglib2.0-0t64', 'libpcre2-8-0', 'libsystemd0'],
);
const startTimeoutMs = 30_000;

/** Podman of this machine's Debian suite, or of another one, such as trixie. */
export async function startPrivatePodman(cacheDir: string, suite?: string): Promise<TestEngine> {
  await sweepLeftovers();
  const tree = await podmanPackages(join(cacheDir, 'podman'), suite);
  const dir = await createRunFolder();
  let network: PrivateNetwork | undefined;
  let service: ChildProcess | undefined;
  const stop = async () => {
    if (service) await killChild(service);
    await network?.close();
    await removeRun(dir);
    removeEmptyCgroups();
  };
  try {
    network = await createNetwork(dir);
    saveRun(dir, { keeper: network.keeper });
    await writeSettings(dir, network.hostAddress);
    service = await startService(dir, tree, network);
    const { hostAddress, namespacePath } = network;
    return { dockerHost: `unix://${dir}/docker.sock`, hostAddress, namespacePath, packages: tree, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function podmanPackages(cacheDir: string, suite: string | undefined): Promise<PackageTree> {
  const own = await debianPackages(cacheDir, packages);
  if (suite === undefined) return own;
  const newer = await suitePackages(cacheDir, suite, ofSuite);
  return new PackageTree(own.root, [...newer.values()]);
}

/** Paths are the machine's: the service has its packages in their place. */
async function writeSettings(dir: string, hostAddress: string): Promise<void> {
  await mkdir(join(dir, 'etc'));
  await writeFile(
    join(dir, 'etc/containers.conf'),
    `[containers]
log_driver = "k8s-file"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
init_path = "/usr/bin/catatonit"
runtime = "runc"
conmon_path = ["/usr/bin/conmon"]
helper_binaries_dir = ["/usr/lib/podman", "/usr/libexec/podman"]
tmp_dir = "${dir}/tmp"
static_dir = "${dir}/storage/libpod"
volume_path = "${dir}/storage/volumes"
[engine.runtimes]
runc = ["${dir}/bin/runc"]
[network]
network_backend = "netavark"
firewall_driver = "iptables"
network_config_dir = "${dir}/etc/networks"
`,
  );
  const storage = `[storage]\ndriver = "overlay"\ngraphroot = "${dir}/storage"\nrunroot = "${dir}/run"\n`;
  await writeFile(join(dir, 'etc/storage.conf'), storage);
  // Registries of the tests listen on the host's address, on any port, which only a name's beginning can say.
  const registries = `unqualified-search-registries = ["docker.io"]\n[[registry]]\nprefix = "*.none"\nlocation = "none"\n[[registry]]\nlocation = "${hostAddress}"\ninsecure = true\n`;
  await writeFile(join(dir, 'etc/registries.conf'), registries);
  await mkdir(join(dir, '.config/containers'), { recursive: true });
  await writeFile(join(dir, '.config/containers/policy.json'), '{"default":[{"type":"insecureAcceptAnything"}]}');
}

async function startService(dir: string, tree: PackageTree, network: PrivateNetwork): Promise<ChildProcess> {
  // As in private-engine.ts.
  const firewall = tree.find('/usr/sbin/xtables-nft-multi');
  await mkdir(join(dir, 'bin'));
  for (const name of firewall ? ['iptables', 'ip6tables'] : []) await symlink(firewall ?? '', join(dir, 'bin', name));
  await writeFile(join(dir, 'bin/runc'), withoutProcessLimit('/usr/sbin/runc'), { mode: 0o755 });
  // For itself alone its packages lie over the machine's: it starts itself again without its environment. What it keeps outside
  // of its settings' folders is gone with its mounts.
  const inside = `mount -t overlay usr -o lowerdir=${tree.folders.map((folder) => `${folder}/usr`).join(':')}:/usr /usr && mount -t tmpfs run /run && mount -t tmpfs tmp /var/tmp && exec "$@"`;
  const log = openSync(join(dir, 'podman.log'), 'a');
  const service = spawn(
    'nsenter',
    [
      `--net=${network.namespacePath}`,
      'unshare',
      '--pid',
      '--fork',
      '--kill-child',
      '--mount-proc',
      '--propagation=private',
    ].concat([
      '--',
      'sh',
      '-c',
      inside,
      'podman',
      '/usr/bin/podman',
      'system',
      'service',
      '--time=0',
      `unix://${dir}/docker.sock`,
    ]),
    {
      stdio: ['ignore', log, log],
      // Where conmon writes that a container ran out of memory, in some of its versions.
      cwd: dir,
      detached: true,
      env: {
        PATH: `${join(dir, 'bin')}:${tree.programPath()}`,
        HOME: dir,
        CONTAINERS_CONF: join(dir, 'etc/containers.conf'),
        CONTAINERS_STORAGE_CONF: join(dir, 'etc/storage.conf'),
        CONTAINERS_REGISTRIES_CONF: join(dir, 'etc/registries.conf'),
      },
    },
  );
  closeSync(log);
  service.on('error', () => {}); // as in private-engine.ts
  service.unref();
  const end = performance.now() + startTimeoutMs;
  for (;;) {
    const tail = () => readFileSync(join(dir, 'podman.log'), 'utf8').trim().split('\n').slice(-3).join(' | ');
    if (hasEnded(service)) throw new Error(`podman ended: ${tail()}`);
    if (performance.now() > end) throw new Error(`podman is not up after ${startTimeoutMs} ms: ${tail()}`);
    try {
      if ((await callEngine(`unix://${dir}/docker.sock`, '/_ping', { timeoutMs: 2000 })).status === 200) return service;
    } catch {
      // Not up yet.
    }
    await pause(20);
  }
}

/** Podman asks for more processes than root may have on a machine that withholds CAP_SYS_RESOURCE; nothing here needs them. */
const withoutProcessLimit = (runc: string): string => `#!/bin/sh
before=
bundle=
for word in "$@"; do
  if [ "$before" = --bundle ]; then bundle=$word; fi
  before=$word
done
if [ -n "$bundle" ]; then
  sed -i -E 's/\\{"type":"RLIMIT_NPROC"[^}]*\\},//; s/,?\\{"type":"RLIMIT_NPROC"[^}]*\\}//' "$bundle/config.json"
fi
exec ${runc} "$@"
`;

/** Podman has one name for the control groups of all containers of a machine. */
function removeEmptyCgroups(): void {
  for (const root of ['/sys/fs/cgroup', ...readdirSync('/sys/fs/cgroup').map((name) => `/sys/fs/cgroup/${name}`)]) {
    const parent = join(root, 'libpod_parent');
    if (!existsSync(parent)) continue;
    for (const name of readdirSync(parent, { withFileTypes: true }).filter((entry) => entry.isDirectory())) {
      removeIfEmpty(join(parent, name.name));
    }
    removeIfEmpty(parent);
  }
}

function removeIfEmpty(folder: string): void {
  try {
    rmdirSync(folder);
  } catch {
    // In use by another Podman of this machine.
  }
}
