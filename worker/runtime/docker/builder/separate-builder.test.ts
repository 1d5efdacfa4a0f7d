import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { silentLogger } from '#common/log.ts';
import { Secret } from '#common/secret.ts';
import { createManualClock, type ManualClock } from '../../../../test/kit/manual-clock.ts';
import { noneTaken } from '../../strays.ts';
import { createEngineClient } from '../engine-client.ts';
import { createSeparateBuilders, type SeparateBuilderDeps, type SeparateBuilders } from './separate-builder.ts';

const signal = AbortSignal.timeout(60_000);
const framed = (text: string): Buffer => {
  const header = Buffer.alloc(8);
  header[0] = 1;
  header.writeUInt32BE(Buffer.byteLength(text), 4);
  return Buffer.concat([header, Buffer.from(text)]);
};
const version = JSON.stringify({ ApiVersion: '1.41', Version: '20.10' });

/** An engine whose containers are their names, and are removed when a test says so. */
let server: Server;
let containers: Set<string>;
/** The name of the last builder, and of its volume. */
let lastMade = '';
let removed: string[];
/** Of builders. */
let removals: number;
let removing: (name: string) => Promise<void>;
/** Volumes with which the engine of a builder does not start, until they are removed. */
let damaged: Set<string>;
let clock: ManualClock;
let builders: SeparateBuilders;

beforeEach(async () => {
  containers = new Set();
  removed = [];
  removals = 0;
  damaged = new Set();
  clock = createManualClock();
  removing = async () => {};
  let count = 0;
  const answer = async (method: string, url: URL, response: ServerResponse) => {
    const [, , kind = '', name = '', what = ''] = url.pathname.split('/');
    const say = (status: number, body: unknown) => response.writeHead(status).end(JSON.stringify(body));
    if (url.pathname === '/version') return response.end(version);
    if (kind === 'containers' && name === 'create') {
      count += 1;
      const wanted = url.searchParams.get('name') ?? `short-${count}`;
      if (containers.has(wanted)) return say(409, { message: `the name ${wanted} is in use` });
      containers.add(wanted);
      if (!wanted.startsWith('short-')) lastMade = wanted;
      return say(201, { Id: wanted });
    }
    if (kind === 'containers' && method === 'DELETE') {
      if (!containers.has(name)) return say(404, { message: 'no such container' });
      if (removed.includes(name)) return say(409, { message: 'removal is in progress' });
      removed.push(name);
      if (!name.startsWith('short-')) removals += 1;
      if (!name.startsWith('short-')) await removing(name);
      containers.delete(name);
      removed.splice(removed.indexOf(name), 1);
      return say(200, {});
    }
    if (what === 'archive') return response.end(Buffer.alloc(1024));
    if (what === 'logs') return response.end();
    if (what === 'json') return say(200, { State: { Running: containers.has(name) && !damaged.has(name) } });
    if (kind === 'volumes' && method === 'DELETE') return say(damaged.delete(name) ? 204 : 404, {});
    return say(200, name === 'json' && kind === 'containers' ? [] : { StatusCode: 0, NCPU: 2, Id: 'exec' });
  };
  server = createServer((request, response) => {
    void answer(request.method ?? '', new URL(request.url ?? '', 'http://engine'), response);
  });
  server.on('upgrade', (_request, socket: Socket) => {
    socket.on('error', () => {});
    if (damaged.size > 0) return void socket.destroy();
    socket.write('HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n');
    socket.on('data', () =>
      socket.write(framed(`HTTP/1.1 200 OK\r\nContent-Length: ${version.length}\r\n\r\n${version}`)),
    );
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo; // it listens at a port
  const deps: Partial<SeparateBuilderDeps> = {
    engine: createEngineClient(`tcp://127.0.0.1:${port}`),
    address: { host: '127.0.0.1', port },
    image: 'docker:dind',
    limits: { memoryBytes: 1, cpuMillis: 1, diskBytes: 1 },
    proxy: undefined,
    workerId: 'w1',
    signingKey: new Secret(Buffer.alloc(32)),
    networks: {
      ensure: async () => 'net',
      during: (_userId, _use, work) => work(),
    } as Partial<SeparateBuilderDeps['networks']> as SeparateBuilderDeps['networks'], // nothing else of them is asked for
    firewall: { ready: async () => {} } as Partial<SeparateBuilderDeps['firewall']> as SeparateBuilderDeps['firewall'], // the same
    clock,
    owner: { workerId: 'w1', signingKey: new Secret(Buffer.alloc(32)), taken: noneTaken('w1') },
    logger: silentLogger,
  };
  builders = createSeparateBuilders(deps as SeparateBuilderDeps); // no image is lent, and none is pulled
});

afterEach(async () => {
  await builders.close(signal);
  server.closeAllConnections();
  server.close();
});

const build = (userId: string, work: () => Promise<void> = async () => {}) => builders.during(userId, signal, work);

it('a builder in which a build has begun stays while another is removed, which is then made again', async () => {
  await Promise.all([build('a'), build('b')]);
  const slow = Promise.withResolvers<void>();
  removing = () => slow.promise;
  clock.advance(600_000);
  await expect.poll(() => removed.length).toBe(1);
  const ended = Promise.withResolvers<void>();
  const begun: string[] = [];
  const again = ['a', 'b'].map((userId) =>
    build(userId, () => {
      begun.push(userId);
      return ended.promise;
    }),
  );
  await expect.poll(() => begun.length).toBe(1);
  slow.resolve();
  await expect.poll(() => begun.length).toBe(2);
  expect(removals).toBe(1);
  ended.resolve();
  await Promise.all(again);
});

it('a builder whose engine does not start with what its user’s builds have left is made again without it', async () => {
  await build('a');
  await builders.close(signal);
  damaged = new Set([lastMade]);
  const used: string[] = [];
  await build('a', async () => void used.push('a'));
  expect(used).toEqual(['a']);
  expect(damaged).toEqual(new Set());
});
