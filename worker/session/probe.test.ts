/** Why an orchestrator cannot be dialled, found out from real sockets with real certificates. */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createHttpServer, type Server as HttpServer } from 'node:http';
import { createServer as createHttp2Server, createSecureServer } from 'node:http2';
import { createServer as createHttpsServer } from 'node:https';
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { describeConnectionFailure } from '#common/connection-failure.ts';
import { silentLogger } from '#common/log.ts';
import { probe } from './probe.ts';
import { createTrustedRoots, rootsFilesOf } from './trusted-roots.ts';

let dir: string;
const servers: Server[] = [];
const sockets = new Set<Socket>();
const never = new AbortController().signal;

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'probe-'));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));
afterEach(async () => {
  delete process.env['GRPC_DEFAULT_SSL_ROOTS_FILE_PATH'];
  for (const socket of sockets) socket.destroy();
  for (const server of servers.splice(0)) await new Promise((resolve) => server.close(resolve));
});

const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: dir, stdio: 'ignore' });
const hasOpenssl = (() => {
  try {
    execFileSync('openssl', ['version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
})();

/** A certificate for these names that is self-signed, or issued by an authority of its own. */
function certificate(name: string, names: string, options: { authority?: boolean; days?: string[] } = {}) {
  const { authority = false, days = ['-days', '2'] } = options;
  const file = (end: string) => `${name}.${end}`;
  openssl('req', '-newkey', 'rsa:2048', '-nodes', '-keyout', file('key'), '-out', file('csr'), '-subj', '/CN=x');
  writeFileSync(join(dir, file('ext')), `subjectAltName=${names}\n`);
  if (authority) {
    const subject = ['-subj', '/CN=authority'];
    openssl(
      'req',
      '-x509',
      '-newkey',
      'rsa:2048',
      '-nodes',
      '-days',
      '2',
      '-keyout',
      'ca.key',
      '-out',
      'ca.crt',
      ...subject,
    );
  }
  const by = authority ? ['-CA', 'ca.crt', '-CAkey', 'ca.key', '-CAcreateserial'] : ['-signkey', file('key')];
  openssl('x509', '-req', '-in', file('csr'), '-out', file('crt'), '-extfile', file('ext'), ...days, ...by);
  return { key: readFileSync(join(dir, file('key'))), cert: readFileSync(join(dir, file('crt'))) };
}

async function listen(server: Server): Promise<number> {
  servers.push(server);
  server.on('connection', (socket: Socket) => sockets.add(socket));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port; // a TCP server that listens has one
}
const look = (protocol: 'http' | 'https', port: number, host = '127.0.0.1', limitMs = 20_000) =>
  probe(
    { url: `${protocol}://${host}:${port}`, target: `${host}:${port}`, tls: protocol === 'https', loopback: true },
    never,
    { limitMs, roots: createTrustedRoots(rootsFilesOf(process.env), silentLogger) },
  );
const words = (found: Awaited<ReturnType<typeof probe>>) =>
  found &&
  describeConnectionFailure(found.failure, { url: 'https://x:1', setting: 'ORCHESTRATOR_URL', ...found }).sentence;

describe('an orchestrator that cannot be dialled', () => {
  it('is not there, has no name, or says nothing', async () => {
    const port = await listen(createTcpServer());
    await new Promise((resolve) => servers.pop()?.close(resolve));
    expect(await look('http', port)).toEqual({ failure: 'refused' });
    expect(await look('https', port)).toEqual({ failure: 'refused' });
    // Which of the two depends on whether this machine has a name server.
    expect(['unknown-name', 'no-name-server']).toContain((await look('http', 80, 'host.invalid'))?.failure);
    const silent = await listen(createTcpServer());
    expect(await look('http', silent, '127.0.0.1', 300)).toEqual({ failure: 'silent' });
  });

  it('is all right as far as can be seen', async () => {
    expect(await look('http', await listen(createHttp2Server() as unknown as Server))).toBeUndefined();
  });

  it('hangs up, or is something else', async () => {
    expect(await look('http', await listen(createTcpServer((socket) => socket.destroy())))).toEqual({
      failure: 'closed',
    });
    const nonsense = createTcpServer((socket) => socket.end('SSH-2.0-nonsense\r\n'));
    expect(await look('http', await listen(nonsense))).toEqual({ failure: 'not-an-orchestrator' });
    const web: HttpServer = createHttpServer((_, response) => response.end('hello'));
    expect(await look('http', await listen(web))).toEqual({ failure: 'no-http2' });
    expect(await look('https', await listen(createHttpServer()))).toEqual({ failure: 'no-tls' });
  });

  it.skipIf(!hasOpenssl)(
    'has a certificate that says why',
    { meta: { skipReason: 'there is no openssl to make certificates with' }, timeout: 60_000 },
    async () => {
      const http2 = (made: { key: Buffer; cert: Buffer }) => listen(createSecureServer(made) as unknown as Server);
      const own = await http2(certificate('own', 'IP:127.0.0.1'));
      expect(await look('https', own)).toEqual({ failure: 'self-signed' });
      expect(await look('http', own)).toEqual({ failure: 'needs-tls' });
      const made = certificate('issued', 'IP:127.0.0.1', { authority: true });
      const issued = await http2(made);
      expect(words(await look('https', issued))).toBe(
        'its certificate is not trusted: this machine does not know who issued it',
      );
      process.env['GRPC_DEFAULT_SSL_ROOTS_FILE_PATH'] = join(dir, 'ca.crt');
      expect(await look('https', issued)).toBeUndefined();
      const other = await http2(certificate('other', 'DNS:bots.example.org', { authority: true }));
      expect(words(await look('https', other))).toBe('its certificate is not for the name x, but for bots.example.org');
      const old = ['-not_before', '20200101000000Z', '-not_after', '20200102000000Z'];
      const expired = (() => {
        try {
          return certificate('expired', 'IP:127.0.0.1', { authority: true, days: old });
        } catch {
          // Before OpenSSL 3.4 there are no such options; a negative number of days does the same.
          return certificate('expired', 'IP:127.0.0.1', { authority: true, days: ['-days', '-1'] });
        }
      })();
      expect(words(await look('https', await http2(expired)))).toBe('its certificate has expired');
      const only1 = await listen(
        createHttpsServer({ ...certificate('h1', 'IP:127.0.0.1', { authority: true }) }) as unknown as Server,
      );
      expect(await look('https', only1)).toEqual({ failure: 'no-http2' });
    },
  );
});
