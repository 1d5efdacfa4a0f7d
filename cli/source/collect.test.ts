import { execFileSync } from 'node:child_process';
import { chmod, symlink, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ProblemError } from '#common/problem.ts';
import { CliError } from '../errors.ts';
import { tempFolder } from '../testing/temp-folder.ts';
import { collectSource } from './collect.ts';

const { signal } = new AbortController();
const pathsOf = async (names: string[], cwd: string) =>
  (await collectSource(names, cwd, signal)).files.map(({ path }) => path);
const messageOf = (names: string[], cwd: string): Promise<string> =>
  collectSource(names, cwd, signal).then(
    () => 'nothing was refused',
    (error: unknown) => {
      if (error instanceof CliError || error instanceof ProblemError) return error.message;
      throw error;
    },
  );

describe('the source of a bot', () => {
  it('is one file under its base name', async () => {
    const cwd = await tempFolder({ 'a/b/bot.py': 'x' });
    const source = await collectSource(['a/b/bot.py'], cwd, signal);
    expect(source).toMatchObject({ wholeFolder: false, namedFiles: ['bot.py'], leftOut: [] });
    expect(source.files).toEqual([
      { kind: 'file', path: 'bot.py', diskPath: join(cwd, 'a/b/bot.py'), sizeBytes: 1, executable: false },
    ]);
  });

  it('is a folder with its sub-folders, without hidden files, environments, caches and packages', async () => {
    const cwd = await tempFolder({
      'bot.py': '',
      'handlers/start.py': '',
      'handlers/__pycache__/start.pyc': '',
      'data.bin': Buffer.from([0, 255]),
      '.env': 'SECRET=1',
      '.git/config': '',
      '.venv/bin/python': '',
      'node_modules/x/index.js': '',
      'handlers/.hidden': '',
    });
    expect(await pathsOf(['.'], cwd)).toEqual(['bot.py', 'data.bin', 'handlers/start.py']);
    expect(await collectSource([cwd], '/', signal)).toMatchObject({ wholeFolder: true, namedFiles: [] });
  });

  it('keeps the name of a folder that stands next to files', async () => {
    const cwd = await tempFolder({ 'src/bot.py': '', 'i18n/ru/texts.po': '', 'i18n/en.po': '' });
    expect(await pathsOf(['src/bot.py', 'i18n/'], cwd)).toEqual(['bot.py', 'i18n/en.po', 'i18n/ru/texts.po']);
  });

  it('is sorted the same way everywhere', async () => {
    const cwd = await tempFolder({ b: '', B: '', a: '', 'a-b': '', ä: '' });
    expect(await pathsOf(['.'], cwd)).toEqual(['B', 'a', 'a-b', 'b', 'ä']);
  });

  it('follows a link that is named, but none that is found', async () => {
    const cwd = await tempFolder({ 'real/bot.py': '', 'secret.txt': '' });
    await symlink(join(cwd, 'secret.txt'), join(cwd, 'real/link.txt'));
    await symlink('/', join(cwd, 'real/root'));
    await symlink('real', join(cwd, 'current'));
    const source = await collectSource(['current'], cwd, signal);
    expect(source.files.map(({ path }) => path)).toEqual(['bot.py']);
    expect(source.leftOut).toEqual(['current/link.txt', 'current/root']);
  });

  it('knows which files are executable', async () => {
    const cwd = await tempFolder({ 'run.py': '', 'bot.py': '' });
    await chmod(join(cwd, 'run.py'), 0o700);
    const { files } = await collectSource(['.'], cwd, signal);
    expect(files.map(({ path, executable }) => [path, executable])).toEqual([
      ['bot.py', false],
      ['run.py', true],
    ]);
  });

  it('refuses two files of the same name', async () => {
    const cwd = await tempFolder({ 'a/bot.py': '', 'b/bot.py': '' });
    expect(await messageOf(['a/bot.py', 'b/bot.py'], cwd)).toBe(
      `${cwd}/a/bot.py and ${cwd}/b/bot.py would both be bot.py.`,
    );
    expect(await messageOf(['a/bot.py', 'a/bot.py'], cwd)).toContain('would both be bot.py');
  });

  it('refuses a file that is not there, an empty folder and a pipe', async () => {
    const cwd = await tempFolder({ 'empty/.hidden': '', 'bot.py': '' });
    execFileSync('mkfifo', [join(cwd, 'pipe')]);
    expect(await messageOf(['nope.py'], cwd)).toBe('There is no file or folder nope.py.');
    expect(await messageOf(['bot.py/x'], cwd)).toBe('There is no file or folder bot.py/x.');
    expect(await messageOf(['empty'], cwd)).toBe('There are no files in empty.');
    expect(await messageOf(['pipe'], cwd)).toBe('pipe is neither a file nor a folder.');
  });

  it('leaves out a pipe that it finds', async () => {
    const cwd = await tempFolder({ 'bot.py': '' });
    execFileSync('mkfifo', [join(cwd, 'pipe')]);
    expect((await collectSource(['.'], cwd, signal)).leftOut).toEqual(['pipe']);
  });

  it('refuses names that no bot may have', async () => {
    const cwd = await tempFolder({ 'a\nb.py': '' });
    expect(await messageOf(['.'], cwd)).toContain('control character');
    const dash = await tempFolder({ '-x.py': '' });
    expect(await messageOf(['.'], dash)).toContain('begins with "-"');
  });

  it('refuses more than 200 MB before anything is read, and names the largest file', async () => {
    const cwd = await tempFolder({ 'bot.py': '', 'model.bin': '' });
    await truncate(join(cwd, 'model.bin'), 200_000_001);
    await expect(collectSource(['.'], cwd, signal)).rejects.toMatchObject({
      complaint: {
        message: 'The files of the bot are 201 MB; at most 200 MB are allowed.',
        hint: 'The largest is model.bin; leave out what the bot does not need.',
      },
    });
  });
});
