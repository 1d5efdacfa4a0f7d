import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { extract, pack } from 'tar-stream';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ProblemError } from '#common/problem.ts';
import { plainTar, type SourceTar } from '../state/source-tar.ts';
import { type ContextSource, createBuildContext } from './build-context.ts';
import { planInstall } from './install/install-plan.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'build-context-'));
});
afterEach(async () => {
  await rm(dir, { recursive: true, force: true });
});

async function tarOf(files: Readonly<Record<string, string | Uint8Array>>): Promise<SourceTar> {
  const tar = pack();
  for (const [name, content] of Object.entries(files))
    tar.entry({ name, mode: 0o4777, uid: 0, uname: 'root' }, Buffer.from(content));
  tar.finalize();
  const path = join(dir, 'source.tar');
  await writeFile(path, await buffer(tar));
  return plainTar(path);
}

const scope = 'worker-1.abcdefghijklmnop';
type Wish = Pick<ContextSource, 'language'> & { requirements?: string[]; requirementFiles?: string[] };
const { signal } = new AbortController();
const inPlace = { how: 'in_place', files: [] } as const;

async function contextOf(
  { language, requirements = [], requirementFiles = [] }: Wish,
  files: Readonly<Record<string, string | Uint8Array>>,
) {
  const sourceTar = await tarOf(files);
  const install = await planInstall({ language, requirements, requirementFiles, sourceTar }, signal);
  const context = createBuildContext({ scope, language, install, sourceTar });
  const entries = new Map<string, { content: string; mode: number; uid: number; linkname: string }>();
  const tar = extract();
  context.stream.pipe(tar);
  for await (const entry of tar) {
    const { name, mode, uid, linkname } = entry.header;
    entries.set(name, { content: (await buffer(entry)).toString(), mode, uid, linkname: linkname ?? '' });
  }
  await context.done;
  return entries;
}

describe('the build context of simple mode', () => {
  test("keeps the user's files apart from what steers the build", async () => {
    const hostile = {
      Dockerfile: 'FROM scratch',
      '.dockerignore': '*',
      'requirements.txt': '--index-url http://evil',
      'app/Dockerfile': 'x',
      'bot.py': 'print(1)',
    };
    const entries = await contextOf({ language: 'python', requirements: ['aiogram>=3.0'] }, hostile);
    expect(entries.get('Dockerfile')?.content).toMatch(/^ARG BASE_IMAGE\n/);
    expect(entries.get('requirements/requirements.txt')?.content).toBe('aiogram>=3.0\n');
    expect(entries.has('.dockerignore')).toBe(false);
    expect([...entries.keys()].filter((name) => name.startsWith('app/'))).toEqual(['app/']);
    const inPlace = { ...hostile, 'requirements.txt': '-e .\n', 'setup.py': '' };
    const withCode = await contextOf({ language: 'python', requirementFiles: ['requirements.txt'] }, inPlace);
    expect(withCode.get('Dockerfile')?.content).toMatch(/^ARG BASE_IMAGE\n/);
    for (const [name, content] of Object.entries(inPlace)) {
      expect(withCode.get(`app/${name}`)).toEqual({ content, mode: 0o755, uid: 10001, linkname: '' });
    }
  });

  test('without requirements has no file for them', async () => {
    const entries = await contextOf({ language: 'python', requirements: [] }, { 'bot.py': '' });
    expect([...entries.keys()].filter((name) => name.startsWith('requirements'))).toEqual([]);
    expect(entries.get('Dockerfile')?.content).not.toContain('pip');
  });

  test('for Node names the requirements as JSON and links the folder where Node looks', async () => {
    const requirements = ['grammy@^1.30', '@scope/pkg', 'left-pad@>=1 <2'];
    const entries = await contextOf({ language: 'node', requirements }, { 'bot.mjs': '' });
    expect(JSON.parse(entries.get('requirements/package.json')?.content ?? '')).toEqual({
      name: 'bot',
      private: true,
      dependencies: { grammy: '^1.30', '@scope/pkg': 'latest', 'left-pad': '>=1 <2' },
    });
    expect(entries.get('skeleton/node_modules')?.linkname).toBe('packages/node_modules');
  });

  describe('with requirements files of the bot', () => {
    const installed = (entries: Awaited<ReturnType<typeof contextOf>>) =>
      [...entries.keys()].filter((name) => name.startsWith('requirements/') && !name.endsWith('/')).toSorted();

    test('copies what pip opens, as it is, apart from the code, so that the code may change alone', async () => {
      const utf16 = Buffer.from('\ufeffhttpx\r\n', 'utf16le');
      const files = {
        'requirements/prod.txt': '-r base.txt\n-c ../limits.txt\naiogram==3.4 \\\n  --hash=sha256:00\n',
        'requirements/base.txt': utf16,
        'limits.txt': 'x @ https://example.org/x.zip\n--index-url https://example.org/simple\n',
        'other.txt': 'other\n',
        'bot.py': '',
      };
      const entries = await contextOf({ language: 'python', requirementFiles: ['requirements/prod.txt'] }, files);
      expect(installed(entries)).toEqual([
        'requirements/files/limits.txt',
        'requirements/files/requirements/base.txt',
        'requirements/files/requirements/prod.txt',
        'requirements/install.json',
        'requirements/install.py',
      ]);
      expect(entries.get('requirements/files/requirements/prod.txt')?.content).toBe(files['requirements/prod.txt']);
      expect(JSON.parse(entries.get('requirements/install.json')?.content ?? '')).toEqual({
        requirements: [],
        files: ['requirements/prod.txt'],
      });
      const dockerfile = entries.get('Dockerfile')?.content ?? '';
      expect(dockerfile).toContain('install.py');
      expect(dockerfile).not.toContain('COPY --chown=10001:10001 app/');
    });

    test.each([
      ['requirements.txt', '-e .\n'],
      ['requirements.txt', '--find-links ./wheels\nx\n'],
      ['requirements.txt', './lib\n'],
      ['requirements.txt', 'wheels/a-1-py3-none-any.whl\n'],
      ['setup.py', ''],
      ['pyproject.toml', '[project]\nname = "a"\ndynamic = ["version", "dependencies"]\n'],
    ])('installs in place when %s has %j, which is the code of the bot', async (name, content) => {
      const entries = await contextOf({ language: 'python', requirementFiles: [name] }, { [name]: content });
      const dockerfile = entries.get('Dockerfile')?.content ?? '';
      expect(dockerfile.indexOf('install.py')).toBeGreaterThan(dockerfile.indexOf('COPY --chown=10001:10001 app/'));
      expect(installed(entries)).toEqual(['requirements/install.json', 'requirements/install.py']);
    });

    test('gives npm the lock file, and a package.json without scripts, which the code is not there for', async () => {
      const files = {
        'package.json': '{"scripts":{"postinstall":"node x.js"},"dependencies":{"grammy":"github:a/b"}}',
        'package-lock.json': '{"lockfileVersion":3}',
        'bot.mjs': '',
      };
      const requirementFiles = ['package.json', 'package-lock.json'];
      const entries = await contextOf({ language: 'node', requirementFiles }, files);
      expect(JSON.parse(entries.get('requirements/package.json')?.content ?? '')).toEqual({
        dependencies: { grammy: 'github:a/b' },
      });
      expect(entries.get('requirements/package-lock.json')?.content).toBe(files['package-lock.json']);
      expect(entries.get('Dockerfile')?.content).toContain('npm ci');
    });

    test.each<[string, 'python' | 'node', Record<string, string>, string]>([
      ['that are not there', 'python', { 'bot.py': '' }, 'requirements.txt is not one of the bot'],
      [
        'that include what is not there',
        'python',
        { 'requirements.txt': '\n-r base.txt' },
        'requirements.txt, line 2, includes base.txt',
      ],
      ['that lead out', 'python', { 'requirements.txt': '-r ../base.txt' }, 'includes ../base.txt'],
      [
        'that include each other',
        'python',
        { 'requirements.txt': '-r a.txt', 'a.txt': '-c requirements.txt' },
        'a.txt, line 1, includes requirements.txt, which includes it in turn',
      ],
      ['without a package.json', 'node', { 'requirements.txt': '' }, 'one package.json'],
    ])('refuses some %s', async (_title, language, files, message) => {
      const context = contextOf({ language, requirementFiles: ['requirements.txt'] }, files);
      await expect(context).rejects.toMatchObject({
        problem: { code: 'INVALID_REQUIREMENTS', message: expect.stringContaining(message) },
      });
    });
  });

  test('is the same, byte for byte, for the same source', async () => {
    const bytesOf = async () => {
      const source = {
        scope,
        language: 'python',
        install: { how: 'list', files: [{ name: 'requirements.txt', content: 'a\n' }] },
        sourceTar: await tarOf({ 'bot.py': 'x' }),
      } as const;
      return buffer(createBuildContext(source).stream);
    };
    expect((await bytesOf()).equals(await bytesOf())).toBe(true);
  });

  test.each([
    ['python', 'a\n--index-url http://evil'],
    ['python', '--extra-index-url=x'],
    ['python', '-r /etc/passwd'],
    ['python', './folder'],
    ['python', 'a\\'],
    ['python', ''],
    ['node', '--prefix=/'],
    ['node', 'a@file:/etc'],
    ['node', 'a@git+https://x'],
    ['node', 'a b'],
  ] as const)('refuses the %s requirement %j', async (language, item) => {
    const context = contextOf({ language, requirements: ['ok', item] }, { 'bot.py': '' });
    await expect(context).rejects.toMatchObject({ problem: { code: 'INVALID_REQUIREMENTS' } });
  });

  test('fails with the reason when the source is not acceptable, in the stream and in done', async () => {
    const path = await tarOf({ '../x': '' });
    const context = createBuildContext({ scope, language: 'python', install: inPlace, sourceTar: path });
    const reading = (async () => {
      for await (const _chunk of context.stream);
    })();
    await expect(reading).rejects.toThrow(ProblemError);
    await expect(context.done).rejects.toThrow(ProblemError);
  });

  test('stops reading when its stream is destroyed', async () => {
    const path = await tarOf({ 'big.bin': 'x'.repeat(3_000_000) });
    const context = createBuildContext({ scope, language: 'python', install: inPlace, sourceTar: path });
    await new Promise((resolve) => context.stream.once('readable', resolve));
    context.stream.destroy();
    await expect(context.done).rejects.toThrow();
  });
});
