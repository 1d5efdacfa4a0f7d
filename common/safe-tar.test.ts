import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import type { Header } from 'tar-stream';
import { describe, expect, test } from 'vitest';
import {
  codeOf,
  context,
  type Entries,
  extra,
  header,
  inPieces,
  raw,
  record,
  refusalOf,
  tarOf,
} from '../test/kit/raw-tar.ts';
import { defaultTarLimits, listSafeTar, readContextTar, readSafeTar } from './safe-tar.ts';

describe('a tar from a user', () => {
  test('gives its files and folders with their content', async () => {
    const content = 'x'.repeat(100_000);
    const bytes = await tarOf((tar) => {
      tar.entry({ name: './', type: 'directory' });
      tar.entry({ name: './bot.py', mode: 0o4777 }, content);
      tar.entry({ name: `${'d'.repeat(200)}/a.py` }, 'long name');
      tar.entry({ name: 'данные/бот.py' }, 'unicode');
      tar.entry({ name: 'empty', type: 'directory' });
    });
    for (const form of [bytes, gzipSync(bytes)]) {
      const seen: unknown[] = [];
      for await (const entry of readSafeTar(inPieces(form))) {
        let length = 0;
        for await (const chunk of entry.content) length += chunk.length;
        seen.push([entry.name, entry.kind, entry.sizeBytes, entry.executable, length]);
      }
      expect(seen).toEqual([
        ['bot.py', 'file', 100_000, true, 100_000],
        [`${'d'.repeat(200)}/a.py`, 'file', 9, false, 9],
        ['данные/бот.py', 'file', 7, false, 7],
        ['empty', 'folder', 0, true, 0],
      ]);
    }
  });

  test('may be left early or read without the contents', async () => {
    const bytes = await tarOf((tar) => {
      for (let index = 0; index < 50; index += 1) tar.entry({ name: `f${index}` }, 'y'.repeat(5000));
    });
    for (const form of [bytes, gzipSync(bytes)]) {
      expect((await listSafeTar(inPieces(form))).size).toBe(50);
      const source = inPieces(form);
      for await (const entry of readSafeTar(source)) if (entry.name === 'f3') break;
      expect(source.destroyed).toBe(true);
    }
  });

  test('may be left while its source has stalled', async () => {
    const bytes = await tarOf((tar) => {
      for (let index = 0; index < 9; index += 1) tar.entry({ name: `f${index}` }, 'y'.repeat(500));
    });
    const packed = gzipSync(bytes, { level: 0 });
    const source = new Readable({ read() {} });
    source.push(packed.subarray(0, packed.length - 2000));
    for await (const entry of readSafeTar(source)) if (entry.name === 'f1') break;
    expect(source.destroyed).toBe(true);
  });

  test.for(['gnu', 'pax', 'ustar'])('that the system’s tar wrote as %s is read', async (format, { skip }) => {
    const probe = spawnSync('tar', ['--version'], { encoding: 'utf8' });
    if (!/GNU tar/.test(probe.stdout ?? '')) skip('the tar of this system is not GNU tar: it has other options');
    const dir = mkdtempSync(join(tmpdir(), 'tar-'));
    try {
      const deep = join(dir, 'папка', 'd'.repeat(90));
      mkdirSync(deep, { recursive: true });
      writeFileSync(join(dir, 'bot.py'), 'print(1)');
      writeFileSync(join(deep, 'a'.repeat(80)), 'long');
      symlinkSync('bot.py', join(dir, 'main.py'));
      const bytes = execFileSync('tar', ['-c', `--format=${format}`, '-C', dir, '.'], { maxBuffer: 1 << 24 });
      const seen = await context(bytes);
      expect(seen.sort()).toEqual(
        [
          'bot.py',
          'main.py -> bot.py',
          'папка',
          `папка/${'d'.repeat(90)}`,
          `папка/${'d'.repeat(90)}/${'a'.repeat(80)}`,
        ].sort(),
      );
    } finally {
      rmSync(dir, { recursive: true });
    }
  });

  const refused: [string, Entries][] = [
    ['a symbolic link', (tar) => void tar.entry({ name: 'l', type: 'symlink', linkname: 'bot.py' })],
    ['a hard link', (tar) => void tar.entry({ name: 'l', type: 'link', linkname: 'bot.py' })],
    ['a character device', (tar) => void tar.entry({ name: 'd', type: 'character-device' })],
    ['a block device', (tar) => void tar.entry({ name: 'd', type: 'block-device' })],
    ['a pipe', (tar) => void tar.entry({ name: 'p', type: 'fifo' })],
    ['a name that leaves the folder', (tar) => void tar.entry({ name: '../x' }, '')],
    ['a name that goes up within', (tar) => void tar.entry({ name: 'a/../../x' }, '')],
    ['an absolute name', (tar) => void tar.entry({ name: '/etc/cron.d/x' }, '')],
    ['an absolute name behind "./"', (tar) => void tar.entry({ name: './/etc/x' }, '')],
    ['a name with backslashes', (tar) => void tar.entry({ name: '..\\x' }, '')],
    ['a name with a line break', (tar) => void tar.entry({ name: 'a\nb' }, '')],
    ['a name of 5,000 characters', (tar) => void tar.entry({ name: 'x'.repeat(5000) }, '')],
    ['a folder that leaves the folder', (tar) => void tar.entry({ name: 'a/..', type: 'directory' })],
    [
      'a name twice',
      (tar) => {
        tar.entry({ name: 'Dockerfile' }, 'a');
        tar.entry({ name: './Dockerfile' }, 'b');
      },
    ],
    [
      'a file in a file',
      (tar) => {
        tar.entry({ name: 'a' }, 'a');
        tar.entry({ name: 'a/b' }, 'b');
      },
    ],
    [
      'a file that was a folder',
      (tar) => {
        tar.entry({ name: 'a', type: 'directory' });
        tar.entry({ name: 'a' }, 'b');
      },
    ],
  ];
  test.each(refused)('with %s is refused', async (_title, entries) => {
    expect(await refusalOf(await tarOf(entries))).toBe('INVALID_ARCHIVE');
  });

  test.each<[string, Buffer]>([
    ['a name in a pax header that climbs', raw(extra('x', record('path', '../x')), header('a', '0'))],
    ['a long name of GNU tar that climbs', raw(extra('L', '/etc/x\0'), header('a', '0'))],
    ['a name for all entries', raw(extra('g', record('path', 'a')), header('b', '0'))],
    ['a pax size that is none', raw(extra('x', record('size', '-1')), header('a', '0'))],
    ['a pax size that is too large', raw(extra('x', record('size', '9'.repeat(16))), header('a', '0'))],
    ['a pax record of negative length', raw(extra('x', '-9 path=xyz\n'), header('a', '0'))],
    ['a pax record that is cut', raw(extra('x', '99 path=x\n'), header('a', '0'))],
    ['a pax record without "="', raw(extra('x', '7 pathx\n'), header('a', '0'))],
    ['an extra header of 2 MB', raw(extra('L', 'x'.repeat(2 * 1024 * 1024)), header('a', '0'))],
    ['a sparse file of pax', raw(extra('x', record('GNU.sparse.major', '1')), header('a', '0'))],
    ['a sparse file of GNU tar', raw(header('a', 'S'))],
    ['a negative size in base 256', raw(header('a', '0', 0, (block) => block.fill(0xff, 124, 136)))],
    [
      'a size beyond all numbers',
      raw(header('a', '0', 0, (block) => block.fill(0xff, 125, 136).writeUInt8(0x80, 124))),
    ],
    ['a size that is no number', raw(header('a', '0', 0, (block) => void block.write('x', 124)))],
    ['a name that is not UTF-8', raw(header('a', '0', 0, (block) => void block.writeUInt8(0xff, 0)))],
    ['an entry without a name', raw(header('', '0'))],
    ['something behind its end', Buffer.concat([raw(header('a', '0')), header('b', '0')])],
    ['something between its zeros', Buffer.concat([header('a', '0'), Buffer.alloc(512), header('b', '0')])],
    ['no end', header('a', '0')],
    ['a wrong checksum', raw(Buffer.from(header('a', '0').fill(0x62, 0, 1)))],
    ['a header of no known kind', raw(header('a', '0', 0, (block) => block.fill(0, 257, 265)))],
  ])('with %s is refused', async (_title, bytes) => {
    expect(await refusalOf(bytes)).toBe('INVALID_ARCHIVE');
  });

  test('with pax headers that repeat a thousand keys for each of a thousand files is read at once', async () => {
    const keys = Array.from({ length: 1000 }, (_, index) => record(`x${index}`, '1')).join('');
    const files = Array.from({ length: 1000 }, (_, index) => [
      extra('x', record('mtime', '1')),
      header(`f${index}`, '0'),
    ]);
    const began = performance.now();
    expect((await listSafeTar(inPieces(raw(extra('g', keys), ...files.flat()), 65_536))).size).toBe(1000);
    expect(performance.now() - began).toBeLessThan(5_000);
  });

  test('with the extras that git and other packers write is read', async () => {
    const bytes = raw(
      extra('g', record('comment', 'a'.repeat(40))),
      extra('x', record('path', 'бот.py') + record('mtime', '1.5') + record('LIBARCHIVE.xattr.x', 'AQ==')),
      header('bot.py', '0', 0, (block) => block.fill(0, 156, 157)),
      header('old/', '\0'),
    );
    expect([...(await listSafeTar(inPieces(bytes))).keys()]).toEqual(['бот.py']);
  });

  test('gives the rest where it may leave out what is odd, names that, and still refuses what is an attack', async () => {
    const leftOut: string[] = [];
    const bytes = await tarOf((tar) => {
      tar.entry({ name: 'bot.py' }, 'x');
      tar.entry({ name: 'notes.' }, 'canary');
      tar.entry({ name: 'odd./x' }, 'canary');
      tar.entry({ name: 'a\nb' }, 'canary');
      tar.entry({ name: '-x' }, 'canary');
      tar.entry({ name: 'l', type: 'link', linkname: 'bot.py' });
      tar.entry({ name: 'p', type: 'fifo' });
      tar.entry({ name: 'in', type: 'symlink', linkname: 'bot.py' });
      tar.entry({ name: 'z.py' }, 'z');
    });
    const names: string[] = [];
    const onLeftOut = (name: string, why: string) => leftOut.push(`${name} ${why}`);
    for await (const entry of readContextTar(inPieces(bytes), defaultTarLimits, onLeftOut)) names.push(entry.name);
    expect(names).toEqual(['bot.py', 'in', 'z.py']);
    expect(leftOut).toEqual([
      '"notes." has a segment that ends with a space or a dot',
      '"odd./x" has a segment that ends with a space or a dot',
      '"a\\nb" contains a control character',
      '"-x" begins with "-"',
      '"l" is a hard link',
      '"p" is a pipe',
    ]);
    const attacks: (Partial<Header> & { name: string })[] = [
      { name: '../x' },
      { name: '/etc/x' },
      { name: 'a\\b' },
      { name: 'd', type: 'character-device' },
      { name: 'l', type: 'symlink', linkname: '/etc/passwd' },
    ];
    for (const header of attacks) {
      const attack = await tarOf((tar) => void tar.entry(header, ''));
      const read = async () => {
        for await (const entry of readContextTar(inPieces(attack), defaultTarLimits, onLeftOut)) names.push(entry.name);
      };
      await expect(read()).rejects.toMatchObject({ problem: { code: 'INVALID_ARCHIVE' } });
    }
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
    expect(await refusalOf(raw(header('a', '0', 0o77777777777)))).toBe('ARCHIVE_TOO_LARGE');
  });

  test('that is cut anywhere, or is not a tar, is refused', async () => {
    const bytes = await tarOf((tar) => void tar.entry({ name: 'a' }, 'a'.repeat(3000)));
    for (const length of [0, 1, 300, 511, 512, 513, 1500, 3500, 3584]) {
      expect(await refusalOf(bytes.subarray(0, length)), `cut at ${length}`).toBe('INVALID_ARCHIVE');
    }
    for (const magic of ['PK\x03\x04', 'BZh91AY&SY', '\xfd7zXZ\0', '\x28\xb5\x2f\xfd', 'hello']) {
      expect(await refusalOf(Buffer.from(magic.repeat(500), 'latin1')), magic).toBe('INVALID_ARCHIVE');
    }
  });

  test('that cannot be read keeps the error of the source', async () => {
    for (const begin of [Buffer.alloc(0), gzipSync('x').subarray(0, 12)]) {
      const broken = new Readable({
        read() {
          this.push(begin);
          this.destroy(new Error('disk on fire'));
        },
      });
      await expect(listSafeTar(broken)).rejects.toThrow('disk on fire');
    }
  });

  test('whatever its bytes are, is read or refused with a reason', async () => {
    const good = await tarOf((tar) => {
      tar.entry({ name: 'a/b.py' }, 'x'.repeat(700));
      tar.entry({ name: 'l', type: 'symlink', linkname: 'a/b.py' });
      tar.entry({ name: 'y'.repeat(200) }, 'z');
    });
    const change = fc.tuple(fc.nat({ max: good.length - 1 }), fc.integer({ min: 0, max: 255 }));
    await fc.assert(
      fc.asyncProperty(fc.array(change, { maxLength: 4 }), fc.boolean(), async (changes, zipped) => {
        const bytes = Buffer.from(zipped ? gzipSync(good) : good);
        for (const [at, value] of changes) bytes[at % bytes.length] = value;
        const code = await codeOf(context(bytes));
        expect(['accepted', 'INVALID_ARCHIVE', 'ARCHIVE_TOO_LARGE']).toContain(code);
      }),
      { numRuns: 300 },
    );
  });
});
