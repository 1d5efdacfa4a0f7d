import { execFileSync } from 'node:child_process';
import { mkdir, symlink, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseDockerignore } from '#common/ignore/dockerignore.ts';
import { unwrap } from '#common/problem.ts';
import { readContextTar } from '#common/safe-tar.ts';
import { tempFolder } from '../testing/temp-folder.ts';
import { collectContext, type FolderContext, insideTarget } from './build-context.ts';
import { packEntries } from './pack.ts';

const { signal } = new AbortController();
const collect = (root: string, ignore = ''): Promise<FolderContext> =>
  collectContext(root, unwrap(parseDockerignore(ignore, '.dockerignore')), signal);
const shown = ({ entries }: FolderContext) =>
  entries.map((entry) => (entry.kind === 'link' ? `${entry.path} -> ${entry.target}` : `${entry.path}`));

describe('a build context', () => {
  it('holds everything but .git, as docker build does, and says what is left out', async () => {
    const root = await tempFolder({
      Dockerfile: 'FROM scratch',
      'bot.py': '',
      '.hidden/conf': '',
      '.env': 'SECRET=1',
      '.git/config': '',
      'src/app.py': '',
      '.venv/bin/python': '',
    });
    const context = await collect(root);
    expect(shown(context)).toEqual(['.env', '.hidden/conf', '.venv/bin/python', 'Dockerfile', 'bot.py', 'src/app.py']);
    expect(context).toMatchObject({ leftOut: [], byDefault: ['.git'] });
  });

  it('follows the .dockerignore, also into folders that are left out', async () => {
    const root = await tempFolder({ 'a/b/keep.txt': '', 'a/b/gone.txt': '', 'a/c/gone.txt': '', 'x.log': '', y: '' });
    expect(shown(await collect(root, 'a\n!a/b/keep.txt\n*.log'))).toEqual(['a/b/keep.txt', 'y']);
  });

  it('names a folder only where it would be missing', async () => {
    const root = await tempFolder({ 'a/b/x': '' });
    await mkdir(join(root, 'empty/deep'), { recursive: true });
    expect((await collect(root)).entries).toMatchObject([
      { kind: 'file', path: 'a/b/x' },
      { kind: 'folder', path: 'empty/deep' },
    ]);
  });

  it('hostile 99: keeps relative links that stay inside, and leaves out and reports all others', async () => {
    const root = await tempFolder({ 'v1/bot.py': '', secret: '' });
    const links: [string, string][] = [
      ['current', 'v1'],
      ['v1/up', '../secret'],
      ['v1/plain', './/bot.py'],
      ['v1/slash', '../v1/'],
      ['self', 'self'],
      ['absolute', '/etc/passwd'],
      ['inside-but-absolute', join(root, 'secret')],
      ['out', '../secret'],
      ['v1/out', '../../secret'],
      ['through', 'current/../../secret'],
    ];
    for (const [path, target] of links) await symlink(target, join(root, path));
    execFileSync('mkfifo', [join(root, 'pipe')]);
    const context = await collect(root);
    expect(shown(context)).toEqual([
      'current -> v1',
      'secret',
      'v1/bot.py',
      'v1/plain -> bot.py',
      'v1/slash -> ../v1',
      'v1/up -> ../secret',
    ]);
    expect(context.leftOut).toEqual(['absolute', 'inside-but-absolute', 'out', 'pipe', 'self', 'through', 'v1/out']);
  });

  it('does not report links that are ignored', async () => {
    const root = await tempFolder({ y: '' });
    await symlink('/etc/passwd', join(root, 'link'));
    expect(await collect(root, 'link')).toMatchObject({ leftOut: [], entries: [{ path: 'y' }] });
  });

  it('leaves out and reports names that no archive may have, and takes the rest', async () => {
    const root = await tempFolder({ 'a/-x': '', '-x': '', 'b\\c': '', 'notes.': '', 'odd./x': '' });
    const context = await collect(root);
    expect(shown(context)).toEqual(['a/-x']);
    expect(context.leftOut).toEqual(['-x', 'b\\c', 'notes.', 'odd.']);
  });

  it('refuses more than 200 MB before anything is read', async () => {
    const root = await tempFolder({ Dockerfile: '', 'model.bin': '' });
    await truncate(join(root, 'model.bin'), 200_000_001);
    await expect(collect(root)).rejects.toThrow('The files of the bot are 201 MB; at most 200 MB are allowed.');
    expect(shown(await collect(root, 'model.bin'))).toEqual(['Dockerfile']);
  });
});

it.each<[string, string, string | undefined]>([
  ['a', 'b', 'b'],
  ['a', '.', '.'],
  ['a/b', '..', '..'],
  ['a/b/c', '../../x/y', '../../x/y'],
  ['a/b', './/../x/./y/', '../x/y'],
  ['a', '..', undefined],
  ['a/b', '../..', undefined],
  ['a/b', '../x/../y', undefined],
  ['a', 'x/..', undefined],
  ['a', '/b', undefined],
  ['a', '', undefined],
  ['a', 'b\\..\\c', undefined],
  ['a', 'a', undefined],
  ['a/b', '../a/./b', undefined],
  ['a', '-b', undefined],
])('a link at %j to %j leads to %j', (path, target, expected) => {
  expect(insideTarget(path, target)).toBe(expected);
});

it('keeps no link that the orchestrator and the worker would refuse', async () => {
  const step = fc.constantFrom('..', '.', 'a', 'b', '', '-x', 'c\\d', 'e ');
  const path = fc.array(fc.constantFrom('a', 'b'), { minLength: 1, maxLength: 3 }).map((steps) => steps.join('/'));
  const target = fc.array(step, { minLength: 1, maxLength: 5 }).map((steps) => steps.join('/'));
  let kept = 0;
  await fc.assert(
    fc.asyncProperty(path, target, async (name, given) => {
      const inside = insideTarget(name, given);
      if (inside === undefined) return;
      kept++;
      const bytes = packEntries([{ kind: 'link', path: name, target: inside }], { gzip: true }, signal);
      for await (const entry of readContextTar(Readable.from(bytes)))
        expect(entry).toMatchObject({ kind: 'link', name });
    }),
    { numRuns: 300 },
  );
  expect(kept).toBeGreaterThan(20);
});
