/** Runs scenarios and keeps what they print. */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { homedir, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { freePort } from '../../../scripts/platform/free-port.ts';
import { loadBaseImages } from '../../kit/base-images/base-images.ts';
import { startFakeTelegram } from '../../kit/fake-telegram/fake-telegram.ts';
import { startGitServer } from '../../kit/git-server/git-server.ts';
import { type NpmPackage, npmPackages } from '../../kit/package-index/npm-packages.ts';
import { startNpmRegistry } from '../../kit/package-index/npm-registry.ts';
import { startPackageIndex } from '../../kit/package-index/package-index.ts';
import { pipPackages } from '../../kit/package-index/pip-packages.ts';
import { createWheel } from '../../kit/package-index/wheel.ts';
import { startPrivateEngine } from '../../kit/private-engine/private-engine.ts';
import { runProgram } from '../../kit/private-engine/run-program.ts';
import { startRegistry, type TestRegistry } from '../../kit/registry/registry.ts';
import { startFakeDiscord } from './fake-discord.ts';
import type { Scenario, Servers } from './scenario.ts';

const token = '123456789:AAtoken-token-token-token-token-00001';
const scenarioLimitMs = 60_000;

export interface Printed {
  readonly output: string;
  readonly exitCode: number | null;
  readonly versions: string;
  readonly command: string;
}

export interface Workshop {
  run(scenario: Scenario): Promise<Printed>;
  close(): Promise<void>;
}

/** `withDocker`: with a private engine and registries, which take a while to start. */
export async function openWorkshop(withDocker: boolean): Promise<Workshop> {
  const root = await mkdtemp(join(tmpdir(), 'diagnoses-'));
  const telegram = await startFakeTelegram({ host: '127.0.0.1', tokens: [token] });
  const discord = await startFakeDiscord();
  const wheel = (name: string, version: string, requires: readonly string[] = [], requiresPython = '>=3.8') =>
    createWheel({
      name,
      version,
      requires,
      requiresPython,
      files: new Map([[`${name}.py`, Buffer.alloc(100_000, '#')]]),
    });
  const pipIndex = await startPackageIndex({
    host: '127.0.0.1',
    wheels: [
      wheel('aiogram', '3.4.1'),
      wheel('aiogram', '3.5.0'),
      wheel('alpha', '1.0', ['shared==1.0']),
      wheel('beta', '1.0', ['shared==2.0']),
      wheel('shared', '1.0'),
      wheel('shared', '2.0'),
      wheel('modern', '1.0', [], '>=3.99'),
    ],
  });
  const npmRegistry = await startNpmRegistry('127.0.0.1', await smallPackages(root));
  const gitServer = await startGitServer();
  await gitServer.commit('bot.git', 'main', { 'bot.py': 'print(1)\n' });
  const lockedGitServer = await startGitServer({ credentials: { username: 'ann', password: 'right' } });
  await lockedGitServer.commit('bot.git', 'main', { 'bot.py': 'print(1)\n' });
  const untrusted = await startUntrusted(root);
  const docker = withDocker ? await startDocker() : undefined;
  const servers: Servers = {
    docker: docker?.servers,
    telegram,
    token,
    pipIndex: pipIndex.url,
    npmRegistry: npmRegistry.url,
    gitServer: gitServer.url,
    lockedGitServer: lockedGitServer.url,
    untrusted: untrusted.url,
    discord: discord.url,
    closed: `http://127.0.0.1:${await freePort('127.0.0.1')}`,
  };
  const all = [
    telegram,
    discord,
    pipIndex,
    npmRegistry,
    gitServer,
    lockedGitServer,
    untrusted,
    ...(docker ? [docker] : []),
  ];
  return {
    run: (scenario) => runScenario(scenario, servers, root),
    async close() {
      for (const server of all) await server.close();
      await rm(root, { recursive: true, force: true });
    },
  };
}

async function startDocker() {
  const engine = await startPrivateEngine();
  const registries: TestRegistry[] = [];
  const close = async () => {
    for (const registry of registries) await registry.close();
    await engine.stop();
  };
  try {
    await loadBaseImages(engine.dockerHost, engine.packages, ['python']);
    for (const open of [false, true]) registries.push(await startRegistry(engine.hostAddress, { open }));
  } catch (error) {
    await close();
    throw error;
  }
  const [registry = '', openRegistry = ''] = registries.map(({ address }) => address);
  return { servers: { host: engine.dockerHost, address: engine.hostAddress, registry, openRegistry }, close };
}

/** Packages of npm that need nothing: two that want different versions of a third, and one for a Node of the future. */
async function smallPackages(root: string): Promise<readonly NpmPackage[]> {
  const sources = [
    { name: 'grammy', version: '1.30.0' },
    { name: 'shared', version: '1.0.0' },
    { name: 'shared', version: '2.0.0' },
    { name: 'gamma', version: '1.0.0', peerDependencies: { shared: '^1.0.0' } },
    { name: 'delta', version: '1.0.0', peerDependencies: { shared: '^2.0.0' } },
    { name: 'modern', version: '1.0.0', engines: { node: '>=99' } },
  ];
  return Promise.all(
    sources.map(async (manifest) => {
      const folder = join(root, 'npm', `${manifest.name}-${manifest.version}`);
      await mkdir(join(folder, 'package'), { recursive: true });
      await writeFile(join(folder, 'package', 'package.json'), JSON.stringify(manifest));
      const file = join(folder, 'package.tgz');
      await runProgram('tar', ['-czf', file, '-C', folder, 'package']);
      const content = await readFile(file);
      const integrity = `sha512-${createHash('sha512').update(content).digest('base64')}`;
      const shasum = createHash('sha1').update(content).digest('hex');
      return { name: manifest.name, version: manifest.version, integrity, shasum, manifest, file };
    }),
  );
}

async function startUntrusted(root: string) {
  const [key, cert] = [join(root, 'key.pem'), join(root, 'cert.pem')];
  const subject = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1'];
  await runProgram('openssl', [
    'req',
    '-x509',
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-keyout',
    key,
    '-out',
    cert,
    '-days',
    '1',
    ...subject,
  ]);
  const server = createServer({ key: await readFile(key), cert: await readFile(cert) }, (_, response) =>
    response.end(),
  );
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  // A TCP server that listens has an AddressInfo.
  const { port } = server.address() as AddressInfo;
  return {
    url: `https://127.0.0.1:${port}`,
    async close() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

async function runScenario(scenario: Scenario, servers: Servers, root: string): Promise<Printed> {
  const place = await mkdtemp(join(root, 'run-'));
  const [app, bin] = [join(place, 'app'), join(place, 'bin')];
  await mkdir(app, { recursive: true });
  await mkdir(bin);
  for (const [name, content] of Object.entries(scenario.files ?? {})) {
    await mkdir(dirname(join(app, name)), { recursive: true });
    await writeFile(join(app, name), content, { mode: scenario.executable?.includes(name) ? 0o755 : 0o644 });
  }
  const python = findPython(scenario.python ?? '3.11', scenario.nobody === true);
  await symlink(python, join(bin, 'python'));
  await symlink(python, join(bin, 'python3'));
  if (scenario.newNode) await symlink(process.execPath, join(bin, 'node'));
  const folders: string[] = [];
  for (const requirement of scenario.pip ?? [])
    folders.push((await pipPackages([requirement], scenario.python ?? '3.11')).folder);
  if (scenario.npm) await installNpm(app, scenario.npm);
  await runProgram('chmod', ['-R', 'a+rwX', place]);
  // Users other than root must be able to pass.
  await chmod(root, 0o755);
  const undo = await scenario.around?.(servers);
  try {
    const argv = scenario.argv(servers);
    const env = {
      PATH: `${bin}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin`,
      HOME: place,
      LANG: 'C.UTF-8',
      PYTHONDONTWRITEBYTECODE: '1',
      PYTHONUNBUFFERED: '1',
      ...(folders.length === 0 ? {} : { PYTHONPATH: folders.join(':') }),
      ...scenario.env?.(servers),
    };
    const { output, exitCode } = await runToEnd(scenario, wrapped(scenario, argv), app, env);
    const clean = createNormaliser(servers, place, app, folders, python);
    return {
      output: clean(output),
      exitCode,
      versions: await versionsOf(scenario, servers, bin, python),
      command: clean(shown(argv)),
    };
  } finally {
    await undo?.();
    await rm(place, { recursive: true, force: true });
  }
}

const shown = (argv: readonly string[]): string =>
  argv.map((part) => (/^[\w./:=@+-]+$/.test(part) ? part : `'${part}'`)).join(' ');

/** What a refusal by the firewall is to a program: "No route to host", over IPv6 "Permission denied". */
const refusing = 'ip route add unreachable 10.0.0.0/8; ip -6 route add prohibit fd00::/8; ';

function wrapped({ offline, refused, nobody }: Scenario, argv: readonly string[]): readonly string[] {
  const joined = ['sh', '-c', 'exec "$@" 2>&1', 'sh', ...argv];
  const asNobody = nobody ? ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', ...joined] : joined;
  if (!offline && !refused) return asNobody;
  return ['unshare', '-n', 'sh', '-c', `ip link set lo up; ${refused ? refusing : ''}exec "$@"`, 'sh', ...asNobody];
}

async function runToEnd(
  { name, until }: Scenario,
  argv: readonly string[],
  cwd: string,
  env: NodeJS.ProcessEnv,
): Promise<{ readonly output: string; readonly exitCode: number | null }> {
  const [program = '', ...args] = argv;
  const child = spawn(program, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  let output = '';
  const kill = () => {
    // The whole group: what it has started too.
    try {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
    } catch {
      // It has ended on its own.
    }
  };
  const take = (chunk: Buffer) => {
    output += chunk.toString();
    // The rest of what is being printed comes with the next turn.
    if (until?.test(output)) setTimeout(kill, 300);
  };
  child.stdout.on('data', take);
  child.stderr.on('data', take);
  const limit = setTimeout(kill, scenarioLimitMs);
  const [exitCode] = (await once(child, 'close')) as [number | null];
  clearTimeout(limit);
  if (output === '') throw new Error(`${name} printed nothing`);
  return { output, exitCode };
}

/** Installs real packages beside the program, from a registry on the loopback. */
async function installNpm(app: string, requirements: readonly string[]): Promise<void> {
  const packages = (await Promise.all(requirements.map(npmPackages))).flat();
  const registry = await startNpmRegistry('127.0.0.1', packages);
  try {
    await writeFile(join(app, 'package.json'), '{"name":"bot","private":true}');
    const options = ['--no-audit', '--no-fund', '--ignore-scripts', `--registry=${registry.url}`];
    await runProgram('npm', ['install', ...options, ...requirements], { cwd: app, timeoutMs: 120_000 });
  } finally {
    await registry.close();
  }
}

/** `shared`: one that users other than root may run. */
function findPython(version: string, shared: boolean): string {
  const folder = join(homedir(), '.pyenv', 'versions');
  const found =
    !shared && existsSync(folder) ? readdirSync(folder).find((name) => name.startsWith(`${version}.`)) : undefined;
  if (found !== undefined) return join(folder, found, 'bin', 'python');
  const system = `/usr/bin/python${version}`;
  if (existsSync(system)) return system;
  throw new Error(`there is no Python ${version} here`);
}

const firstLine = async (program: string, args: readonly string[]) =>
  ((await runProgram(program, args)).split('\n')[0] ?? '').replace(/ from \/.*$/, '').trim();

async function versionsOf(
  { pip = [], npm = [], argv, kind, docker, env }: Scenario,
  servers: Servers,
  bin: string,
  python: string,
): Promise<string> {
  const found: string[] = [];
  // Only its words are looked at, not its addresses.
  const words = String(argv);
  if (/python|\.sh|\.\/bot/.test(words) || pip.length > 0) found.push(await firstLine(python, ['--version']));
  if (/pip/.test(words)) found.push(await firstLine(python, ['-m', 'pip', '--version']));
  if (/'node'|"node"|'npm'|"npm"/.test(words)) {
    const node = existsSync(join(bin, 'node')) ? join(bin, 'node') : 'node';
    found.push(`Node ${await firstLine(node, ['--version'])}`);
  }
  if (/'npm'|"npm"/.test(words)) found.push(`npm ${await firstLine('npm', ['--version'])}`);
  if (docker) {
    const version = ['version', '--format', 'Docker Engine {{.Server.Version}}, CLI {{.Client.Version}}'];
    return runProgram('docker', version, { env: { ...process.env, ...env?.(servers) } }).then((text) => text.trim());
  }
  if (kind === 'git') found.push(await firstLine('git', ['--version']));
  for (const requirement of pip) {
    const { wheels } = await pipPackages([requirement], '3.11');
    const name = /^[\w.-]+/
      .exec(requirement)?.[0]
      ?.replace(/[-_.]+/g, '-')
      .toLowerCase();
    const file = wheels.find(({ project }) => project === name)?.fileName.split('-');
    found.push(`${name} ${file?.[1]}`);
  }
  for (const requirement of npm) {
    const name = requirement.split('@')[0];
    found.push(`${name} ${(await npmPackages(requirement)).find((one) => one.name === name)?.version}`);
  }
  return found.join(', ') || 'sh of Debian 12';
}

/** Takes this machine, this run and its time out of a text. */
function createNormaliser(servers: Servers, place: string, app: string, folders: readonly string[], python: string) {
  const version = /python(?:3\.\d+)?$/.test(python) ? (/versions\/(3\.\d+)/.exec(python)?.[1] ?? '3.11') : '3.11';
  const prefix = dirname(dirname(python));
  const names: readonly (readonly [string, string])[] = [
    [app, '/app'],
    [place, '/tmp/build'],
    ...folders.map((folder) => [folder, `/usr/local/lib/python${version}/site-packages`] as const),
    ...(prefix === '/usr' ? [] : [[prefix, '/usr/local'] as const]),
    [servers.telegram.url, 'http://127.0.0.1:8081'],
    [servers.discord, 'http://127.0.0.1:8082'],
    [servers.pipIndex, 'http://127.0.0.1:3141/simple/'],
    [servers.npmRegistry, 'http://127.0.0.1:4873/'],
    [servers.gitServer, 'http://127.0.0.1:8080'],
    [servers.lockedGitServer, 'http://127.0.0.1:8090'],
    [servers.untrusted, 'https://127.0.0.1:8443'],
    [servers.closed, 'http://127.0.0.1:9999'],
    [servers.token, '[masked]'],
    ...(servers.docker === undefined
      ? []
      : ([
          [servers.docker.registry, 'registry.lan:5000'],
          [servers.docker.openRegistry, 'registry.lan:5001'],
          [servers.docker.address, 'registry.lan'],
        ] as const)),
  ];
  const ports = names.flatMap(([from, to]) => {
    const [port, as] = [/:(\d+)\/?/.exec(from.slice(8))?.[1], /:(\d+)/.exec(to.slice(8))?.[1]];
    return port === undefined || as === undefined ? [] : [[port, as] as const];
  });
  return (text: string) => {
    let clean = text;
    for (const [from, to] of names) clean = clean.replaceAll(from, to);
    for (const [port, as] of ports) clean = clean.replace(new RegExp(`\\b${port}\\b`, 'g'), as);
    return clean
      .replace(/\b123456789:AA[\w-]+/g, '[masked]')
      .replace(/\/tmp\/pip-([a-z-]+)-\w{8}/g, '/tmp/pip-$1')
      .replaceAll('www.npmjs.com', 'registry.example.com')
      .replace(/\[\d+:0x/g, '[1:0x')
      .replace(/( EADDRINUSE: .*:|port: )\d{5}\b/g, '$140000')
      .replaceAll(process.execPath, '/usr/local/bin/node')
      .replace(/\d{4}-\d\d-\d\d([ T_])\d\d[:_]\d\d[:_]\d\d([,._]\d+)?/g, '2026-01-01$100:00:00')
      .replace(/\b[0-9a-f]{12}\b|\b[0-9a-f]{64}\b/g, (id) => '0123456789abcdef'.repeat(4).slice(0, id.length))
      .replace(/0x[0-9a-f]{6,16}/g, '0x7f0000000000')
      .replace(/(at `?|\()\/[\w./-]*?\/(node_modules\/)/g, '$1/app/$2');
  };
}
