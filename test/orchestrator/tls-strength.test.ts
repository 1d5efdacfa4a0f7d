/** What TLS of the port takes and says, and the PROXY protocol in front of it. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import tls, { type ConnectionOptions } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeCertificate, noOpenssl } from '../kit/certificates.ts';
import { clientToken, startTestOrchestrator, type TestOrchestrator } from '../kit/orchestrator-for-tests.ts';

describe.skipIf(noOpenssl)('TLS', { meta: { skipReason: 'there is no openssl to make a certificate with' } }, () => {
  let dir: string;
  let orchestrator: TestOrchestrator;
  let ca: Buffer;
  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'tls-strength-'));
    const { cert, key } = makeCertificate();
    ca = cert;
    const [TLS_CERT, TLS_KEY] = [join(dir, 'cert.pem'), join(dir, 'key.pem')];
    writeFileSync(TLS_CERT, cert);
    writeFileSync(TLS_KEY, key);
    orchestrator = await startTestOrchestrator({ env: { TLS_CERT, TLS_KEY, TRUSTED_PROXIES: '127.0.0.1' } });
  });
  afterAll(async () => {
    await orchestrator?.[Symbol.asyncDispose]();
    if (dir) rmSync(dir, { recursive: true });
  });

  /** The negotiated cipher suite and the answer to a request; rejects if the handshake fails. */
  const talk = (options: ConnectionOptions, before = '') =>
    new Promise<{ suite: string; answer: string }>((resolve, reject) => {
      const raw = net.connect(orchestrator.port, '127.0.0.1');
      if (before !== '') raw.write(before);
      const socket = tls.connect({ socket: raw, ca, servername: 'localhost', ...options }, () => {
        socket.write(`GET /jobs/none HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${clientToken}\r\n\r\n`);
      });
      socket.on('error', reject);
      socket.once('data', (data) => {
        resolve({ suite: socket.getCipher().name, answer: data.toString('latin1') });
        socket.destroy();
      });
    });
  const tls12 = { maxVersion: 'TLSv1.2', minVersion: 'TLSv1.2' } as const;

  it('has forward secrecy and authenticated encryption, and sends HSTS', async () => {
    const { suite, answer } = await talk(tls12);
    expect(suite).toMatch(/^ECDHE-.*(GCM|CHACHA20)/);
    expect(answer).toMatch(/^HTTP\/1\.1 404/);
    expect(answer).toMatch(/strict-transport-security: max-age=31536000/i);
    expect((await talk({})).suite).toMatch(/^TLS_/);
  });

  it.each([
    ['CBC', { ...tls12, ciphers: 'ECDHE-RSA-AES128-SHA256:ECDHE-RSA-AES256-SHA384:AES128-SHA:AES256-SHA' }],
    ['no forward secrecy', { ...tls12, ciphers: 'AES128-GCM-SHA256:AES256-GCM-SHA384' }],
    ['TLS 1.1', { maxVersion: 'TLSv1.1', minVersion: 'TLSv1.1', ciphers: 'ALL:@SECLEVEL=0' }],
  ] as const)('takes nothing with %s', async (_title, options) => {
    await expect(talk(options)).rejects.toThrow();
  });

  it('begins behind the header of a proxy', async () => {
    const { answer } = await talk({}, 'PROXY TCP4 192.0.2.1 127.0.0.1 1 2\r\n');
    expect(answer).toMatch(/^HTTP\/1\.1 404/);
  });
});
