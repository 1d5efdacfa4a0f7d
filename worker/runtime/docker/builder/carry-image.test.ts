import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { extract, pack } from 'tar-stream';
import { describe, expect, it } from 'vitest';
import type { EngineClient, EngineStream } from '../engine-client.ts';
import { EngineRefusal } from '../engine-errors.ts';
import { carryImage } from './carry-image.ts';

const a = 'a'.repeat(64);
const b = 'b'.repeat(64);
const manifest = (...images: readonly object[]) => JSON.stringify(images);
const image = { Config: `${a}.json`, RepoTags: ['python:3.11-slim'], Layers: [`${b}/layer.tar`] };
const whole = {
  [`${b}/layer.tar`]: 'a layer',
  [`${a}.json`]: '{}',
  'manifest.json': manifest(image),
  repositories: '{"python":{"3.11-slim":"b"}}',
  'index.json': '{}',
};

async function carried(
  files: Readonly<Record<string, string>>,
  names: readonly string[] = [],
  report = '{"stream":"Loaded image ID: sha256:abc\\n"}',
) {
  const loaded: Record<string, string> = {};
  const from = {
    stream: async () => {
      const tar = pack();
      for (const [name, text] of Object.entries(files)) tar.entry({ name }, text);
      tar.finalize();
      return Readable.from(tar);
    },
  } as Partial<EngineClient> as EngineClient; // nothing else of it is asked for
  const to = {
    stream: async ({ upload }: EngineStream) => {
      const entries = extract();
      upload?.pipe(entries);
      for await (const entry of entries) loaded[entry.header.name] = (await buffer(Readable.from(entry))).toString();
      return Readable.from([Buffer.from(report)]);
    },
  } as Partial<EngineClient> as EngineClient; // as above
  const id = await carryImage({ from, to }, 'x', names, AbortSignal.timeout(5000));
  return { id, loaded };
}

describe('carrying an image', () => {
  it('takes its parts, and none of the names that the archive gives it', async () => {
    const { id, loaded } = await carried(whole);
    expect(id).toBe('sha256:abc');
    expect(Object.keys(loaded).toSorted()).toEqual([`${a}.json`, `${b}/layer.tar`, 'manifest.json'].toSorted());
    expect(JSON.parse(loaded['manifest.json'] ?? '')).toEqual([{ ...image, RepoTags: null }]);
    expect(loaded[`${b}/layer.tar`]).toBe('a layer');
  });

  it('gives it the names of the caller', async () => {
    const { loaded } = await carried(whole, ['busybox:1']);
    expect(JSON.parse(loaded['manifest.json'] ?? '')[0].RepoTags).toEqual(['busybox:1']);
  });

  it.each<[string, Readonly<Record<string, string>>]>([
    ['more than one image', { ...whole, 'manifest.json': manifest(image, image) }],
    ['no image', { ...whole, 'manifest.json': '[]' }],
    ['no manifest', { [`${a}.json`]: '{}' }],
    ['a file beside it', { ...whole, '../etc/passwd': 'x' }],
    ['a layer under another name', { ...whole, [`${b}/../${a}/layer.tar`]: 'x' }],
  ])('refuses an archive with %s', async (_what, files) => {
    await expect(carried(files)).rejects.toBeInstanceOf(EngineRefusal);
  });

  it('fails with the words of the engine that does not take it', async () => {
    const report = '{"errorDetail":{"message":"no space left on device"},"error":"no space left on device"}';
    await expect(carried(whole, [], report)).rejects.toMatchObject({ text: 'no space left on device' });
    await expect(carried(whole, [], '{"stream":"Loa')).rejects.toBeInstanceOf(EngineRefusal);
  });
});
