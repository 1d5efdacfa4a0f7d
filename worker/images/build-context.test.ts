import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { extract, pack } from 'tar-stream';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ProblemError } from '#common/problem.ts';
import { type ContextSource, createBuildContext } from './build-context.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'build-context-'));
});
afterEach(async () => {
  await rm(dir, { recursive: true, force: true });
});

async function sourceTar(files: Readonly<Record<string, string>>): Promise<string> {
  const tar = pack();
  for (const [name, content] of Object.entries(files))
    tar.entry({ name, mode: 0o4777, uid: 0, uname: 'root' }, content);
  tar.finalize();
  const path = join(dir, 'source.tar');
  await writeFile(path, await buffer(tar));
  return path;
}

async function contextOf(source: Omit<ContextSource, 'sourceTarPath'>, files: Readonly<Record<string, string>>) {
  const context = createBuildContext({ ...source, sourceTarPath: await sourceTar(files) });
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
    for (const [name, content] of Object.entries(hostile)) {
      expect(entries.get(`app/${name}`)).toEqual({ content, mode: 0o755, uid: 10001, linkname: '' });
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

  test('is the same, byte for byte, for the same source', async () => {
    const bytesOf = async () => {
      const source = {
        language: 'python',
        requirements: ['a'],
        sourceTarPath: await sourceTar({ 'bot.py': 'x' }),
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
  ] as const)('refuses the %s requirement %j', (language, item) => {
    const build = () => createBuildContext({ language, requirements: ['ok', item], sourceTarPath: '/nonexistent' });
    expect(build).toThrow(
      expect.objectContaining({ problem: expect.objectContaining({ code: 'INVALID_REQUIREMENTS' }) }),
    );
  });

  test('fails with the reason when the source is not acceptable, in the stream and in done', async () => {
    const path = await sourceTar({ '../x': '' });
    const context = createBuildContext({ language: 'python', requirements: [], sourceTarPath: path });
    const reading = (async () => {
      for await (const _chunk of context.stream);
    })();
    await expect(reading).rejects.toThrow(ProblemError);
    await expect(context.done).rejects.toThrow(ProblemError);
  });

  test('stops reading when its stream is destroyed', async () => {
    const path = await sourceTar({ 'big.bin': 'x'.repeat(3_000_000) });
    const context = createBuildContext({ language: 'python', requirements: [], sourceTarPath: path });
    await new Promise((resolve) => context.stream.once('readable', resolve));
    context.stream.destroy();
    await expect(context.done).rejects.toThrow();
  });
});
