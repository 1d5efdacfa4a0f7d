/**
 * A small world around a private engine, for tests of what its containers reach: a network namespace with a host that has a
 * public address, one on a LAN, and the metadata address of clouds. Nothing leads from it to this machine's own networks, and
 * of the public addresses only those for documentation are used, which nobody owns.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { killChild } from './private-engine/child-end.ts';
import { runProgram } from './private-engine/run-program.ts';

export const world = {
  /** RFC 5737 and RFC 3849. */
  public: '198.51.100.9',
  orchestrator: '198.51.100.10',
  public6: '2001:db8:9::9',
  lan: '192.168.77.7',
  lan6: 'fd77::7',
  metadata: '169.254.169.254',
} as const;

/** Every TCP port of the world that takes connections, and says "reached" on them. */
export const worldPorts = [25, 53, 80, 443, 587, 853, 6379, 8000] as const;

export interface NetworkWorld {
  /** A port of the engine's own host that takes connections, on all of its addresses. */
  readonly hostPort: number;
  /** Addresses of containers with IPv6 for which the world has a way back. */
  readonly containers6: string;
  /** Gives the world another address; from the engine's network it leads nowhere else. */
  add(address: string): Promise<void>;
  close(): Promise<void>;
}

const link = 'world0';
const containers6 = 'fd78::/64';

const listener = (ports: readonly number[]) => `
const net = require('node:net');
let waiting = ${ports.length};
for (const port of ${JSON.stringify(ports)})
  net.createServer((socket) => { socket.on('error', () => {}); socket.end('reached'); })
    .listen({ port, host: '::', ipv6Only: false }, () => { waiting -= 1; if (waiting === 0) console.log('ready'); });`;

/** `namespacePath`: the engine's. Only one test file at a time can have a world on an engine. */
export async function startNetworkWorld(namespacePath: string): Promise<NetworkWorld> {
  const keeper = spawn('unshare', ['--net', 'sh', '-c', 'echo ready; read -r _'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const children: ChildProcess[] = [keeper];
  const close = async () => {
    for (const child of children.reverse()) await killChild(child);
  };
  const within = (path: string) => async (command: string) =>
    runProgram('nsenter', [`--net=${path}`, 'ip', ...command.split(' ')]);
  try {
    await once(keeper.stdout, 'data');
    const outside = `/proc/${keeper.pid}/ns/net`;
    const engine = within(namespacePath);
    const there = within(outside);
    await engine(`link add ${link} type veth peer name eth0 netns ${keeper.pid}`);
    await engine(`address add 203.0.113.1/24 dev ${link}`);
    await engine(`address add 2001:db8:1::1/64 dev ${link} nodad`);
    await engine(`link set ${link} up`);
    await there('link set lo up');
    await there('address add 203.0.113.2/24 dev eth0');
    await there('address add 2001:db8:1::2/64 dev eth0 nodad');
    await there('link set eth0 up');
    const add = async (address: string) => {
      const bits = address.includes(':') ? 128 : 32;
      await there(`address add ${address}/${bits} dev lo`);
      await engine(`route add ${address}/${bits} via ${bits === 32 ? '203.0.113.2' : '2001:db8:1::2'}`);
    };
    for (const address of Object.values(world)) await add(address);
    // Linux sends a host one ICMP error a second at most; tests try many places.
    await runProgram('nsenter', [
      `--net=${namespacePath}`,
      'sh',
      '-c',
      'echo 0 > /proc/sys/net/ipv4/icmp_ratelimit; echo 0 > /proc/sys/net/ipv6/icmp/ratelimit',
    ]);
    await there(`route add ${containers6} via 2001:db8:1::1`);
    const hostPort = 7000;
    for (const [path, ports] of [[outside, worldPorts] as const, [namespacePath, [hostPort]] as const]) {
      const server = spawn('nsenter', [`--net=${path}`, process.execPath, '-e', listener(ports)], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      children.push(server);
      await once(server.stdout, 'data');
    }
    return { hostPort, containers6, add, close };
  } catch (error) {
    await close();
    throw error;
  }
}
