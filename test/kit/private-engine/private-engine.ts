/**
 * A Docker engine of the tests' own, on a bare Debian machine as root: unpacked beside the system, with its own socket,
 * data, network namespace and control group, and removed without a trace. It can be killed, frozen and started again.
 *
 *     const engine = await startPrivateEngine();
 *     new Docker({ socketPath: engine.socketPath });
 *     await engine.stop();
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs';
import { chmod, mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { hasEnded, killChild } from './child-end.ts';
import { debianPackages, PackageTree } from './debian-packages.ts';
import { suitePackages } from './debian-suite.ts';
import { callEngine } from './engine-api.ts';
import { cgroupOf, createRunFolder, engineProcesses, removeRun, saveRun, sweepLeftovers } from './engine-run.ts';
import { createNetwork, type PrivateNetwork } from './network.ts';
import { isStopped } from './process-table.ts';
import { runProgram } from './run-program.ts';

export interface PrivateEngineOptions {
  /** Default true, as the product asks of operators. */
  readonly liveRestore?: boolean;
  /** Where downloaded packages are kept between runs. */
  readonly cacheDir?: string;
  /** The Debian suite that the engine is of, such as trixie; default this machine's. */
  readonly suite?: string | undefined;
  /** More of daemon.json, such as runtimes. */
  readonly settings?: Readonly<Record<string, unknown>>;
  /** Root of its containers is another user of the machine. */
  readonly userNamespaces?: boolean;
}

/** What the engine and the base images need. Installed packages are used from the machine. */
const packages = ['docker.io', 'iptables', 'busybox-static', 'python3', 'python3-pip-whl', 'python3-setuptools-whl'];
/** Where downloads of the test kit are kept between runs. */
export const defaultCacheDir = join(import.meta.dirname, '../../../node_modules/.cache/botrunner-test');
const startTimeoutMs = 30_000;
const endTimeoutMs = 10_000;

export async function startPrivateEngine(options: PrivateEngineOptions = {}): Promise<PrivateEngine> {
  await sweepLeftovers();
  const tree = await enginePackages(options.cacheDir ?? defaultCacheDir, options.suite);
  const dir = await createRunFolder();
  let network: PrivateNetwork | undefined;
  try {
    network = await createNetwork(dir);
    saveRun(dir, { keeper: network.keeper });
    const engine = new PrivateEngine(dir, tree, network);
    const remap = options.userNamespaces === true ? await engine.prepareSubordinates() : {};
    await engine.prepare(options.liveRestore ?? true, { ...remap, ...options.settings });
    await engine.start();
    return engine;
  } catch (error) {
    await network?.close();
    await removeRun(dir);
    throw error;
  }
}

/**
 * The engine of another suite beside this machine's packages. Its programs are Go and run on an older system; runc, which is
 * not, stays this machine's.
 */
async function enginePackages(cacheDir: string, suite: string | undefined): Promise<PackageTree> {
  const own = await debianPackages(cacheDir, packages);
  if (suite === undefined) return own;
  const newer = await suitePackages(join(cacheDir, 'engine'), suite, ['docker.io', 'containerd']);
  return new PackageTree(own.root, [...newer.values()]);
}

export class PrivateEngine {
  readonly socketPath: string;
  /** For DOCKER_HOST. */
  readonly dockerHost: string;
  /** An address of this machine that containers can reach: servers of tests listen there. */
  readonly hostAddress: string;
  /** Files of the packages the engine came from; base images are made of them. */
  readonly packages: PackageTree;
  /** For `nsenter --net=`: the engine's own firewall and links, for tests that disturb them. */
  readonly namespacePath: string;
  readonly #dir: string;
  readonly #network: PrivateNetwork;
  #daemon: ChildProcess | undefined;
  #subordinates: string | undefined;

  constructor(dir: string, tree: PackageTree, network: PrivateNetwork) {
    this.#dir = dir;
    this.#network = network;
    this.packages = tree;
    this.namespacePath = network.namespacePath;
    this.socketPath = join(dir, 'docker.sock');
    this.dockerHost = `unix://${this.socketPath}`;
    this.hostAddress = network.hostAddress;
  }

  /**
   * Which users of the machine those of containers are is written in /etc, which is not ours: the engine gets a view of the file system in
   * which these two files are its own. Returns its settings.
   */
  async prepareSubordinates(): Promise<Readonly<Record<string, unknown>>> {
    this.#subordinates = join(this.#dir, 'subordinates');
    await writeFile(this.#subordinates, 'nobody:231072:65536\nnogroup:231072:65536\n');
    // Root of a container has to reach its files.
    await chmod(this.#dir, 0o711);
    return { 'userns-remap': 'nobody:nogroup' };
  }

  /** Writes the engine's settings; called once, before the first start. */
  async prepare(liveRestore: boolean, more: Readonly<Record<string, unknown>>): Promise<void> {
    const settings = {
      hosts: [this.dockerHost],
      'data-root': join(this.#dir, 'data'),
      'exec-root': join(this.#dir, 'exec'),
      pidfile: join(this.#dir, 'dockerd.pid'),
      'live-restore': liveRestore,
      // No addresses: the engine takes them as a newly installed one does, whose bridge has no named gateway at first.
      'insecure-registries': [`${this.hostAddress}/32`],
      'cgroup-parent': `/${cgroupOf(this.#dir)}`,
      'exec-opts': ['native.cgroupdriver=cgroupfs'],
      'userland-proxy': false,
      // Before version 23 an engine writes a key to /etc/docker unless set otherwise; later ones have no such setting.
      ...(/ 20\./.test(await runProgram(this.#dockerd(), ['--version'])) && {
        'deprecated-key-path': join(this.#dir, 'key.json'),
      }),
      ...more,
    };
    await writeFile(join(this.#dir, 'daemon.json'), JSON.stringify(settings));
    // Debian makes these names when it installs the package, not in the package.
    const firewall = this.packages.find('/usr/sbin/xtables-nft-multi');
    const bin = join(this.#dir, 'bin');
    await mkdir(bin);
    for (const name of firewall ? ['iptables', 'ip6tables'] : []) await symlink(firewall ?? '', join(bin, name));
  }

  /** Starts the engine, again after `kill`; returns when it answers. */
  async start(): Promise<void> {
    if (this.#daemon) throw new Error('the engine runs already');
    const log = openSync(join(this.#dir, 'dockerd.log'), 'a');
    try {
      // nsenter, not `ip netns exec`: that mounts a new /sys, in which the engine finds no control groups.
      this.#daemon = spawn(
        'nsenter',
        [
          `--net=${this.namespacePath}`,
          ...this.#view(),
          this.#dockerd(),
          '--config-file',
          join(this.#dir, 'daemon.json'),
        ],
        { stdio: ['ignore', log, log], env: await this.#environment(), detached: true },
      );
    } finally {
      closeSync(log);
    }
    const daemon = this.#daemon;
    daemon.on('error', () => {}); // a program that cannot be started has no pid, which hasEnded sees
    daemon.unref();
    const end = performance.now() + startTimeoutMs;
    for (;;) {
      if (hasEnded(daemon)) throw new Error(`dockerd ended: ${this.logTail(3)}`);
      if (performance.now() > end) throw new Error(`dockerd is not up after ${startTimeoutMs} ms: ${this.logTail(3)}`);
      if (await answers(this.dockerHost)) return;
      await pause(10);
    }
  }

  /** Ends the engine by SIGKILL, as a crash would. Containers live on. */
  async kill(): Promise<void> {
    const daemon = this.#running();
    this.#daemon = undefined;
    await killChild(daemon);
    // Its containerd dies with it, a moment later. Both leave files with process numbers, and a next start that finds one
    // of a process not reaped yet waits for it endlessly.
    const end = performance.now() + endTimeoutMs;
    while (engineProcesses(this.#dir).some(({ program }) => program === 'containerd')) {
      if (performance.now() > end) throw new Error(`containerd did not end within ${endTimeoutMs} ms`);
      await pause(10);
    }
    for (const file of ['exec/containerd/containerd.pid', 'dockerd.pid']) {
      await rm(join(this.#dir, file), { force: true });
    }
  }

  /** Stops the engine's process (SIGSTOP): from now on connections are taken and not answered. */
  async freeze(): Promise<void> {
    const daemon = this.#running();
    daemon.kill('SIGSTOP');
    const end = performance.now() + endTimeoutMs;
    while (daemon.pid !== undefined && !isStopped(daemon.pid)) {
      if (performance.now() > end || hasEnded(daemon)) throw new Error('dockerd did not stop');
      await pause(2);
    }
  }

  thaw(): void {
    this.#running().kill('SIGCONT');
  }

  /** Removes everything: containers, engine, network, files. */
  async stop(): Promise<void> {
    if (this.#daemon) await killChild(this.#daemon);
    this.#daemon = undefined;
    await this.#network.close();
    await removeRun(this.#dir);
  }

  /** The last lines of the engine's own log. */
  logTail(lines: number): string {
    return readFileSync(join(this.#dir, 'dockerd.log'), 'utf8').trim().split('\n').slice(-lines).join(' | ');
  }

  /** What runs the engine in a view of the file system of its own. */
  #view(): readonly string[] {
    if (this.#subordinates === undefined) return [];
    const bind = (path: string) => `mount --bind '${this.#subordinates}' ${path}`;
    const script = `${bind('/etc/subuid')} && ${bind('/etc/subgid')} && exec "$@"`;
    return ['unshare', '--mount', '--propagation', 'private', 'sh', '-c', script, 'view'];
  }

  #dockerd(): string {
    return this.packages.find('/usr/sbin/dockerd') ?? 'dockerd';
  }

  #running(): ChildProcess {
    if (!this.#daemon || hasEnded(this.#daemon)) throw new Error('the engine does not run');
    return this.#daemon;
  }

  async #environment(): Promise<NodeJS.ProcessEnv> {
    const libraries = await this.packages.libraryFolders();
    const rules = libraries.map((folder) => join(folder, 'xtables')).find((folder) => existsSync(folder));
    // Nothing of the test's own environment: proxies or DOCKER_ settings there are not for this engine.
    return {
      PATH: `${join(this.#dir, 'bin')}:${this.packages.programPath()}`,
      LD_LIBRARY_PATH: libraries.join(':'),
      ...(rules && { XTABLES_LIBDIR: rules }),
      HOME: this.#dir,
    };
  }
}

async function answers(dockerHost: string): Promise<boolean> {
  try {
    return (await callEngine(dockerHost, '/_ping', { timeoutMs: 2000 })).status === 200;
  } catch {
    return false; // no socket yet, or nobody listens: not up
  }
}
