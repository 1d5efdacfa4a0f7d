import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { extract, pack } from 'tar-stream';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { imageName } from '#common/ids.ts';
import { type CodeStore, createCodeStore } from './code-store.ts';

let root: string;
let dir: string;
let store: CodeStore;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'code-store-'));
  dir = join(root, 'code');
  store = createCodeStore(dir);
});
afterEach(() => rm(root, { recursive: true }));

const key = { userId: 'dev', botId: 'bot' };
const other = { userId: 'dev', botId: 'other' };
const { signal } = new AbortController();

async function source(files: Readonly<Record<string, string>>): Promise<string> {
  const tar = pack();
  for (const [name, content] of Object.entries(files)) tar.entry({ name, mode: 0o4755, uid: 0 }, content);
  tar.finalize();
  const path = join(root, 'source.tar');
  await writeFile(path, await buffer(tar));
  return path;
}

async function keep(image: string, files: Readonly<Record<string, string>>): Promise<void> {
  await (await store.take(await source(files), signal)).keepAs(image);
}

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
  expect(await store.has(image)).toBe(false);
  expect(await codeOf(image)).toBeUndefined();
  await keep(image, { 'bot.py': 'print(1)', 'sub/x': '' });
  expect(await store.has(image)).toBe(true);
  expect(await codeOf(image)).toEqual([
    ['app/bot.py', 'print(1)', 0o755, 10001, 10001],
    ['app/sub/x', '', 0o755, 10001, 10001],
  ]);
  await keep(image, { 'bot.py': 'print(2)' });
  expect(await codeOf(image)).toEqual([['app/bot.py', 'print(2)', 0o755, 10001, 10001]]);
  expect(await readdir(dir)).toHaveLength(1);
  await store.remove(image);
  expect(await store.has(image)).toBe(false);
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
  store = createCodeStore(dir);
  await keep(imageName(key, 2n), { 'bot.py': '' });
  expect(await readdir(dir)).toHaveLength(2);
});

it('removes the code of the bot’s versions but those to keep, and no other bot’s', async () => {
  for (const revision of [1n, 2n, 3n]) await keep(imageName(key, revision), { 'bot.py': '' });
  await keep(imageName(other, 1n), { 'bot.py': '' });
  await store.removeAll(key, new Set([imageName(key, 2n)]));
  const there = [imageName(key, 1n), imageName(key, 2n), imageName(key, 3n), imageName(other, 1n)];
  expect(await Promise.all(there.map((image) => store.has(image)))).toEqual([false, true, false, true]);
});
