/** The forms of a user's tar: gzipped, and as a build context, which may hold links. */
import { deflateRawSync, deflateSync, gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { codeOf, context, extra, header, inPieces, raw, record, refusalOf, tarOf } from '../test/kit/raw-tar.ts';
import { listSafeTar } from './safe-tar.ts';

describe('a gzipped tar', () => {
  const small = () => tarOf((tar) => void tar.entry({ name: 'a' }, 'a'.repeat(3000)));

  test('is read in pieces of any size', async () => {
    const zipped = gzipSync(await small());
    for (const size of [1, 2, 7, 18, zipped.length - 8, zipped.length - 1, zipped.length]) {
      expect([...(await listSafeTar(inPieces(zipped, size)))], `pieces of ${size}`).toEqual([['a', 3000]]);
    }
  });

  test('may carry a name, a comment, extras and a checksum of its header', async () => {
    const bytes = await small();
    const body = gzipSync(bytes).subarray(10);
    const head = Buffer.from([0x1f, 0x8b, 8, 2 | 4 | 8 | 16, 0, 0, 0, 0, 0, 3]);
    const extras = Buffer.concat([
      Buffer.from([3, 0]),
      Buffer.from('abc'),
      Buffer.from('bot.tar\0why\0'),
      Buffer.from([0, 0]),
    ]);
    expect(await refusalOf(Buffer.concat([head, extras, body]))).toBe('accepted');
  });

  test('with anything wrong in its frame is refused', async () => {
    const bytes = await small();
    const zipped = gzipSync(bytes);
    const flip = (at: number) => {
      const copy = Buffer.from(zipped);
      copy.writeUInt8((copy.at(at) ?? 0) ^ 1, at < 0 ? copy.length + at : at);
      return copy;
    };
    const broken: Record<string, Buffer> = {
      'trailing data': Buffer.concat([zipped, Buffer.from('x')]),
      'trailing zeros': Buffer.concat([zipped, Buffer.alloc(512)]),
      'a second member': Buffer.concat([gzipSync(bytes.subarray(0, 512)), gzipSync(bytes.subarray(512))]),
      'a member of its own behind it': Buffer.concat([zipped, gzipSync('')]),
      'a wrong checksum': flip(-8),
      'a wrong length': flip(-4),
      'another method': flip(2),
      'a reserved flag': Buffer.concat([Buffer.from([0x1f, 0x8b, 8, 0x20]), zipped.subarray(4)]),
      'a name without end': Buffer.concat([Buffer.from([0x1f, 0x8b, 8, 8, 0, 0, 0, 0, 0, 0]), Buffer.alloc(9000, 'x')]),
      'no data': zipped.subarray(0, 10),
      garbage: Buffer.concat([zipped.subarray(0, 10), Buffer.alloc(5000, 0xaa)]),
      'a tar inside that is none': gzipSync('hello'.repeat(500)),
      'gzip again inside': gzipSync(zipped),
      'zlib data instead': deflateSync(bytes),
      'bare deflate data instead': deflateRawSync(bytes),
    };
    for (const [what, form] of Object.entries(broken)) {
      expect(await refusalOf(form), what).toBe('INVALID_ARCHIVE');
    }
    for (const length of [1, 2, 9, 15, zipped.length - 9, zipped.length - 1]) {
      expect(await refusalOf(zipped.subarray(0, length)), `cut at ${length}`).toBe('INVALID_ARCHIVE');
    }
  });

  test('that inflates beyond the bounds is refused early', async () => {
    const bomb = gzipSync(raw(header('a', '0', 64 * 1024 * 1024), Buffer.alloc(64 * 1024 * 1024)));
    expect(await refusalOf(bomb)).toBe('ARCHIVE_TOO_LARGE');
    const inflate = { bytes: 4096, ratio: 1000, ratioFromBytes: 0 };
    const limits = { totalBytes: 1e9, entries: 10 };
    expect(await refusalOf(gzipSync(await small()), { ...limits, inflate })).toBe('ARCHIVE_TOO_LARGE');
    expect(await refusalOf(gzipSync(await small()), { ...limits, inflate: { ...inflate, bytes: 5000 } })).toBe(
      'accepted',
    );
  });
});

describe('a build context', () => {
  const links = (...entries: [name: string, target: string | null][]) =>
    tarOf((tar) => {
      for (const [name, target] of entries) {
        if (target === null) tar.entry({ name }, 'x');
        else tar.entry({ name, type: 'symlink', linkname: target });
      }
    });

  test.each([
    ['beside it', 'b', 'a'],
    ['in a folder', 'b', 'lib/a'],
    ['up and down', 'lib/b', '../bin/a'],
    ['to its own folder', 'lib/b', '.'],
    ['to the root', 'lib/b', '..'],
    ['with "./"', 'b', './a'],
    ['to a folder with a slash', 'b', 'lib/'],
    ['to nothing that is there', 'b', 'absent'],
  ])('may hold a symbolic link %s', async (_title, name, target) => {
    expect(await context(await links(['a', null], [name, target]))).toHaveLength(2);
  });

  test.each<[string, [string, string | null][]]>([
    ['absolute', [['l', '/etc/passwd']]],
    ['that leads out', [['l', '../x']]],
    ['that leads out of its folder’s folder', [['a/b/l', '../../../x']]],
    ['that goes down and up', [['l', 'a/../../x']]],
    [
      'that goes up behind another link',
      [
        ['a/b/c/up', '../../..'],
        ['l', 'a/b/c/up/../x'],
      ],
    ],
    ['to itself', [['l', 'l']]],
    ['to itself from its folder', [['a/l', '../a/l']]],
    ['to nothing', [['l', '']]],
    ['with a backslash', [['l', '..\\x']]],
    ['with a line break', [['l', 'a\nb']]],
    [
      'with a file behind it',
      [
        ['l', 'a'],
        ['l/b', null],
      ],
    ],
    [
      'in the place of a folder',
      [
        ['a/b', null],
        ['a', 'c'],
      ],
    ],
    [
      'in the place of a file',
      [
        ['a', null],
        ['a', 'c'],
      ],
    ],
    ['whose own name leads out', [['../l', 'a']]],
  ])('with a symbolic link %s is refused', async (_title, entries) => {
    expect(await codeOf(context(await links(...entries)))).toBe('INVALID_ARCHIVE');
  });

  test('with a link whose target a pax header sets is judged by that target', async () => {
    const bytes = raw(
      extra('x', record('linkpath', '/etc')),
      header('l', '2', 0, (block) => void block.write('a', 157)),
    );
    expect(await codeOf(context(bytes))).toBe('INVALID_ARCHIVE');
  });

  test('with a hard link or a device is refused like any other', async () => {
    for (const type of ['link', 'fifo', 'block-device'] as const) {
      const bytes = await tarOf((tar) => {
        tar.entry({ name: 'a' }, 'x');
        tar.entry({ name: 'l', type, linkname: 'a' });
      });
      expect(await codeOf(context(bytes)), type).toBe('INVALID_ARCHIVE');
    }
  });
});
