/** The same doors behind TLS: ALPN decides between HTTP/2 and HTTP/1.1 on one port. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import http2 from 'node:http2';
import https from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createClient } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BotService } from '#gen/botrunner/v1/bot_service_pb.js';
import { startTestOrchestrator, type TestOrchestrator } from '../kit/orchestrator-for-tests.ts';

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
      interceptors: [
        (next) => (request) => {
          request.header.set('authorization', 'Bearer test-client-token');
          return next(request);
        },
      ],
    });
    expect(await createClient(BotService, transport).listBots({})).toMatchObject({ maxBots: 3 });
  });

  it('does not speak cleartext', async () => {
    await expect(fetch(`http://127.0.0.1:${orchestrator.port}/health`)).rejects.toThrow();
  });
});
