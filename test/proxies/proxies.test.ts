/**
 * The configurations of docs/DEPLOY.md, run by Debian's nginx, Caddy and HAProxy in front of the real programs: the command line with
 * TLS and, as a proxy that speaks HTTP/1.1 alone, without; gRPC; a log that is followed live.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { Client, credentials, Metadata } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, it, type TestContext } from 'vitest';
import { freePort } from '../../scripts/platform/free-port.ts';
import { checkoutPath } from '../../scripts/process/checkout.ts';
import { type Certificate, makeCertificate, noOpenssl } from '../kit/certificates.ts';
import { eventually } from '../kit/eventually.ts';
import { startTestPlatform, type TestPlatform } from '../kit/platform-for-tests.ts';
import { debianPackages, type PackageTree } from '../kit/private-engine/debian-packages.ts';
import { defaultCacheDir } from '../kit/private-engine/private-engine.ts';
import { fencedBlocks } from '../readme/fenced-blocks.ts';

const page = fencedBlocks(readFileSync(checkoutPath('docs', 'DEPLOY.md'), 'utf8'));
const configOf = (file: string): string => page.find((block) => block.file === file)?.text ?? '';

let dir: string;
let platform: TestPlatform;
let certificate: Certificate;
const proxies: ChildProcess[] = [];
beforeAll(async () => {
  if (noOpenssl) return;
  dir = mkdtempSync(join(tmpdir(), 'proxies-'));
  certificate = makeCertificate();
  writeFileSync(join(dir, 'cert.pem'), certificate.cert);
  writeFileSync(join(dir, 'key.pem'), certificate.key);
  writeFileSync(
    join(dir, 'bot.py'),
    'import time\nfor n in range(1, 1000):\n  print("line", n, flush=True)\n  time.sleep(0.2)\n',
  );
  platform = await startTestPlatform({ RUNTIME: 'process', MAX_BOTS_PER_USER: '10', TRUSTED_PROXIES: '127.0.0.1' });
});
afterAll(async () => {
  for (const proxy of proxies) proxy.kill('SIGKILL');
  await platform?.[Symbol.asyncDispose]();
  if (dir) rmSync(dir, { recursive: true, force: true });
});

/** The package of a proxy; the test is skipped where Debian's archive cannot be reached. */
async function packageOf(name: string, skip: TestContext['skip']): Promise<PackageTree> {
  if (noOpenssl) return skip('there is no openssl to make a certificate with');
  try {
    return await debianPackages(join(defaultCacheDir, `proxy-${name}`), [name]);
  } catch (error) {
    return skip(`Debian's ${name} is not to be had: ${error instanceof Error ? error.message : String(error)}`);
  }
}

async function run(tree: PackageTree, program: string, args: readonly string[], port: number): Promise<void> {
  const path = tree.find(program);
  if (path === undefined) throw new Error(`the package has no ${program}`);
  const env = {
    ...process.env,
    HOME: dir,
    XDG_DATA_HOME: dir,
    XDG_CONFIG_HOME: dir,
    LD_LIBRARY_PATH: (await tree.libraryFolders()).join(delimiter),
  };
  const child = spawn(path, args, { env, cwd: dir, stdio: ['ignore', 'ignore', 'pipe'] });
  proxies.push(child);
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-2000);
  });
  await eventually(
    'the proxy listens',
    () =>
      new Promise<string>((resolve) => {
        const socket = net.connect(port, '127.0.0.1', () => {
          socket.destroy();
          resolve('up');
        });
        socket.on('error', () => resolve(said));
      }),
    (state) => state === 'up',
    { timeoutMs: 20_000 },
  );
}

/** The page's server within the least that nginx needs around it. `secure` false: HTTP/1.1 in cleartext alone. */
async function startNginx(tree: PackageTree, secure: boolean): Promise<string> {
  const port = await freePort();
  const server = configOf('nginx.conf')
    .replaceAll('127.0.0.1:8000', `127.0.0.1:${platform.port}`)
    .replace('listen 443 ssl http2;', secure ? `listen 127.0.0.1:${port} ssl http2;` : `listen 127.0.0.1:${port};`)
    .replace(/ssl_certificate .*;/, secure ? `ssl_certificate ${join(dir, 'cert.pem')};` : '')
    .replace(/ssl_certificate_key .*;/, secure ? `ssl_certificate_key ${join(dir, 'key.pem')};` : '');
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${join(dir, `${port}-${name}`)};`,
  );
  const file = join(dir, `nginx-${port}.conf`);
  writeFileSync(
    file,
    `daemon off; master_process off; pid ${join(dir, `${port}.pid`)}; error_log stderr; events {}\nhttp { access_log off; ${temporary.join(' ')}\n${server}\n}\n`,
  );
  await run(tree, '/usr/sbin/nginx', ['-p', dir, '-c', file, '-e', 'stderr'], port);
  return `${secure ? 'https' : 'http'}://localhost:${port}`;
}

async function startCaddy(tree: PackageTree, secure: boolean): Promise<string> {
  const port = await freePort();
  const name = secure ? `https://localhost:${port}` : `http://localhost:${port}`;
  const site = configOf('Caddyfile')
    .replaceAll('127.0.0.1:8000', `127.0.0.1:${platform.port}`)
    .replace(
      'bots.example.org {',
      `${name} {\n${secure ? `tls ${join(dir, 'cert.pem')} ${join(dir, 'key.pem')}` : ''}`,
    );
  const file = join(dir, `Caddyfile-${port}`);
  writeFileSync(file, `{\nadmin off\nauto_https off\n}\n${site}\n`);
  await run(tree, '/usr/bin/caddy', ['run', '--config', file, '--adapter', 'caddyfile'], port);
  return name;
}

/** With TLS, as the page has it, or only passing connections on with the PROXY protocol to a platform that trusts it. */
async function startHaproxy(tree: PackageTree, secure: boolean): Promise<string> {
  const port = await freePort();
  writeFileSync(join(dir, 'haproxy.pem'), Buffer.concat([certificate.cert, certificate.key]));
  const config = configOf('haproxy.cfg')
    .replace('127.0.0.1:8000', `127.0.0.1:${platform.port}`)
    .replace(
      /bind :443 .*/,
      secure ? `bind 127.0.0.1:${port} ssl crt ${join(dir, 'haproxy.pem')} alpn h2,http/1.1` : '$&',
    );
  const passing = [
    'defaults',
    '    mode tcp',
    '    timeout connect 5s',
    '    timeout client 1d',
    '    timeout server 1d',
    'listen bots',
    `    bind 127.0.0.1:${port}`,
    `    server orchestrator 127.0.0.1:${platform.port} send-proxy-v2`,
  ].join('\n');
  const file = join(dir, `haproxy-${port}.cfg`);
  writeFileSync(file, `${secure ? config : passing}\n`);
  await run(tree, '/usr/sbin/haproxy', ['-db', '-f', file], port);
  return `${secure ? 'https' : 'http'}://localhost:${port}`;
}

function cli(url: string, args: readonly string[], until?: RegExp): Promise<{ code: number; out: string }> {
  const child = spawn(process.execPath, [checkoutPath('cli', 'bin', 'avtomatika-bot.js'), ...args], {
    env: {
      ...process.env,
      AVTOMATIKA_URL: url,
      AVTOMATIKA_TOKEN: 'test-client-token',
      NODE_EXTRA_CA_CERTS: join(dir, 'cert.pem'),
    },
    timeout: 60_000,
  });
  let out = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      out += text;
      if (until?.test(out)) child.kill('SIGINT');
    });
  }
  return new Promise((resolve) => child.once('close', (code) => resolve({ code: code ?? 128, out })));
}

/** A bot deployed, listed and followed by the command line. */
async function useCommandLine(url: string, botId: string): Promise<void> {
  const started = await cli(url, ['start', botId, '--simple', join(dir, 'bot.py')]);
  expect(started).toMatchObject({ code: 0 });
  expect((await cli(url, ['list'])).out).toContain(botId);
  // Three lines are printed while it looks: what is buffered on the way would not come.
  const followed = await cli(url, ['logs', botId, '-f', '-n', '1'], /(line \d+\s+){4}/);
  expect(followed.out).toMatch(/line \d+/);
  expect(followed.code).toBe(130);
  await cli(url, ['delete', botId]);
}

/** One answer and one stream by gRPC, as workers of other hosts use it. */
async function useGrpc(url: string): Promise<void> {
  const client = new Client(url.replace(/^\w+:\/\//, ''), credentials.createSsl(certificate.cert));
  const metadata = new Metadata();
  metadata.set('authorization', 'Bearer test-client-token');
  const same = (bytes: Buffer) => bytes;
  try {
    await new Promise<void>((resolve, reject) => {
      const path = '/botrunner.v1.BotService/ListBots';
      client.makeUnaryRequest(path, same, same, Buffer.alloc(0), metadata, (error) =>
        error ? reject(error) : resolve(),
      );
    });
    await new Promise<void>((resolve, reject) => {
      const path = '/botrunner.v1.BotService/WatchBots';
      const call = client.makeServerStreamRequest(path, same, same, Buffer.alloc(0), metadata);
      call.once('error', reject);
      call.once('data', () => {
        call.removeAllListeners('error').on('error', () => undefined);
        call.cancel();
        resolve();
      });
    });
  } finally {
    client.close();
  }
}

describe.each([
  ['nginx', 'nginx-light', startNginx],
  ['Caddy', 'caddy', startCaddy],
  ['HAProxy', 'haproxy', startHaproxy],
] as const)('%s', (name, packageName, start) => {
  it('with TLS serves the command line and gRPC', { timeout: 240_000 }, async ({ skip }) => {
    const url = await start(await packageOf(packageName, skip), true);
    await useCommandLine(url, `${name}-tls`);
    await useGrpc(url);
  });

  it('in cleartext, with HTTP/1.1 or the PROXY protocol, serves the command line', { timeout: 240_000 }, async ({
    skip,
  }) => {
    const url = await start(await packageOf(packageName, skip), false);
    await useCommandLine(url, `${name}-plain`);
  });
});
