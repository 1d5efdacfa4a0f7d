import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { tempFolder } from '../../testing/temp-folder.ts';
import type { Runtime } from '../choice.ts';
import { collectSource } from '../collect.ts';
import { chooseInstall } from './install-choice.ts';

const { signal } = new AbortController();

interface Asked {
  readonly names?: readonly string[];
  readonly runtime?: Runtime;
}

async function choose(
  disk: Readonly<Record<string, string | Uint8Array>>,
  requirements?: readonly string[],
  { names = ['bot'], runtime = 'python' }: Asked = {},
) {
  const cwd = await tempFolder({ 'bot/bot.py': '', ...disk });
  const { files } = await collectSource(names, cwd, signal);
  const choice = await chooseInstall({ requirements }, { files, folder: '', runtime, cwd, signal });
  const added = await Promise.all(
    choice.added.map(async (entry) => [
      entry.path,
      entry.kind === 'text'
        ? entry.content
        : entry.kind === 'file'
          ? await readFile(resolve(cwd, entry.diskPath), 'utf8')
          : '',
    ]),
  );
  return { ...choice, added: Object.fromEntries(added) };
}

describe('-r', () => {
  const disk = {
    'bot/requirements.txt': 'httpx\n',
    'deps.txt': 'a>=1,<2\nb\n',
    'aiogram/__init__.py': '',
    'bot/sub/package.json': '{"dependencies": {"other": "1"}}',
  };

  it('takes a file, a comma list, or several of them', async () => {
    const choice = await choose(disk, ['deps.txt', 'c[x,y]>=3,<4,d; platform_machine in "x86_64, AMD64"']);
    const list = ['a>=1,<2', 'b', 'c[x,y]>=3,<4', 'd; platform_machine in "x86_64, AMD64"'];
    expect(choice).toEqual({ list, files: [], added: {}, isGiven: true, notes: [] });
    expect(await choose(disk, [''])).toMatchObject({ list: [], isGiven: true });
    expect(await choose(disk, ['bot/sub/package.json'], { runtime: 'node' })).toMatchObject({ list: ['other@1'] });
  });

  it('takes a name for a package even when a folder is called like it', async () => {
    expect(await choose(disk, ['aiogram'])).toMatchObject({ list: ['aiogram'] });
  });

  it('hands links, options and folders to pip in a file', async () => {
    const link = 'x @ https://example.org/x.zip';
    expect(await choose(disk, [`a,${link}`, '-e .'])).toMatchObject({
      list: ['a'],
      files: ['.requirements/1/requirements.txt', '.requirements/2/requirements.txt'],
      added: { '.requirements/1/requirements.txt': `${link}\n`, '.requirements/2/requirements.txt': '-e .\n' },
    });
  });

  it('names a file of the bot where it is, and sends another one along with all that it includes', async () => {
    const hashed = 'a==1 --hash=sha256:00\n';
    const files = { 'bot/r/prod.txt': '-r ../base.txt\n', 'bot/base.txt': hashed };
    expect(await choose(files, ['bot/r/prod.txt'])).toMatchObject({ files: ['r/prod.txt'], added: {} });
    const apart = { 'deps/prod.txt': '-r ../base.txt\n', 'base.txt': hashed };
    const choice = await choose(apart, ['deps/prod.txt']);
    expect(choice).toMatchObject({
      files: ['.requirements/1/deps/prod.txt'],
      added: { '.requirements/1/deps/prod.txt': '-r ../base.txt\n', '.requirements/1/base.txt': hashed },
    });
  });

  it.each<[string, Readonly<Record<string, string>>, string, string]>([
    ['a file that is absent', {}, 'requirments.txt', 'There is no file or folder requirments.txt.'],
    ['a folder', {}, './bot', './bot is a folder.'],
    ['an included file that is absent', { 'd.txt': 'a\n-r e.txt' }, 'd.txt', 'd.txt, line 2, includes e.txt'],
    [
      'files that include each other',
      { 'd.txt': '-r e.txt', 'e.txt': '\n-c d.txt' },
      'd.txt',
      'e.txt, line 2, includes d.txt, which includes it',
    ],
    ['a lock file of another tool', { 'poetry.lock': '' }, 'poetry.lock', 'poetry.lock is not read by pip.'],
    ['a pyproject.toml without its bot', { 'pyproject.toml': '' }, 'pyproject.toml', "is not one of the bot's files"],
  ])('tells what is wrong with %s', async (_title, files, value, message) => {
    await expect(choose(files, [value])).rejects.toThrow(message);
  });
});

describe('without -r', () => {
  const utf16 = (text: string) => Buffer.from(`\ufeff${text}`, 'utf16le');

  it.each<[string, Readonly<Record<string, string | Uint8Array>>, readonly string[], readonly string[], string]>([
    ['a requirements.txt', { 'requirements.txt': 'httpx\n' }, ['httpx'], [], 'Packages from requirements.txt: httpx'],
    [
      'one in UTF-16',
      { 'requirements.txt': utf16('httpx\r\n') },
      ['httpx'],
      [],
      'Packages from requirements.txt: httpx',
    ],
    ['one of another case', { 'REQUIREMENTS.txt': 'a' }, ['a'], [], 'Packages from REQUIREMENTS.txt: a'],
    [
      'one for pip alone',
      { 'requirements.txt': '-e .' },
      [],
      ['requirements.txt'],
      'Packages from requirements.txt, as pip reads it',
    ],
    [
      'a folder of them',
      { 'requirements/base.txt': 'a', 'requirements/dev.txt': 'b' },
      ['a'],
      [],
      'Packages from requirements/base.txt: a',
    ],
    [
      'a pyproject.toml',
      { 'pyproject.toml': '[project]\nname = "a"\n' },
      [],
      ['pyproject.toml'],
      'Packages from pyproject.toml, as pip reads it',
    ],
    ['a setup.py', { 'setup.py': '' }, [], ['setup.py'], 'Packages from setup.py, as pip reads it'],
    [
      'none, but a Pipfile',
      { Pipfile: '' },
      [],
      [],
      'Pipfile is nothing that pip reads, and no packages are installed from it. Run: pipenv requirements > requirements.txt',
    ],
    [
      'none, but a pyproject.toml of Poetry',
      { 'pyproject.toml': '[tool.poetry]\n' },
      [],
      [],
      'pyproject.toml has its packages for Poetry alone, and no packages are installed from it. Run: poetry export -f requirements.txt -o requirements.txt',
    ],
    [
      'none, but an environment.yml',
      { 'environment.yml': '' },
      [],
      [],
      'environment.yml is nothing that pip reads, and no packages are installed from it. Run: pip list --format=freeze > requirements.txt',
    ],
    [
      'none, but several',
      { 'requirements/a.txt': '', 'requirements/b.txt': '' },
      [],
      [],
      'None of requirements/a.txt, requirements/b.txt is installed from: say which one with -r',
    ],
  ])('it is %s', async (_title, files, list, used, note) => {
    const disk = Object.fromEntries(Object.entries(files).map(([name, content]) => [`bot/${name}`, content]));
    expect(await choose(disk)).toMatchObject({ list, files: used, notes: [note] });
  });

  it('names the lock file that is not used', async () => {
    const { notes } = await choose({ 'bot/pyproject.toml': '[project]\n', 'bot/uv.lock': '' });
    expect(notes[1]).toBe(
      'uv.lock is not used: the newest versions that pyproject.toml allows are installed. ' +
        'For its own: uv export --format requirements-txt > requirements.txt',
    );
  });

  it('takes along what is included from outside of the folder', async () => {
    const choice = await choose({ 'bot/requirements.txt': '-r ../base.txt\n', 'base.txt': 'a\n' });
    expect(choice).toMatchObject({
      files: ['.requirements/1/bot/requirements.txt'],
      added: { '.requirements/1/base.txt': 'a\n' },
    });
  });

  it.each<[string, Readonly<Record<string, string>>, readonly string[], readonly string[], readonly string[]]>([
    [
      'plain',
      { 'package.json': '{"dependencies": {"grammy": "^1.30"}, "devDependencies": {"x": "1"}}' },
      ['grammy@^1.30'],
      [],
      ['Packages from package.json: grammy@^1.30'],
    ],
    [
      'with a lock',
      { 'package.json': '{}', 'package-lock.json': '{}' },
      [],
      ['package.json', 'package-lock.json'],
      ['Packages from package-lock.json, by npm ci'],
    ],
    [
      'with a link',
      { 'package.json': '{"dependencies":{"a":"github:b/c"}}' },
      [],
      ['package.json'],
      ['Packages from package.json, by npm install'],
    ],
    [
      'with a script',
      { 'package.json': '{"scripts":{"postinstall":"x"}}' },
      [],
      [],
      ['Packages from package.json: none', 'postinstall of package.json is not run'],
    ],
    [
      'with the lock of yarn',
      { 'package.json': '{}', 'yarn.lock': '' },
      [],
      [],
      [
        'Packages from package.json: none',
        'yarn.lock is not used: npm installs the newest versions that package.json allows. For exact ones: npm install --package-lock-only',
      ],
    ],
  ])('a package.json %s', async (_title, files, list, used, notes) => {
    const disk = Object.fromEntries(Object.entries(files).map(([name, content]) => [`bot/${name}`, content]));
    expect(await choose(disk, undefined, { runtime: 'node' })).toMatchObject({ list, files: used, notes });
  });
});

describe('a list of packages under another name', () => {
  it.each(['requirement.txt', 'reqs.txt', 'requirements-prod.txt', 'requirements_bot.txt', 'packages.txt'])(
    '%s is named',
    async (name) => {
      const note = `${name} is not called requirements.txt, and nothing is installed from it: give it with -r`;
      expect(await choose({ [`bot/${name}`]: 'six\n' })).toMatchObject({ list: [], files: [], notes: [note] });
    },
  );

  it.each(['requirements-dev.txt', 'requirements.test.txt', 'texts.txt'])('%s is not', async (name) => {
    expect(await choose({ [`bot/${name}`]: 'six\n' })).toMatchObject({ notes: [] });
  });
});
