/**
 * What an engine's container reaches, tested with one: this machine, and the package index. No engine setting shows it.
 * The gateway of its bridge may be unnamed (an engine's first boot), in another network namespace (rootless) or in a virtual
 * machine (Docker Desktop); a firewall may be in between; and an index that this machine reaches a container may not.
 */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { networkInterfaces } from 'node:os';
import { silentLogger } from '#common/log.ts';
import { list, record, text } from '../../worker/runtime/docker/answers.ts';
import { createEngineClient, type EngineClient } from '../../worker/runtime/docker/engine-client.ts';
import { createBotNetworks } from '../../worker/runtime/docker/network.ts';
import { defaultSubnets } from '../../worker/runtime/docker/subnets.ts';

/** An address of this machine, and what containers call it. */
export interface HostAddress {
  readonly listen: string;
  readonly called: string;
}

export interface ProbeOptions {
  readonly dockerHost: string;
  /** What the networks of bots are called at the beginning: the container is in one like theirs. */
  readonly network: string;
  /** An image that the engine has, with Python or with Node.js in it. */
  readonly image: string;
  readonly language: 'python' | 'node';
  /** As in builds. */
  readonly env: Readonly<Record<string, string>>;
}

export interface Reached {
  /** Where a container reached this machine; undefined where it reached it at no address. */
  readonly address: HostAddress | undefined;
  /** Whether pip finds aiogram; false for Node.js, where nothing depends on it. */
  readonly index: boolean;
}

const candidatesMax = 8;
const limitMs = 60_000;

/**
 * The container's answer is its exit code, so that no log has to be read: answered, plus the number from 1 of the first
 * address that took a connection (0: none), plus indexFound.
 */
const answered = 64;
const indexFound = 16;

/** Arguments: addresses as HOST:PORT. */
const programs = {
  python: [
    'python3',
    '-c',
    `import socket, subprocess, sys

def reached():
    for number, address in enumerate(sys.argv[1:], 1):
        host, port = address.rsplit(":", 1)
        try:
            socket.create_connection((host, int(port)), 2).close()
            return number
        except OSError:
            pass
    return 0

pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--timeout", "5", "--retries", "0"]
find = [*pip, "index", "versions", "aiogram"]
index = ${indexFound} if subprocess.run(find, capture_output=True).returncode == 0 else 0
sys.exit(${answered} + reached() + index)`,
  ],
  node: [
    'node',
    '-e',
    `const attempt = ([address, ...rest], number) => {
  if (address === undefined) process.exit(${answered});
  const [host, port] = address.split(":");
  const socket = require("net").connect(Number(port), host, () => process.exit(${answered} + number));
  socket.setTimeout(2000, () => socket.destroy());
  socket.on("error", () => {}).on("close", () => attempt(rest, number + 1));
};
attempt(process.argv.slice(1), 1);`,
  ],
} as const;

/** Throws when the engine cannot run the container. */
export async function probeFromContainer(options: ProbeOptions, signal: AbortSignal): Promise<Reached> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(limitMs)]);
  const engine = createEngineClient(options.dockerHost);
  const networkOptions = { base: options.network, workerId: randomBytes(6).toString('hex'), subnets: defaultSubnets };
  const network = await createBotNetworks(engine, networkOptions, silentLogger).ensure('demo', 'bots', limit);
  const open: { readonly address: HostAddress; readonly server: Server }[] = [];
  try {
    for (const address of candidates(await defaultGateway(engine, limit))) {
      const server = await listenOn(address.listen);
      if (server !== undefined) open.push({ address, server });
    }
    const names = open.map(({ address, server }) => `${address.called}:${portOf(server)}`);
    const code = await runOnce(engine, { ...options, network }, [...programs[options.language], ...names], limit);
    if (code < answered) throw new Error(`${options.image} cannot be tried: its container ended with code ${code}`);
    return { address: open[((code - answered) % indexFound) - 1]?.address, index: code >= answered + indexFound };
  } finally {
    for (const { server } of open) server.close();
    await engine.call({ method: 'DELETE', path: `/networks/${network}` }, AbortSignal.timeout(limitMs));
  }
}

/** Of the network that every engine has, if it says so: unlike those of bots it stays. */
async function defaultGateway(engine: EngineClient, signal: AbortSignal): Promise<string> {
  const found = list(await engine.call({ method: 'GET', path: '/networks' }, signal)).map(record);
  const standard = found.find(({ Name }) => Name === 'bridge' || Name === 'podman');
  return text(record(list(record(standard?.['IPAM'])['Config'])[0])['Gateway']);
}

// A TCP server that listens has an AddressInfo.
const portOf = (server: Server): number => (server.address() as AddressInfo).port;

function candidates(gateway: string): readonly HostAddress[] {
  const own = Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .filter(({ family, internal }) => family === 'IPv4' && !internal)
    .map(({ address }) => address);
  const addresses = new Set([...(gateway === '' ? [] : [gateway]), ...own]);
  return [
    ...[...addresses].slice(0, candidatesMax).map((address) => ({ listen: address, called: address })),
    // Docker Desktop's name for the loopback of the machine around its virtual one.
    { listen: '127.0.0.1', called: 'host.docker.internal' },
  ];
}

/** Undefined for an address that is not one of this machine. */
async function listenOn(host: string): Promise<Server | undefined> {
  const server = createServer((socket) => socket.on('error', () => socket.destroy()).end());
  server.listen(0, host);
  try {
    await once(server, 'listening');
    return server;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EADDRNOTAVAIL') return undefined;
    throw error;
  }
}

/** Runs a command in a container on the bots' network; its exit code. Nothing of it is left. */
async function runOnce(
  engine: EngineClient,
  { image, network, env }: ProbeOptions,
  command: readonly string[],
  signal: AbortSignal,
): Promise<number> {
  const name = `bot_runner_demo_${randomBytes(6).toString('hex')}`;
  const body = {
    Image: image,
    Entrypoint: command,
    Env: Object.entries(env).map(([key, value]) => `${key}=${value}`),
    HostConfig: { NetworkMode: network, CapDrop: ['ALL'] },
  };
  await engine.call({ method: 'POST', path: '/containers/create', query: { name }, body }, signal);
  try {
    await engine.call({ method: 'POST', path: `/containers/${name}/start` }, signal);
    const ended = await engine.call(
      { method: 'POST', path: `/containers/${name}/wait`, slow: true, timeoutMs: limitMs },
      signal,
    );
    return (ended as { readonly StatusCode: number }).StatusCode;
  } finally {
    const query = { force: true, v: true };
    await engine.call({ method: 'DELETE', path: `/containers/${name}`, query }, AbortSignal.timeout(limitMs));
  }
}
