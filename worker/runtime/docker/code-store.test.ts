import { mkdtemp, readdir, readFile, rename, rm, rmdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { extract, pack } from 'tar-stream';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { imageName, imageRepository } from '#common/ids.ts';
import { Secret } from '#common/secret.ts';
import { eventually } from '../../../test/kit/eventually.ts';
import { plainTar, type SourceTar } from '../../state/source-tar.ts';
import { type CodeStore, createCodeStore } from './code-store.ts';

let root: string;
let dir: string;
let store: CodeStore;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'code-store-'));
  dir = join(root, 'code');
  store = createCodeStore(dir, sealKey);
});
afterEach(() => rm(root, { recursive: true }));

const key = { userId: 'dev', botId: 'bot' };
const other = { userId: 'dev', botId: 'other' };
const { signal } = new AbortController();
const sealKey = new Secret<Uint8Array>(new Uint8Array(32).fill(7));

async function source(files: Readonly<Record<string, string>>): Promise<SourceTar> {
  const tar = pack();
  for (const [name, content] of Object.entries(files)) tar.entry({ name, mode: 0o4755, uid: 0 }, content);
  tar.finalize();
  const path = join(root, 'source.tar');
  await writeFile(path, await buffer(tar));
  return plainTar(path);
}

async function keep(image: string, files: Readonly<Record<string, string>>): Promise<void> {
  await (await store.take(await source(files), signal)).keepAs(image);
}

const isThere = (images: readonly string[]) =>
  Promise.all(images.map(async (image) => (await store.size(image)) !== undefined));

async function codeOf(image: string): Promise<unknown> {
  const tar = await store.read(image);
  if (tar === undefined) return undefined;
  const entries: unknown[] = [];
  const reading = extract();
  tar.pipe(reading);
  for await (const entry of reading) {
    const { name, mode, uid, gid } = entry.header;
    entries.push([name, (await buffer(entry)).toString(), mode, uid, gid]);
  }
  return entries;
}

it('keeps the code of a version as the bot’s own files, wherever they came from', async () => {
  const image = imageName(key, 1n);
  expect(await store.size(image)).toBeUndefined();
  expect(await codeOf(image)).toBeUndefined();
  await keep(image, { 'bot.py': 'print(1)', 'sub/x': '' });
  expect(await store.size(image)).toBeGreaterThan(1000);
  expect(await codeOf(image)).toEqual([
    ['app/bot.py', 'print(1)', 0o755, 10001, 10001],
    ['app/sub/x', '', 0o755, 10001, 10001],
  ]);
  await keep(image, { 'bot.py': 'print(2)' });
  expect(await codeOf(image)).toEqual([['app/bot.py', 'print(2)', 0o755, 10001, 10001]]);
  expect(await readdir(dir)).toHaveLength(1);
  await store.remove(image);
  expect(await store.size(image)).toBeUndefined();
  expect(await readdir(dir)).toEqual([]);
});

it('leaves nothing of a source that is bad, given up or not kept', async () => {
  await expect(store.take(await source({ '../out': '' }), signal)).rejects.toMatchObject({
    problem: { code: 'INVALID_ARCHIVE' },
  });
  const given = AbortSignal.abort(new Error('not wanted'));
  await expect(store.take(await source({ 'bot.py': '' }), given)).rejects.toThrow();
  const taken = await store.take(await source({ 'bot.py': '' }), signal);
  await taken.drop();
  expect(await readdir(dir)).toEqual([]);
});

it('removes what a process that was killed has left half-written, and nothing else', async () => {
  await keep(imageName(key, 1n), { 'bot.py': '' });
  await writeFile(join(dir, 'abc.part'), 'half');
  store = createCodeStore(dir, sealKey);
  await keep(imageName(key, 2n), { 'bot.py': '' });
  expect(await readdir(dir)).toEqual([imageRepository(key)]);
  expect(await isThere([imageName(key, 1n), imageName(key, 2n)])).toEqual([true, true]);
});

it('seals it, and what a version has left that did not', async () => {
  const [image, former] = [imageName(key, 1n), imageName(key, 2n)];
  const pathOf = (name: string) => join(dir, ...name.split(':')).concat('.tar');
  await keep(image, { 'bot.py': 'a secret text' });
  expect((await readFile(pathOf(image))).includes('a secret text')).toBe(false);
  await keep(former, { 'bot.py': 'another text' });
  await writeFile(pathOf(former), await buffer((await store.read(former)) ?? Readable.from([])));
  const size = await store.size(former);
  store = createCodeStore(dir, sealKey);
  expect(await store.size(former)).toBe(size);
  expect(await codeOf(former)).toEqual([['app/bot.py', 'another text', 0o755, 10001, 10001]]);
  await eventually(
    'it is sealed',
    () => readFile(pathOf(former)),
    (bytes) => !bytes.includes('another text'),
  );
  expect(await store.size(former)).toBe(size);
  expect(await codeOf(former)).toEqual([['app/bot.py', 'another text', 0o755, 10001, 10001]]);
  expect(await readdir(dir)).toEqual([imageRepository(key)]);
});

it('lets go of code that cannot be opened, so that the image is made again', async () => {
  const image = imageName(key, 1n);
  await keep(image, { 'bot.py': 'text' });
  const path = join(dir, ...image.split(':')).concat('.tar');
  await writeFile(path, (await readFile(path)).fill(1, 100, 101));
  await expect(buffer((await store.read(image)) ?? Readable.from([]))).rejects.toThrow('cannot be opened');
  await eventually(
    'it is gone',
    () => store.size(image),
    (size) => size === undefined,
  );
  expect(await store.read(image)).toBeUndefined();
});

it('removes the code of the bot’s versions but those to keep, and no other bot’s', async () => {
  for (const revision of [1n, 2n, 3n]) await keep(imageName(key, revision), { 'bot.py': '' });
  await keep(imageName(other, 1n), { 'bot.py': '' });
  await store.removeAll(key, new Set([imageName(key, 2n)]));
  const there = [imageName(key, 1n), imageName(key, 2n), imageName(key, 3n), imageName(other, 1n)];
  expect(await isThere(there)).toEqual([false, true, false, true]);
  await store.removeAll(key, new Set());
  expect(await readdir(dir)).toEqual([imageRepository(other)]);
  await store.removeAll(key, new Set());
});

it('looks for the code of a bot in its folder, and not through those of all', async () => {
  await keep(imageName(key, 1n), { 'bot.py': '' });
  // Beside the folders nothing of the bot is looked for any more, however many of them there are.
  const beside = `${imageRepository(key)}@g2.tar`;
  await writeFile(join(dir, beside), '');
  await store.removeAll(key, new Set());
  expect(await readdir(dir)).toEqual([beside]);
});

it('finds the code that a version without folders has left', async () => {
  const [image, second] = [imageName(key, 1n), imageName(other, 2n)];
  for (const one of [image, second]) await keep(one, { 'bot.py': one });
  for (const one of [image, second]) {
    const [repository = '', tag = ''] = one.split(':');
    await rename(join(dir, repository, `${tag}.tar`), join(dir, `${repository}@${tag}.tar`));
    await rmdir(join(dir, repository));
  }
  store = createCodeStore(dir, sealKey);
  expect(await isThere([image, second])).toEqual([true, true]);
  expect(await codeOf(second)).toEqual([['app/bot.py', second, 0o755, 10001, 10001]]);
  await store.removeAll(key, new Set());
  await store.removeAll(other, new Set());
  expect(await readdir(dir)).toEqual([]);
});

it('keeps code although the folder of its bot is removed at the same time', async () => {
  const others = [imageName(key, 2n), imageName(key, 3n), imageName(key, 4n)];
  for (const image of others) {
    const taken = await store.take(await source({ 'bot.py': '' }), signal);
    await Promise.all([taken.keepAs(image), store.removeAll(key, new Set(others))]);
    expect(await isThere([image])).toEqual([true]);
    await store.remove(image);
  }
});
