/** The same doors behind TLS: ALPN decides between HTTP/2 and HTTP/1.1 on one port. */
import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import http2 from 'node:http2';
import https from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import tls from 'node:tls';
import { createClient } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BotService } from '#gen/botrunner/v1/bot_service_pb.js';
import { endProgram, startProgram } from '../../scripts/platform/children.ts';
import { makeCertificate } from '../kit/certificates.ts';
import { eventually } from '../kit/eventually.ts';
import { clientToken, startTestOrchestrator, type TestOrchestrator } from '../kit/orchestrator-for-tests.ts';
import { bearer } from '../kit/typed-calls.ts';

const noOpenssl = (() => {
  try {
    execFileSync('openssl', ['version'], { stdio: 'ignore' });
    return false;
  } catch {
    return true;
  }
})();

describe.skipIf(noOpenssl)('TLS', { meta: { skipReason: 'there is no openssl to make a certificate with' } }, () => {
  let dir: string;
  let orchestrator: TestOrchestrator;
  let ca: Buffer;
  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'tls-'));
    const [key, cert] = [join(dir, 'key.pem'), join(dir, 'cert.pem')];
    const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
    const made = [
      'req',
      '-x509',
      '-newkey',
      'rsa:2048',
      '-nodes',
      '-days',
      '1',
      '-keyout',
      key,
      '-out',
      cert,
      ...subject,
    ];
    execFileSync('openssl', made, { stdio: 'ignore' });
    ca = readFileSync(cert);
    orchestrator = await startTestOrchestrator({ env: { TLS_CERT: cert, TLS_KEY: key } });
  });
  afterAll(async () => {
    await orchestrator?.[Symbol.asyncDispose]();
    rmSync(dir, { recursive: true });
  });

  it('answers REST over HTTP/1.1', async () => {
    const text = await new Promise((resolve, reject) => {
      https
        .get({ host: 'localhost', port: orchestrator.port, path: '/health', ca, agent: false }, (response) => {
          let body = '';
          response.setEncoding('utf8').on('data', (piece: string) => {
            body += piece;
          });
          response.on('end', () => resolve(body));
        })
        .on('error', reject);
    });
    expect(text).toBe('{"status":"ok"}');
  });

  it('answers REST and gRPC over HTTP/2', async () => {
    const session = http2.connect(`https://localhost:${orchestrator.port}`, { ca });
    let text = '';
    for await (const piece of session.request({ ':path': '/health' }).setEncoding('utf8')) text += piece;
    session.close();
    expect(text).toBe('{"status":"ok"}');
    const transport = createGrpcTransport({
      baseUrl: `https://localhost:${orchestrator.port}`,
      nodeOptions: { ca },
      interceptors: [bearer(clientToken)],
    });
    expect(await createClient(BotService, transport).listBots({})).toMatchObject({ maxBots: 3 });
  });

  describe('with a certificate that nobody vouches for', () => {
    const cli = (env: Record<string, string>, protocol = 'https') =>
      new Promise<{ code: number; stderr: string }>((resolve) => {
        const url = `${protocol}://localhost:${orchestrator.port}`;
        const child = execFile(
          process.execPath,
          [join(import.meta.dirname, '../../cli/bin/avtomatika-bot.js'), 'list', '--url', url],
          { env: { PATH: process.env['PATH'], AVTOMATIKA_TOKEN: 'test-client-token', ...env } },
          (_, _stdout, stderr) => resolve({ code: child.exitCode ?? -1, stderr }),
        );
      });

    it('shows a command line why it cannot connect, and lets it in with NODE_EXTRA_CA_CERTS', async () => {
      const told = await cli({});
      expect(told.code).toBe(4);
      expect(told.stderr).toContain('its certificate is not trusted: it is self-signed. Set NODE_EXTRA_CA_CERTS to ');
      expect((await cli({}, 'http')).stderr).toContain(
        'cannot be reached: it speaks TLS. Set AVTOMATIKA_URL to https://',
      );
      expect(await cli({ NODE_EXTRA_CA_CERTS: join(dir, 'cert.pem') })).toEqual({ code: 0, stderr: '' });
    });

    it('shows a worker why, and lets it in with NODE_EXTRA_CA_CERTS, whatever else is set', async () => {
      const logFile = join(dir, 'worker.log');
      const run = (folder: string, env: Record<string, string>) =>
        startProgram('worker', {
          env: {
            PATH: process.env['PATH'],
            ORCHESTRATOR_URL: `https://localhost:${orchestrator.port}`,
            WORKER_TOKEN: 'test-worker-token',
            DATA_DIR: join(dir, folder),
            RUNTIME: 'process',
            ...env,
          },
          logFile,
        });
      const said = () => readFileSync(logFile, 'utf8');
      const stranger = run('stranger', {});
      try {
        await eventually('it says why', said, (text) => text.includes('its certificate is not trusted'), {
          timeoutMs: 30_000,
        });
      } finally {
        await endProgram(stranger);
      }
      // gRPC's own variable: what it names would be all that counts.
      const roots = join(dir, 'roots.pem');
      execFileSync(
        'openssl',
        ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '1', '-subj', '/CN=other'].concat([
          '-keyout',
          join(dir, 'other.key'),
          '-out',
          roots,
        ]),
        { stdio: 'ignore' },
      );
      const friend = run('friend', {
        NODE_EXTRA_CA_CERTS: join(dir, 'cert.pem'),
        GRPC_DEFAULT_SSL_ROOTS_FILE_PATH: roots,
      });
      try {
        await eventually('it is connected', said, (text) => text.includes('connected to the orchestrator'), {
          timeoutMs: 30_000,
        });
      } finally {
        await endProgram(friend);
      }
    }, 90_000);
  });

  it('hostile 110: takes a renewed certificate for new connections', { timeout: 60_000 }, async () => {
    const serial = () =>
      new Promise<string>((resolve, reject) => {
        const socket = tls.connect({ port: orchestrator.port, host: 'localhost', rejectUnauthorized: false }, () => {
          resolve(socket.getPeerCertificate().fingerprint256);
          socket.destroy();
        });
        socket.on('error', reject);
      });
    const before = await serial();
    const renewed = makeCertificate();
    writeFileSync(join(dir, 'key.pem'), renewed.key);
    writeFileSync(join(dir, 'cert.pem'), renewed.cert);
    await eventually('the port shows it', serial, (now) => now !== before, { timeoutMs: 40_000, everyMs: 500 });
  });

  it('hostile 104: does not speak cleartext', async () => {
    await expect(fetch(`http://127.0.0.1:${orchestrator.port}/health`)).rejects.toThrow();
  });
});
