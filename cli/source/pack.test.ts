import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { appendFile, chmod, rm, truncate, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { gunzipSync } from 'node:zlib';
import tar from 'tar-stream';
import { describe, expect, it } from 'vitest';
import { tempFolder } from '../testing/temp-folder.ts';
import { collectSource } from './collect.ts';
import { chunkBytes, type PackEntry, type PackOptions, packEntries } from './pack.ts';

const { signal } = new AbortController();
const plain: PackOptions = { gzip: false };
const zipped = { gzip: true };

async function pack(folder: string): Promise<{ bytes: Buffer; sizes: number[] }> {
  const { files } = await collectSource([folder], '/', signal);
  const chunks: Uint8Array[] = [];
  for await (const chunk of packEntries(files, plain, signal)) chunks.push(chunk);
  return { bytes: Buffer.concat(chunks), sizes: chunks.map(({ byteLength }) => byteLength) };
}

async function unpack(bytes: Buffer) {
  const extract = tar.extract();
  Readable.from([bytes]).pipe(extract);
  const entries = [];
  for await (const entry of extract) {
    const pieces: Uint8Array[] = [];
    for await (const piece of entry as AsyncIterable<Buffer>) pieces.push(piece);
    entries.push({ ...entry.header, content: Buffer.concat(pieces) });
  }
  return entries;
}

describe('the archive', () => {
  it('holds the files as they are, and nothing of who made it and when', async () => {
    const binary = Buffer.from(Array.from({ length: 100_000 }, (_, index) => (index * 7) % 256));
    const long = `${'d'.repeat(90)}/${'e'.repeat(90)}/тест.py`;
    const folder = await tempFolder({ 'bot.py': 'print(1)\n', 'data.bin': binary, [long]: 'x', 'empty.txt': '' });
    await chmod(join(folder, 'bot.py'), 0o755);
    const entries = await unpack((await pack(folder)).bytes);
    expect(entries.map(({ name, mode }) => [name, mode])).toEqual([
      ['bot.py', 0o755],
      ['data.bin', 0o644],
      [long, 0o644],
      ['empty.txt', 0o644],
    ]);
    expect(entries[1]?.content.equals(binary)).toBe(true);
    for (const { type, uid, gid, uname, gname, mtime } of entries) {
      expect({ type, uid, gid, uname, gname, mtime }).toEqual({
        type: 'file',
        uid: 0,
        gid: 0,
        uname: '',
        gname: '',
        mtime: new Date(0),
      });
    }
  });

  it('is the same, byte for byte, for the same files with other times in another folder', async () => {
    const files = { 'bot.py': 'print(1)\n', 'a/b.py': 'x', 'c.bin': Buffer.alloc(1000, 7) };
    const [left, right] = [await tempFolder(files), await tempFolder(files)];
    await utimes(join(right, 'bot.py'), 1, 2);
    await chmod(join(right, 'bot.py'), 0o600);
    const digests = [await pack(left), await pack(right)].map(({ bytes }) =>
      createHash('sha256').update(bytes).digest('hex'),
    );
    expect(digests[0]).toBe(digests[1]);
  });

  it('comes in chunks of 256 KiB', async () => {
    const folder = await tempFolder({ 'big.bin': Buffer.alloc(3 * chunkBytes + 5), 'bot.py': '' });
    const { sizes } = await pack(folder);
    expect(sizes.slice(0, -1).every((size) => size === chunkBytes)).toBe(true);
    expect(sizes.at(-1)).toBeLessThanOrEqual(chunkBytes);
    expect(sizes).toHaveLength(4);
  });

  it('takes a file as it is when its turn comes, though it grew or shrank since', async () => {
    const folder = await tempFolder({ 'a.bin': Buffer.alloc(2 * chunkBytes), 'bot.log': '12345', 'bot.py': '12345' });
    const { files } = await collectSource([folder], '/', signal);
    await truncate(join(folder, 'bot.py'), 3);
    await appendFile(join(folder, 'bot.log'), '678');
    const entries = await unpack(await readAll(files));
    expect(entries.slice(1).map(({ name, content }) => [name, String(content)])).toEqual([
      ['bot.log', '12345678'],
      ['bot.py', '123'],
    ]);
  });

  it('ends with the cause when a file went away since, unless it may be left out', async () => {
    const folder = await tempFolder({ 'a.bin': Buffer.alloc(2 * chunkBytes), 'bot.py': '12345' });
    const { files } = await collectSource([folder], '/', signal);
    await rm(join(folder, 'bot.py'));
    await expect(readAll(files)).rejects.toThrow('There is no file or folder bot.py.');
    const skipped: string[] = [];
    const onUnreadable = (path: string) => skipped.push(path);
    const entries = await unpack(await readAll(files, { gzip: false, onUnreadable }));
    expect({ names: entries.map(({ name }) => name), skipped }).toEqual({ names: ['a.bin'], skipped: ['bot.py'] });
    // A pipe in its place is not waited for.
    execFileSync('mkfifo', [join(folder, 'bot.py')]);
    await expect(readAll(files)).rejects.toThrow('bot.py is no longer a plain file.');
  });

  it('can be left unfinished', async () => {
    const folder = await tempFolder({ 'a.bin': Buffer.alloc(20 * chunkBytes), 'bot.py': '' });
    const { files } = await collectSource([folder], '/', signal);
    const chunks = packEntries(files, plain, signal);
    expect((await chunks.next()).done).toBe(false);
    await chunks.return(undefined);
    expect((await chunks.next()).done).toBe(true);
  });
});

describe('a gzipped archive', () => {
  it('is the same archive, gzipped', async () => {
    const folder = await tempFolder({ 'bot.py': 'print(1)\n'.repeat(100_000), Dockerfile: 'FROM scratch\n' });
    const { files } = await collectSource([folder], '/', signal);
    const bytes = await readAll(files, zipped);
    expect(gunzipSync(bytes).equals(await readAll(files))).toBe(true);
    expect((await readAll(files, zipped)).equals(bytes)).toBe(true);
  });

  it('ends with the cause when a file went away since', async () => {
    const folder = await tempFolder({ 'a.bin': randomBytes(4 * chunkBytes), 'bot.py': '12345' });
    const { files } = await collectSource([folder], '/', signal);
    await rm(join(folder, 'bot.py'));
    await expect(readAll(files, zipped)).rejects.toThrow('There is no file or folder bot.py.');
  });

  it('can be left unfinished', async () => {
    const folder = await tempFolder({ 'a.bin': randomBytes(20 * chunkBytes), 'bot.py': '' });
    const { files } = await collectSource([folder], '/', signal);
    const chunks = packEntries(files, zipped, signal);
    expect((await chunks.next()).done).toBe(false);
    await chunks.return(undefined);
    expect((await chunks.next()).done).toBe(true);
  });
});

it('holds folders, links and texts too', async () => {
  const long = `${'d'.repeat(120)}/x`;
  const entries = await unpack(
    await readAll([
      { kind: 'folder', path: 'empty' },
      { kind: 'link', path: 'current', target: 'v1/bot.py' },
      { kind: 'link', path: 'far', target: long },
      { kind: 'text', path: 'v1/bot.py', content: 'print("é")\n' },
    ]),
  );
  expect(
    entries.map(({ name, type, linkname, mode, content }) => [name, type, linkname, mode, String(content)]),
  ).toEqual([
    ['empty', 'directory', null, 0o755, ''],
    ['current', 'symlink', 'v1/bot.py', 0o777, ''],
    ['far', 'symlink', long, 0o777, ''],
    ['v1/bot.py', 'file', null, 0o644, 'print("é")\n'],
  ]);
});

async function readAll(entries: readonly PackEntry[], options = plain): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of packEntries(entries, options, signal)) chunks.push(chunk);
  return Buffer.concat(chunks);
}
