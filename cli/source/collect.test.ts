import { execFileSync } from 'node:child_process';
import { chmod, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ProblemError } from '#common/problem.ts';
import { CliError } from '../failures/errors.ts';
import { tempFolder } from '../testing/temp-folder.ts';
import { collectSource, type Source } from './collect.ts';

const { signal } = new AbortController();
const pathsOf = async (names: string[], cwd: string) =>
  (await collectSource(names, cwd, signal)).files.map(({ path }) => path);
const reasonsOf = ({ leftOut }: Source) => leftOut.map(({ path, reason }) => [path, reason]);
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

  it('hostile 99: is a folder with its sub-folders, without hidden files, environments, caches and packages', async () => {
    const cwd = await tempFolder({
      'bot.py': '',
      'handlers/start.py': '',
      'handlers/__pycache__/start.pyc': '',
      'data.bin': Buffer.from([0, 255]),
      '.env': 'SECRET=1',
      '.git/config': '',
      '.venv/bin/python': '',
      'env/pyvenv.cfg': '',
      'env/lib/x.py': '',
      'environment/x.py': '',
      'node_modules/x/index.js': '',
      'handlers/.hidden': '',
    });
    expect(await pathsOf(['.'], cwd)).toEqual(['bot.py', 'data.bin', 'environment/x.py', 'handlers/start.py']);
    const source = await collectSource([cwd], '/', signal);
    expect(source).toMatchObject({ wholeFolder: true, namedFiles: [], ignoreFile: undefined });
    expect(reasonsOf(source)).toEqual([
      ['.env', 'hidden'],
      ['.git', 'cache'],
      ['.venv', 'hidden'],
      ['env', 'environment'],
      ['handlers/.hidden', 'hidden'],
      ['handlers/__pycache__', 'cache'],
      ['node_modules', 'cache'],
    ]);
  });

  it('follows the .gitignore files as git does, or the .dockerignore alone where there is one', async () => {
    const files = {
      'bot.py': '',
      'data/users.db': '',
      'data/keep.db': '',
      'src/config.py': '',
      'src/deep/local.txt': '',
      'src/deep/kept.txt': '',
      '.gitignore': '*.db\n!keep.db\n/src/config.py\nlocal.txt\n',
      'src/deep/.gitignore': '!kept.txt\n',
    };
    const source = await collectSource(['.'], await tempFolder(files), signal);
    expect(source.files.map(({ path }) => path)).toEqual(['bot.py', 'data/keep.db', 'src/deep/kept.txt']);
    expect(source.ignoreFile).toBe('.gitignore');
    expect(reasonsOf(source)).toEqual([
      ['data/users.db', 'pattern'],
      ['src/config.py', 'pattern'],
      ['src/deep/local.txt', 'pattern'],
    ]);
    const docker = await collectSource(
      ['.'],
      await tempFolder({ ...files, '.dockerignore': 'src\n!src/deep/kept.txt\n' }),
      signal,
    );
    expect(docker.files.map(({ path }) => path)).toEqual([
      'bot.py',
      'data/keep.db',
      'data/users.db',
      'src/deep/kept.txt',
    ]);
    expect(docker.ignoreFile).toBe('.dockerignore');
  });

  it('takes along what --include names, by the path of the user or of the bot', async () => {
    const cwd = await tempFolder({
      'my_bot/bot.py': '',
      'my_bot/.env': '',
      'my_bot/.gitignore': 'data/\n',
      'my_bot/data/a.db': '',
      'my_bot/data/b.db': '',
      'my_bot/venv/pyvenv.cfg': '',
      'my_bot/venv/x/y.py': '',
      'elsewhere/x': '',
    });
    const take = async (...includes: string[]) =>
      (await collectSource(['my_bot'], cwd, signal, includes)).files.map(({ path }) => path);
    expect(await take('.env', 'my_bot/data/a.db')).toEqual(['.env', 'bot.py', 'data/a.db']);
    expect(await take('my_bot/data/', 'venv/x')).toEqual(['bot.py', 'data/a.db', 'data/b.db', 'venv/x/y.py']);
    await expect(take('elsewhere/x')).rejects.toThrow('--include elsewhere/x matches nothing in my_bot.');
    await expect(take('nope')).rejects.toThrow('--include nope matches nothing in my_bot.');
  });

  it('keeps the name of a folder that stands next to files', async () => {
    const cwd = await tempFolder({ 'src/bot.py': '', 'i18n/ru/texts.po': '', 'i18n/en.po': '' });
    expect(await pathsOf(['src/bot.py', 'i18n/'], cwd)).toEqual(['bot.py', 'i18n/en.po', 'i18n/ru/texts.po']);
  });

  it('is sorted the same way everywhere', async () => {
    const cwd = await tempFolder({ b: '', B: '', a: '', 'a-b': '', ä: '' });
    expect(await pathsOf(['.'], cwd)).toEqual(['B', 'a', 'a-b', 'b', 'ä']);
  });

  it('follows a link that is named, and those that lead to a file in the folder', async () => {
    const cwd = await tempFolder({ 'real/bot.py': 'x', 'real/dir/x.py': '', 'secret.txt': '' });
    await symlink(join(cwd, 'secret.txt'), join(cwd, 'real/link.txt'));
    await symlink('bot.py', join(cwd, 'real/again.py'));
    await symlink('dir', join(cwd, 'real/dir2'));
    await symlink('nowhere', join(cwd, 'real/broken'));
    await symlink('/', join(cwd, 'real/root'));
    await symlink('real', join(cwd, 'current'));
    const source = await collectSource(['current'], cwd, signal);
    expect(source.files.map(({ path, sizeBytes }) => [path, sizeBytes])).toEqual([
      ['again.py', 1],
      ['bot.py', 1],
      ['dir/x.py', 0],
    ]);
    expect(source.leftOut.map(({ shown, reason }) => [shown, reason])).toEqual([
      ['current/broken', 'link'],
      ['current/dir2', 'link'],
      ['current/link.txt', 'link'],
      ['current/root', 'link'],
    ]);
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

  it('takes the rest where something has an odd name or kind, and reports that', async () => {
    const cwd = await tempFolder({
      'bot.py': '',
      'a\nb.txt': '',
      '-x.py': '',
      'notes.': '',
      'copy ': '',
      'ok/-x.py': '',
      'odd./x.py': '',
    });
    await writeFile(Buffer.concat([Buffer.from(`${cwd}/latin-`), Buffer.of(0xe9)]), '');
    execFileSync('mkfifo', [join(cwd, 'pipe')]);
    const source = await collectSource(['.'], cwd, signal);
    expect(source.files.map(({ path }) => path)).toEqual(['bot.py', 'ok/-x.py']);
    expect(reasonsOf(source)).toEqual([
      ['-x.py', 'name'],
      ['a\nb.txt', 'name'],
      ['copy ', 'name'],
      ['latin-\ufffd', 'name'],
      ['notes.', 'name'],
      ['odd.', 'name'],
      ['pipe', 'special'],
    ]);
  });

  it('refuses an odd name that was given itself', async () => {
    const cwd = await tempFolder({ '-x.py': '' });
    expect(await messageOf(['./-x.py'], cwd)).toContain('begins with "-"');
  });

  it('refuses more than 200 MB before anything is read, and names the largest file', async () => {
    const cwd = await tempFolder({ 'bot.py': '', 'model.bin': '' });
    await truncate(join(cwd, 'model.bin'), 200_000_001);
    await expect(collectSource(['.'], cwd, signal)).rejects.toMatchObject({
      complaint: {
        message: 'The files of the bot are 201 MB; at most 200 MB are allowed.',
        hint: 'The largest is model.bin; leave out what the bot does not need, or let the bot download it to /data when it starts.',
      },
    });
  });
});
