import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openChunk, sealChunk } from './seal.ts';
import { openSecretsKey } from './secrets-key.ts';
import { openSqliteStore } from './sqlite.ts';

it('that is lost is noticed where only a source is sealed with it, and makes room for that source again', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'secrets-key-'));
  const settings = { dir, secretsKey: undefined, acceptLostKey: undefined };
  let store = openSqliteStore(dir);
  try {
    const key = await openSecretsKey(settings, store);
    const add = (uploadId: string, by: typeof key) =>
      store.change([], (tx) => {
        tx.artifacts.addChunk(uploadId, 0, sealChunk(by, uploadId, 0, Buffer.from('source')));
        tx.artifacts.finish(uploadId, 'sha', 6, 1);
        tx.artifacts.own('dev', 'sha', 1);
      });
    await add('u1', key);
    await store.close();
    rmSync(join(dir, 'secrets.key'));
    store = openSqliteStore(dir);
    const refusal = await openSecretsKey(settings, store).then(
      () => '',
      (error: Error) => error.message,
    );
    expect(refusal).toMatch(/sources of bots that were sealed with a key, and .*secrets\.key is missing/);
    const acceptLostKey = /ACCEPT_LOST_KEY=([0-9a-f]+)/.exec(refusal)?.[1];
    const other = await openSecretsKey({ ...settings, acceptLostKey }, store);
    await add('u2', other);
    const { uploadId } = (await store.look([], (tx) => tx.artifacts.get('sha'))) ?? {};
    expect(uploadId).toBe('u2');
    const chunk = await store.chunks.chunk('u2', 0);
    expect(chunk && Buffer.from(openChunk(other, 'u2', 0, chunk)).toString()).toBe('source');
    expect(() => chunk && openChunk(key, 'u2', 0, chunk)).toThrow('can no longer be decrypted');
    // Neither moved nor repeated.
    expect(() => chunk && openChunk(other, 'u2', 1, chunk)).toThrow('can no longer be decrypted');
    expect(await store.chunks.chunk('u1', 0)).toBeUndefined();
  } finally {
    await store.close();
    rmSync(dir, { recursive: true });
  }
});
