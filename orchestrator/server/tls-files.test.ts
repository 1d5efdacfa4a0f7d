import { mkdtempSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Certificate, makeCertificate, noOpenssl } from '../../test/kit/certificates.ts';
import { createRecordingLogger } from '../../test/kit/recording-logger.ts';
import { TlsFiles, type TlsPair } from './tls-files.ts';

const meta = { skipReason: 'there is no openssl to make a certificate with' };

describe.skipIf(noOpenssl)('the certificate and key of the port', { meta }, () => {
  let dir: string;
  let used: TlsPair[];
  let lines: string[];
  let files: TlsFiles;
  let first: Certificate;
  let second: Certificate;
  const put = (name: 'cert' | 'key', content: Buffer | string) => writeFileSync(join(dir, `${name}.pem`), content);
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'tls-files-'));
    [first, second] = [makeCertificate(), makeCertificate()];
    put('cert', first.cert);
    put('key', first.key);
    used = [];
    const recording = createRecordingLogger();
    lines = recording.lines;
    const paths = { certPath: join(dir, 'cert.pem'), keyPath: join(dir, 'key.pem') };
    files = new TlsFiles({ paths, current: first, logger: recording.logger, use: (pair) => used.push(pair) });
  });
  afterEach(() => rmSync(dir, { recursive: true }));

  it('are left alone while they are the same', async () => {
    put('cert', first.cert);
    await files.look();
    await files.look();
    expect([used, lines]).toEqual([[], []]);
  });

  it('are used once both have changed, with no complaint of the moment in between', async () => {
    put('cert', second.cert);
    await files.look();
    put('key', second.key);
    await files.look();
    await files.look();
    expect(used).toEqual([second]);
    expect(lines).toEqual(['info TLS_CERT and TLS_KEY have changed and are now in use']);
  });

  it('may be replaced by a link, as certbot and Kubernetes do', async () => {
    put('key', second.key);
    writeFileSync(join(dir, 'renewed.pem'), second.cert);
    symlinkSync(join(dir, 'renewed.pem'), join(dir, 'link'));
    renameSync(join(dir, 'link'), join(dir, 'cert.pem'));
    await files.look();
    expect(used).toEqual([second]);
  });

  it.each<[string, () => void]>([
    ['the key of another certificate', () => put('key', second.key)],
    ['no certificate', () => put('cert', 'nonsense')],
    ['nothing', () => put('cert', '')],
    ['no file', () => unlinkSync(join(dir, 'key.pem'))],
  ])('with %s are kept out with one line, and taken when they are right', async (_title, spoil) => {
    spoil();
    for (let times = 0; times < 4; times += 1) await files.look();
    expect(used).toEqual([]);
    expect(lines).toEqual([
      'error TLS_CERT and TLS_KEY have changed but cannot be used: the port keeps the previous ones',
    ]);
    put('cert', second.cert);
    put('key', second.key);
    await files.look();
    expect(used).toEqual([second]);
  });
});
