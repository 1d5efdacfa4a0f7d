import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import { extract, type Header, pack } from 'tar-stream';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { plainTar } from '../state/source-tar.ts';
import { createCustomContext } from './custom-context.ts';
import { classicFrontend } from './users-dockerfile/frontend.ts';
import { platformOf } from './users-dockerfile/platform.ts';

const lfsPointer = `version https://git-lfs.github.com/spec/v1\noid sha256:${'4d7a'.repeat(16)}\nsize 12345\n`;

describe('the build context of custom mode', () => {
  const terms = {
    platform: platformOf('linux', 'amd64', 'x86_64'),
    frontend: classicFrontend,
    buildArgs: {},
    target: '',
    cacheScope: 'scope',
    addedImage: 'added:1',
  };
  let dir: string;
  let count = 0;
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'custom-context-'));
  });
  afterAll(() => rm(dir, { recursive: true }));

  type Entry = readonly [Partial<Header> & { name: string }, string?];
  const save = async (entries: readonly Entry[], gzip = false): Promise<string> => {
    const tar = pack();
    for (const [header, content = ''] of entries) tar.entry(header, content);
    tar.finalize();
    const bytes = await buffer(tar);
    count += 1;
    const path = join(dir, `${count}.tar`);
    await writeFile(path, gzip ? gzipSync(bytes) : bytes);
    return path;
  };
  const read = async (
    contextTar: string,
    unwrap = false,
    dockerfile?: string,
  ): Promise<Map<string, { header: Header; text: string }>> => {
    const { stream, done } = await createCustomContext({
      contextTar: plainTar(contextTar),
      unwrap,
      terms,
      dockerfile,
    });
    const tar = extract();
    stream.pipe(tar);
    const found = new Map<string, { header: Header; text: string }>();
    for await (const entry of tar) {
      const chunks: Buffer[] = [];
      for await (const chunk of entry) chunks.push(chunk as Buffer);
      found.set(entry.header.name, { header: entry.header, text: Buffer.concat(chunks).toString() });
    }
    await done;
    return found;
  };

  test('holds files, folders and inner links of a tar or tar.gz, with masked modes and no owner', async () => {
    for (const gzip of [false, true]) {
      const found = await read(
        await save(
          [
            [{ name: './', type: 'directory' }],
            [{ name: './Dockerfile' }, 'FROM scratch'],
            [{ name: 'sub/', type: 'directory', mode: 0o777 }],
            [{ name: 'sub/run.sh', mode: 0o6777, uid: 5, gid: 6 }, 'echo'],
            [{ name: 'sub/link', type: 'symlink', linkname: '../Dockerfile' }],
          ],
          gzip,
        ),
      );
      expect([...found.keys()]).toEqual(['Dockerfile', 'sub/', 'sub/run.sh', 'sub/link']);
      expect(found.get('sub/run.sh')).toMatchObject({ header: { mode: 0o755, uid: 0, gid: 0 }, text: 'echo' });
      expect(found.get('sub/')?.header.mode).toBe(0o755);
      expect(found.get('sub/link')?.header.linkname).toBe('../Dockerfile');
    }
  });

  test('fails for its reader also where that comes later than the failure', async () => {
    const path = await save([[{ name: 'Dockerfile' }, 'FROM scratch']]);
    let times = 0;
    // The second time the file is another one.
    const open = () => {
      times += 1;
      return times === 1 ? plainTar(path).open() : Readable.from([Buffer.from('not a tar'.repeat(1000))]);
    };
    const { stream, done } = await createCustomContext({ contextTar: { open }, terms });
    await expect(done).rejects.toMatchObject({ problem: { code: 'INVALID_ARCHIVE' } });
    await expect(buffer(stream)).rejects.toThrow();
  });

  test('hostile 47: holds the Dockerfile as the engine is to read it', async () => {
    const found = await read(await save([[{ name: 'Dockerfile' }, 'FROM ${A:-b}\nARG TARGETARCH\n']]));
    expect(found.get('Dockerfile')?.text).toBe('FROM b\nARG TARGETARCH=amd64\n');
  });

  test('is built by another Dockerfile where asked to, which goes along with its own .dockerignore', async () => {
    const entries = (top: string): Entry[] => [
      [{ name: `${top}Dockerfile` }, 'FROM one'],
      [{ name: `${top}docker/prod.Dockerfile` }, 'FROM --platform=$BUILDPLATFORM two'],
      [{ name: `${top}docker/prod.Dockerfile.dockerignore` }, 'docker\nsecret'],
      [{ name: `${top}.dockerignore` }, 'kept'],
      [{ name: `${top}secret` }, ''],
      [{ name: `${top}kept` }, ''],
    ];
    for (const [top, unwrap] of [
      ['', false],
      ['bot-main/', true],
    ] as const) {
      const found = await read(await save(entries(top)), unwrap, 'docker/prod.Dockerfile');
      expect([...found.keys()]).toEqual([
        'Dockerfile',
        'docker/prod.Dockerfile',
        'docker/prod.Dockerfile.dockerignore',
        '.dockerignore',
        'kept',
      ]);
      expect(found.get('docker/prod.Dockerfile')?.text).toBe('FROM two\n');
      expect(found.get('Dockerfile')?.text).toBe('FROM one');
    }
    for (const absent of ['docker', 'prod.Dockerfile']) {
      await expect(read(await save(entries('')), false, absent)).rejects.toMatchObject({
        problem: {
          code: 'INVALID_ARCHIVE',
          message: expect.stringContaining(`"${absent}" is not`),
          details: { field: 'dockerfile' },
        },
      });
    }
  });

  test('hostile 47: is refused when the Dockerfile is no text in UTF-8', async () => {
    const utf16 = await save([[{ name: 'Dockerfile' }, 'F\0R\0O\0M\0 \0a\0']]);
    await expect(read(utf16)).rejects.toMatchObject({ problem: { code: 'BUILD_FAILED' } });
  });

  test('looks through one folder around everything only where asked to', async () => {
    const entries: Entry[] = [
      [{ name: 'bot-main/', type: 'directory' }],
      [{ name: 'bot-main/Dockerfile' }, 'FROM scratch'],
      [{ name: 'bot-main/a/b.txt' }, 'b'],
    ];
    const path = await save(entries);
    expect([...(await read(path, true)).keys()]).toEqual(['Dockerfile', 'a/b.txt']);
    await expect(read(path)).rejects.toMatchObject({ problem: { code: 'INVALID_ARCHIVE' } });
    const two = await save([...entries, [{ name: 'other.txt' }, '']]);
    await expect(read(two, true)).rejects.toMatchObject({ problem: { code: 'INVALID_ARCHIVE' } });
  });

  test('leaves out what the .dockerignore at the root says, in a wrapped archive too', async () => {
    const entries = (top: string): Entry[] => [
      [{ name: `${top}secrets/`, type: 'directory' }],
      [{ name: `${top}secrets/key` }, 'canary'],
      [{ name: `${top}Dockerfile` }, 'FROM scratch'],
      [{ name: `${top}docs/a.md` }, ''],
      [{ name: `${top}docs/keep.md` }, ''],
      [{ name: `${top}sub/.dockerignore` }, '*'],
      [{ name: `${top}.dockerignore` }, '# comment\nsecrets/\ndocs\n!docs/keep.md\n.dockerignore\n'],
    ];
    const left = ['Dockerfile', 'docs/keep.md', 'sub/.dockerignore', '.dockerignore'];
    expect([...(await read(await save(entries('')))).keys()]).toEqual(left);
    expect([...(await read(await save(entries('bot-main/'), true), true)).keys()]).toEqual(left);
  });

  test('may hold pointers of Git LFS that the .dockerignore leaves out, and is refused with the path of any other', async () => {
    const files: Entry[] = [
      [{ name: 'Dockerfile' }, 'FROM scratch'],
      [{ name: 'docs/a.png' }, lfsPointer],
      [{ name: 'docs/lfs.md' }, `A pointer reads:\n${lfsPointer}`],
    ];
    expect([...(await read(await save([...files, [{ name: '.dockerignore' }, '*/*.png']]))).keys()]).toContain(
      'docs/lfs.md',
    );
    await expect(read(await save(files))).rejects.toMatchObject({
      problem: { code: 'INVALID_ARCHIVE', message: expect.stringContaining('"docs/a.png"') },
    });
    const atTheTop = [...files.slice(0, 1), [{ name: 'model.bin' }, lfsPointer] satisfies Entry];
    await expect(read(await save(atTheTop))).rejects.toMatchObject({
      problem: { code: 'INVALID_ARCHIVE', message: expect.stringContaining('"model.bin"') },
    });
  });

  test('refuses a submodule without files, unless it is left out', async () => {
    const files: Entry[] = [
      [{ name: 'x/Dockerfile' }, 'FROM scratch'],
      [{ name: 'x/.gitmodules' }, '[submodule "s"]\n\tpath = libs/s\n'],
      [{ name: 'x/libs/s', type: 'directory' }],
    ];
    await expect(read(await save(files), true)).rejects.toMatchObject({
      problem: { code: 'INVALID_ARCHIVE', message: expect.stringContaining('"libs/s"') },
    });
    await read(await save([...files, [{ name: 'x/.dockerignore' }, 'libs']]), true);
    await read(await save([...files, [{ name: 'x/libs/s/a.py' }, '1']]), true);
  });

  test('leaves out a hard link, a pipe and an odd name, and names them', async () => {
    const contextTar = await save([
      [{ name: 'Dockerfile' }, 'FROM scratch'],
      [{ name: 'l', type: 'link', linkname: 'Dockerfile' }],
      [{ name: 'notes.' }, 'x'],
      [{ name: 'a:b.txt' }, 'x'],
      [{ name: 'bot.py' }, 'x'],
    ]);
    expect([...(await read(contextTar)).keys()]).toEqual(['Dockerfile', 'bot.py']);
    const context = await createCustomContext({ contextTar: plainTar(contextTar), terms });
    context.stream.destroy();
    expect(context.leftOut).toEqual([
      '"l" is a hard link',
      '"notes." has a segment that ends with a space or a dot',
      '"a:b.txt" begins with a drive letter',
    ]);
  });

  test('follows the Dockerfile.dockerignore instead where there is one', async () => {
    const path = await save([
      [{ name: '.dockerignore' }, 'a'],
      [{ name: 'Dockerfile.dockerignore' }, 'b'],
      [{ name: 'Dockerfile' }, 'FROM scratch'],
      [{ name: 'a' }, ''],
      [{ name: 'b' }, ''],
    ]);
    expect([...(await read(path)).keys()]).toEqual(['.dockerignore', 'Dockerfile.dockerignore', 'Dockerfile', 'a']);
  });

  test('without a Dockerfile at the root says where there is one', async () => {
    const path = await save([
      [{ name: 'README.md' }, ''],
      [{ name: 'bots/old/echo/Dockerfile' }, 'FROM scratch'],
      [{ name: 'bots/echo/Dockerfile' }, 'FROM scratch'],
    ]);
    await expect(createCustomContext({ contextTar: plainTar(path), terms })).rejects.toMatchObject({
      problem: {
        code: 'INVALID_ARCHIVE',
        message: 'There is no Dockerfile at the root of the source; there is bots/echo/Dockerfile.',
        hint: expect.stringMatching(/^Send that folder; of a git repository, name it with --subdir bots\/echo\.$/),
      },
    });
  });

  test.each<[string, readonly Entry[]]>([
    [
      'holds a Git LFS pointer',
      [
        [{ name: 'Dockerfile' }, 'FROM scratch'],
        [{ name: 'a/model.bin' }, lfsPointer],
      ],
    ],
    [
      'has a .dockerignore that is not one',
      [
        [{ name: 'Dockerfile' }, 'FROM scratch'],
        [{ name: '.dockerignore' }, '['],
      ],
    ],
    [
      'has a link named .dockerignore',
      [[{ name: 'Dockerfile' }, 'FROM scratch'], [{ name: '.dockerignore', type: 'symlink', linkname: 'Dockerfile' }]],
    ],
    ['has no Dockerfile', [[{ name: 'bot.py' }, '']]],
    [
      'has its Dockerfile deeper',
      [
        [{ name: 'a/Dockerfile' }, ''],
        [{ name: 'b' }, ''],
      ],
    ],
    ['has a folder named Dockerfile', [[{ name: 'Dockerfile/', type: 'directory' }]]],
    [
      'has a link named Dockerfile',
      [[{ name: 'real' }, ''], [{ name: 'Dockerfile', type: 'symlink', linkname: 'real' }]],
    ],
    [
      'has two of them',
      [
        [{ name: 'Dockerfile' }, 'a'],
        [{ name: 'Dockerfile' }, 'b'],
      ],
    ],
    ['holds a link out of it', [[{ name: 'Dockerfile' }, ''], [{ name: 'l', type: 'symlink', linkname: '/etc' }]]],
    ['holds a device', [[{ name: 'Dockerfile' }, ''], [{ name: 'd', type: 'character-device' }]]],
    [
      'goes up',
      [
        [{ name: 'Dockerfile' }, ''],
        [{ name: '../x' }, ''],
      ],
    ],
    [
      'links out of the folder looked through',
      [[{ name: 'w/Dockerfile' }, ''], [{ name: 'w/l', type: 'symlink', linkname: '../w/Dockerfile' }]],
    ],
  ])('is refused when the archive %s', async (_, entries) => {
    await expect(read(await save(entries), true)).rejects.toMatchObject({ problem: { code: 'INVALID_ARCHIVE' } });
  });
});
