/** Archives on their way in: inside a request, and as an upload in pieces. */
import { buffer } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import { pack } from 'tar-stream';
import { describe, expect, it } from 'vitest';
import { ProblemError } from '#common/problem.ts';
import { checkInlineArchive } from './inline-archive.ts';
import { createTarCheck } from './tar-check.ts';

type Entry = { name: string; type?: 'file' | 'directory' | 'symlink' | 'link'; linkname?: string; content?: string };
async function tarOf(...entries: Entry[]): Promise<Buffer> {
  const tar = pack();
  for (const { content = '', ...header } of entries) tar.entry({ type: 'file', ...header }, content);
  tar.finalize();
  return buffer(tar);
}
const codeOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'ok',
    (error: unknown) => {
      if (error instanceof ProblemError) return error.problem.code;
      throw error;
    },
  );

describe('an archive inside a request', () => {
  const check = async (entries: Entry[]) => {
    const bytes = await tarOf(...entries);
    const plain = await codeOf(checkInlineArchive(bytes));
    expect(await codeOf(checkInlineArchive(gzipSync(bytes)))).toBe(plain);
    return plain;
  };

  it.each<[string, Entry[]]>([
    ['a Dockerfile at the root', [{ name: 'Dockerfile' }]],
    ['"./" before every name', [{ name: './', type: 'directory' }, { name: './Dockerfile' }]],
    ['a single folder around everything', [{ name: 'bot/Dockerfile' }, { name: 'bot/bot.py' }]],
    ['a link that stays inside', [{ name: 'Dockerfile' }, { name: 'a/l', type: 'symlink', linkname: '../Dockerfile' }]],
  ])('with %s is fine', async (_title, entries) => {
    expect(await check(entries)).toBe('ok');
  });

  it.each<[string, Entry[]]>([
    ['nothing in it', []],
    ['no Dockerfile', [{ name: 'bot.py' }]],
    ['a Dockerfile in one of two folders', [{ name: 'a/Dockerfile' }, { name: 'b/x' }]],
    ['a Dockerfile deeper down', [{ name: 'a/b/Dockerfile' }]],
    ['a folder named Dockerfile', [{ name: 'Dockerfile', type: 'directory' }]],
    ['a link named Dockerfile', [{ name: 'x' }, { name: 'Dockerfile', type: 'symlink', linkname: 'x' }]],
    ['a link that leads out', [{ name: 'Dockerfile' }, { name: 'l', type: 'symlink', linkname: '../x' }]],
    ['a hard link as Dockerfile', [{ name: 'x' }, { name: 'Dockerfile', type: 'link', linkname: 'x' }]],
  ])('with %s is refused', async (_title, entries) => {
    expect(await check(entries)).toBe('INVALID_ARCHIVE');
  });

  it('that takes too long to read is refused', async () => {
    const content = 'x'.repeat(40_000_000);
    const work = checkInlineArchive(await tarOf({ name: 'Dockerfile', content }), undefined, 1);
    expect(await codeOf(work)).toBe('ARCHIVE_TOO_LARGE');
  });
});

describe('an upload', () => {
  const upload = async (bytes: Uint8Array, size: number) => {
    const check = createTarCheck();
    try {
      for (let at = 0; at < bytes.length; at += size) await check.write(bytes.subarray(at, at + size));
      await check.end();
    } finally {
      check.destroy();
    }
  };

  it('of any piece size, plain or gzipped, is read to its end', async () => {
    const bytes = await tarOf({ name: 'bot.py', content: 'x'.repeat(300_000) }, { name: 'a/b' });
    for (const form of [bytes, gzipSync(bytes), gzipSync(bytes, { level: 0 })]) {
      for (const size of [1000, 65_536, 1_000_000]) expect(await codeOf(upload(form, size))).toBe('ok');
    }
  });

  it('that is bad in the middle is refused before its end', async () => {
    const bad = await tarOf({ name: '../x' }, { name: 'bot.py', content: 'x'.repeat(3_000_000) });
    const check = createTarCheck();
    let written = 0;
    const writeAll = async () => {
      for (; written < bad.length; written += 65_536) await check.write(bad.subarray(written, written + 65_536));
    };
    expect(await codeOf(writeAll())).toBe('INVALID_ARCHIVE');
    expect(written).toBeLessThan(bad.length / 2);
    check.destroy();
  });

  it.each<[string, () => Promise<Uint8Array>, string]>([
    ['nothing', async () => new Uint8Array(), 'INVALID_ARCHIVE'],
    ['no file', () => tarOf(), 'INVALID_ARCHIVE'],
    ['only a folder', () => tarOf({ name: 'a', type: 'directory' }), 'INVALID_ARCHIVE'],
    [
      'half of a tar',
      async () => (await tarOf({ name: 'a', content: 'x'.repeat(2000) })).subarray(0, 1500),
      'INVALID_ARCHIVE',
    ],
    ['half of a gzip', async () => gzipSync(await tarOf({ name: 'a' })).subarray(0, 40), 'INVALID_ARCHIVE'],
    [
      'something behind it',
      async () => Buffer.concat([gzipSync(await tarOf({ name: 'a' })), Buffer.from('x')]),
      'INVALID_ARCHIVE',
    ],
    ['a bomb', async () => gzipSync(await tarOf({ name: 'a', content: '\0'.repeat(30_000_000) })), 'ARCHIVE_TOO_LARGE'],
  ])('of %s is refused', async (_title, bytes, code) => {
    expect(await codeOf(upload(await bytes(), 4096))).toBe(code);
  });
});
