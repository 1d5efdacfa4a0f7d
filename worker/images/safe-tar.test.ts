import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { pack } from 'tar-stream';
import { describe, expect, test } from 'vitest';
import { ProblemError } from '#common/problem.ts';
import { listSafeTar, readSafeTar } from './safe-tar.ts';

type Entries = (tar: ReturnType<typeof pack>) => void;

async function tarOf(entries: Entries): Promise<Buffer> {
  const tar = pack();
  entries(tar);
  tar.finalize();
  return buffer(tar);
}

/** In pieces of odd size, as they may come from a socket or a disk. */
const inPieces = (bytes: Buffer, size = 1000) =>
  Readable.from(
    Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) =>
      bytes.subarray(index * size, (index + 1) * size),
    ),
    { objectMode: false },
  );

async function refusalOf(bytes: Buffer, limits?: Parameters<typeof listSafeTar>[1]): Promise<string> {
  try {
    await listSafeTar(inPieces(bytes), limits);
  } catch (error) {
    if (error instanceof ProblemError) return error.problem.code;
    throw error;
  }
  return 'accepted';
}

describe('a tar from a user', () => {
  test('gives its files and folders with their content', async () => {
    const content = 'x'.repeat(100_000);
    const bytes = await tarOf((tar) => {
      tar.entry({ name: './', type: 'directory' });
      tar.entry({ name: './bot.py', mode: 0o4777 }, content);
      tar.entry({ name: `${'d'.repeat(200)}/a.py` }, 'long name');
      tar.entry({ name: 'empty', type: 'directory' });
    });
    const seen: unknown[] = [];
    for await (const entry of readSafeTar(inPieces(bytes))) {
      let length = 0;
      for await (const chunk of entry.content) length += chunk.length;
      seen.push([entry.name, entry.kind, entry.sizeBytes, entry.executable, length]);
    }
    expect(seen).toEqual([
      ['bot.py', 'file', 100_000, true, 100_000],
      [`${'d'.repeat(200)}/a.py`, 'file', 9, false, 9],
      ['empty', 'folder', 0, true, 0],
    ]);
  });

  test('may be left early or read without the contents', async () => {
    const bytes = await tarOf((tar) => {
      for (let index = 0; index < 50; index += 1) tar.entry({ name: `f${index}` }, 'y'.repeat(5000));
    });
    expect((await listSafeTar(inPieces(bytes))).size).toBe(50);
    const source = inPieces(bytes);
    for await (const entry of readSafeTar(source)) if (entry.name === 'f3') break;
    expect(source.destroyed).toBe(true);
  });

  test.each<[string, string, Entries]>([
    ['a symbolic link', 'INVALID_ARCHIVE', (tar) => void tar.entry({ name: 'l', type: 'symlink', linkname: '/etc' })],
    ['a hard link', 'INVALID_ARCHIVE', (tar) => void tar.entry({ name: 'l', type: 'link', linkname: 'bot.py' })],
    ['a device', 'INVALID_ARCHIVE', (tar) => void tar.entry({ name: 'd', type: 'character-device' })],
    ['a pipe', 'INVALID_ARCHIVE', (tar) => void tar.entry({ name: 'p', type: 'fifo' })],
    ['a name that leaves the folder', 'INVALID_ARCHIVE', (tar) => void tar.entry({ name: '../x' }, '')],
    ['an absolute name', 'INVALID_ARCHIVE', (tar) => void tar.entry({ name: '/etc/cron.d/x' }, '')],
    ['an absolute name behind "./"', 'INVALID_ARCHIVE', (tar) => void tar.entry({ name: './/etc/x' }, '')],
    ['a name with a line break', 'INVALID_ARCHIVE', (tar) => void tar.entry({ name: 'a\nb' }, '')],
    [
      'a folder that leaves the folder',
      'INVALID_ARCHIVE',
      (tar) => void tar.entry({ name: 'a/..', type: 'directory' }),
    ],
    [
      'a name twice',
      'INVALID_ARCHIVE',
      (tar) => {
        tar.entry({ name: 'bot.py' }, 'a');
        tar.entry({ name: './bot.py' }, 'b');
      },
    ],
    [
      'a file in a file',
      'INVALID_ARCHIVE',
      (tar) => {
        tar.entry({ name: 'a' }, 'a');
        tar.entry({ name: 'a/b' }, 'b');
      },
    ],
    [
      'a file that was a folder',
      'INVALID_ARCHIVE',
      (tar) => {
        tar.entry({ name: 'a', type: 'directory' });
        tar.entry({ name: 'a' }, 'b');
      },
    ],
  ])('with %s is refused: %s', async (_title, code, entries) => {
    expect(await refusalOf(await tarOf(entries))).toBe(code);
  });

  test('with a folder named twice is accepted', async () => {
    const bytes = await tarOf((tar) => {
      tar.entry({ name: 'a/b' }, '');
      tar.entry({ name: 'a', type: 'directory' });
      tar.entry({ name: 'a', type: 'directory' });
    });
    expect(await refusalOf(bytes)).toBe('accepted');
  });

  test('that is larger than its bounds is refused', async () => {
    const bytes = await tarOf((tar) => {
      tar.entry({ name: 'a' }, 'a'.repeat(600));
      tar.entry({ name: 'b' }, 'b'.repeat(600));
    });
    expect(await refusalOf(bytes, { totalBytes: 1200, entries: 2 })).toBe('accepted');
    expect(await refusalOf(bytes, { totalBytes: 1199, entries: 2 })).toBe('ARCHIVE_TOO_LARGE');
    expect(await refusalOf(bytes, { totalBytes: 1200, entries: 1 })).toBe('ARCHIVE_TOO_LARGE');
  });

  test('whose header claims a size beyond the bounds is refused before the content is read', async () => {
    const bytes = await tarOf((tar) => void tar.entry({ name: 'a' }, 'a'));
    // Size field of the first header: 11 octal digits at offset 124; then its checksum is made right again.
    bytes.write('77777777777', 124);
    bytes.write('        ', 148);
    const sum = bytes.subarray(0, 512).reduce((total, byte) => total + byte, 0);
    bytes.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
    expect(await refusalOf(bytes)).toBe('ARCHIVE_TOO_LARGE');
  });

  test('that is cut anywhere, or is not a tar, is refused', async () => {
    const bytes = await tarOf((tar) => void tar.entry({ name: 'a' }, 'a'.repeat(3000)));
    for (const length of [1, 300, 511, 513, 1500, 3500]) {
      expect(await refusalOf(bytes.subarray(0, length)), `cut at ${length}`).toBe('INVALID_ARCHIVE');
    }
    expect(await refusalOf(Buffer.alloc(5000, 'PK\x03\x04'))).toBe('INVALID_ARCHIVE');
  });

  test('that cannot be read keeps the error of the source', async () => {
    const broken = new Readable({
      read() {
        this.destroy(new Error('disk on fire'));
      },
    });
    await expect(listSafeTar(broken)).rejects.toThrow('disk on fire');
  });
});
