/** What a REST worker gets for each kind of source, from a real store. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { pack } from 'tar-stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Secret } from '#common/secret.ts';
import type { BotSpecSchema } from '#gen/botrunner/v1/bot_pb.js';
import { EnsureSchema } from '#gen/botrunner/v1/worker_service_pb.js';
import { sealChunk } from '../../store/seal.ts';
import { openSqliteStore } from '../../store/sqlite.ts';
import type { Store } from '../../store/store.ts';
import { taskParams } from './task-params.ts';

let dir: string;
let store: Store;
const sealKey = new Secret<Uint8Array>(new Uint8Array(32).fill(3));
const sha256 = 'a'.repeat(64);
let archive: Buffer;

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'task-params-'));
  store = openSqliteStore(dir);
  const tar = pack();
  tar.entry({ name: './bot.py' }, 'print("привет")');
  tar.entry({ name: './logo.png' }, Buffer.from([0x89, 0xff]));
  tar.entry({ name: './main.py', type: 'symlink', linkname: 'bot.py' });
  tar.finalize();
  archive = gzipSync(await buffer(tar));
  await store.change([], (tx) => {
    tx.artifacts.addChunk('u1', 0, sealChunk(sealKey, 'u1', 0, archive.subarray(0, 50)));
    tx.artifacts.addChunk('u1', 1, sealChunk(sealKey, 'u1', 1, archive.subarray(50)));
    tx.artifacts.finish('u1', sha256, archive.length, 0);
  });
});
afterAll(async () => {
  await store.close();
  rmSync(dir, { recursive: true });
});

const paramsOf = (spec: MessageInitShape<typeof BotSpecSchema>) =>
  taskParams({ store, sealKey }, create(EnsureSchema, { spec: { ...spec, env: { A: 'b' } } }));
const env_vars = { A: 'b' };

describe('a start on a REST worker', () => {
  it('of simple mode carries the files, of a gzipped artifact too', async () => {
    const value = { artifactSha256: sha256, entrypoint: 'bot.py', requirements: ['x'] };
    expect(await paramsOf({ source: { case: 'simple', value } })).toEqual({
      deployment_mode: 'simple',
      files: { 'bot.py': 'print("привет")' },
      binary_files: { 'logo.png': Buffer.from([0x89, 0xff]).toString('base64') },
      entrypoint: 'bot.py',
      requirements: ['x'],
      env_vars,
    });
  });

  it('of custom mode carries the archive, its URL or the repository', async () => {
    const custom = (from: Parameters<typeof paramsOf>[0]['source'] & { case: 'custom' }) => paramsOf({ source: from });
    const base = { deployment_mode: 'custom', env_vars };
    expect(await custom({ case: 'custom', value: { from: { case: 'artifactSha256', value: sha256 } } })).toEqual({
      ...base,
      archive: archive.toString('base64'),
    });
    const archive_url = 'https://example.com/x.tar';
    expect(await custom({ case: 'custom', value: { from: { case: 'archiveUrl', value: archive_url } } })).toEqual({
      ...base,
      archive_url,
    });
    const url = 'https://example.com/x.git';
    const login = { username: 'me', password: 'pw' };
    expect(
      await custom({
        case: 'custom',
        value: { from: { case: 'git', value: { url, ref: 'main', credentials: login } } },
      }),
    ).toEqual({ ...base, git_repo: url, git_branch: 'main', git_auth: login });
  });

  it('of image mode carries the image and the login of its registry', async () => {
    const credentials = { username: 'me', password: 'pw' };
    expect(await paramsOf({ source: { case: 'image', value: { image: 'x:1', pull: true, credentials } } })).toEqual({
      deployment_mode: 'image',
      docker_image: 'x:1',
      pull: true,
      registry_auth: credentials,
      env_vars,
    });
  });
});
