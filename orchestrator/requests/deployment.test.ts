/** From a request to the spec of a job and back to what a REST worker gets. */
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { pack } from 'tar-stream';
import { describe, expect, it } from 'vitest';
import { unwrap } from '#common/problem.ts';
import { readSafeTar } from '#common/safe-tar.ts';
import { Secret } from '#common/secret.ts';
import { neededCapabilities } from '../core/placement-needs.ts';
import { type Deployment, defaultBounds, type SourceRequest } from '../core/validate/bot-request.ts';
import { parseSpec } from '../core/validate/spec-request.ts';
import { openChunk } from '../store/seal.ts';
import { packFiles, prepareDeployment } from './deployment.ts';

const sealKey = new Secret<Uint8Array>(new Uint8Array(32).fill(3));

const deployment = (source: SourceRequest): Deployment => ({ source, env: new Map([['A', 'b']]), limits: {}, on: {} });
const sha256 = 'a'.repeat(64);
const login = { username: 'me', password: new Secret('pw') };

describe('the files of simple mode', () => {
  it('are packed byte for byte, the same files always to the same bytes', async () => {
    const files = new Map([
      ['bot.py', '\ufeffprint(1)\r\n\0'],
      ['Dockerfile', 'FROM evil'],
      ['requirements.txt', '--index-url http://evil.example'],
      ['данные/a b.txt', 'x'.repeat(1_000_000)],
      ['__proto__', ''],
    ]);
    const bytes = await packFiles(files);
    expect(await packFiles(new Map([...files].reverse()))).toEqual(bytes);
    const read = new Map<string, string>();
    for await (const entry of readSafeTar(Readable.from([bytes]))) {
      read.set(entry.name, (await buffer(entry.content)).toString());
    }
    expect(read).toEqual(files);
  });
});

describe('a deployment', () => {
  const specs: [SourceRequest, string, object][] = [
    [
      {
        kind: 'artifact',
        sha256,
        entrypoint: '',
        command: ['python', '-m', 'x'],
        requirements: ['x'],
        requirementFiles: ['r.txt'],
        language: 'python',
      },
      'simple',
      {
        artifactSha256: sha256,
        command: ['python', '-m', 'x'],
        requirements: ['x'],
        requirementFiles: ['r.txt'],
        language: 1,
      },
    ],
    [{ kind: 'custom_artifact', sha256 }, 'custom', { from: { case: 'artifactSha256', value: sha256 } }],
    [
      { kind: 'archive_url', url: 'https://example.com/x.tar' },
      'custom',
      { from: { case: 'archiveUrl', value: 'https://example.com/x.tar' } },
    ],
    [
      { kind: 'git', url: 'https://example.com/x.git', ref: 'main', subdir: 'a', login },
      'custom',
      {
        from: {
          case: 'git',
          value: { ref: 'main', subdir: 'a', credentials: { username: 'me', password: 'pw' } },
        },
      },
    ],
    [
      { kind: 'image', image: 'ghcr.io/me/bot:1', login, pull: true },
      'image',
      { image: 'ghcr.io/me/bot:1', pull: true, credentials: { username: 'me', password: 'pw' } },
    ],
  ];
  it.each(specs)('from $kind becomes a spec, which reads back as the same', async (source, mode, value) => {
    const prepared = await prepareDeployment(sealKey, deployment(source));
    expect(prepared).toMatchObject({ mode, spec: { source: { case: mode, value }, env: { A: 'b' } } });
    expect(prepared.artifactSha256).toBe('sha256' in source ? sha256 : '');
    expect(prepared.artifact).toBeUndefined();
    expect(unwrap(parseSpec(prepared.spec, defaultBounds)).source).toEqual(source);
  });

  it('with build options is checked in gRPC as in REST', async () => {
    const build = { buildArgs: new Map([['A', '1']]), target: 'prod', dockerfile: 'docker/prod.Dockerfile' };
    const { spec } = await prepareDeployment(
      sealKey,
      deployment({ kind: 'archive_url', url: 'https://example.com/x', build }),
    );
    expect(spec.source).toMatchObject({
      case: 'custom',
      value: { buildArgs: { A: '1' }, target: 'prod', dockerfile: 'docker/prod.Dockerfile' },
    });
    expect(neededCapabilities(spec)).toContain('build.options');
    expect(unwrap(parseSpec(spec, defaultBounds)).source).toMatchObject({ build });
    if (spec.source.case === 'custom') spec.source.value.buildArgs['BUILDKIT_SYNTAX'] = 'x';
    expect(parseSpec(spec, defaultBounds)).toMatchObject({
      ok: false,
      problem: { code: 'INVALID_BUILD_OPTIONS', details: { field: 'spec.custom.build_args' } },
    });
  });

  it('from an archive keeps the archive as it was sent', async () => {
    const tar = pack();
    tar.entry({ name: 'Dockerfile' }, 'FROM scratch');
    tar.finalize();
    const bytes = await buffer(tar);
    const { artifact, artifactSha256, spec } = await prepareDeployment(
      sealKey,
      deployment({ kind: 'inline_archive', bytes }),
    );
    const { upload, ...rest } = artifact ?? {};
    const searched = { tokenSha256s: [], findings: [] };
    expect(rest).toEqual({
      sha256: createHash('sha256').update(bytes).digest('hex'),
      sizeBytes: bytes.length,
      searched,
    });
    const chunks = upload?.chunks.map((chunk, n) =>
      openChunk(sealKey, upload.uploadId, n, { bytes: chunk, isSealed: true }),
    );
    expect(Buffer.concat(chunks ?? [])).toEqual(bytes);
    expect(Buffer.concat(upload?.chunks ?? []).includes('Dockerfile')).toBe(false);
    expect(spec.source.value).toMatchObject({ from: { case: 'artifactSha256', value: artifactSha256 } });
  });
});
