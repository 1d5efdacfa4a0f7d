import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { makeCertificate, noOpenssl } from '../../test/kit/certificates.ts';
import { createRecordingLogger } from '../../test/kit/recording-logger.ts';
import { createTrustedRoots, rootsFilesOf } from './trusted-roots.ts';

const meta = { skipReason: 'there is no openssl to make a certificate with' };

describe.skipIf(noOpenssl)('the certificate authorities of a worker', { meta }, () => {
  let dir: string;
  let file: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'roots-'));
    file = join(dir, 'ca.pem');
  });
  afterEach(() => rmSync(dir, { recursive: true }));

  it('are the usual ones without files', () => {
    expect(createTrustedRoots(rootsFilesOf({}), createRecordingLogger().logger)()).toBeNull();
  });

  it('are read again for each dial, and a broken file changes nothing', () => {
    const { logger, lines } = createRecordingLogger();
    const roots = createTrustedRoots(rootsFilesOf({ NODE_EXTRA_CA_CERTS: file }), logger);
    const [first, second] = [makeCertificate().cert.toString(), makeCertificate().cert.toString()];
    const has = (text: string) => roots()?.includes(text.trim());
    writeFileSync(file, first);
    expect([has(first), roots()?.includes('BEGIN CERTIFICATE')]).toEqual([true, true]);
    writeFileSync(file, `# renewed\n${second}`);
    expect([has(first), has(second)]).toEqual([false, true]);
    writeFileSync(file, '-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n');
    expect([has(second), has(second), lines.length]).toEqual([true, true, 1]);
    expect(lines[0]).toMatch('stays in use');
    rmSync(file);
    expect([has(second), lines.length]).toEqual([true, 2]);
    writeFileSync(file, first);
    expect([has(first), has(second)]).toEqual([true, false]);
  });

  it('are those of both files', () => {
    const instead = join(dir, 'instead.pem');
    const [first, second] = [makeCertificate().cert.toString(), makeCertificate().cert.toString()];
    writeFileSync(file, first);
    writeFileSync(instead, second);
    const env = { NODE_EXTRA_CA_CERTS: file, GRPC_DEFAULT_SSL_ROOTS_FILE_PATH: instead };
    const text = createTrustedRoots(rootsFilesOf(env), createRecordingLogger().logger)()?.toString() ?? '';
    expect([text.includes(first.trim()), text.includes(second.trim())]).toEqual([true, true]);
  });
});
