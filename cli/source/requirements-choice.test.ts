import { expect, it } from 'vitest';
import { tempFolder } from '../testing/temp-folder.ts';
import type { Runtime } from './choice.ts';
import { collectSource } from './collect.ts';
import { chooseRequirements } from './requirements-choice.ts';

const { signal } = new AbortController();

async function choose(requirements: string[] | undefined, entrypoint = 'bot.py', runtime?: Runtime) {
  const cwd = await tempFolder({
    'bot/bot.py': '',
    'bot/requirements.txt': 'httpx\n',
    'bot/package.json': '{"dependencies": {"grammy": "^1.30", "@scope/x": ""}, "devDependencies": {"vitest": "1"}}',
    'bot/sub/package.json': '{"dependencies": {"other": "1"}}',
    'deps.txt': 'a>=1,<2\nb\n',
    'aiogram/__init__.py': '',
    'bad.txt': '-e .\n',
  });
  const { files } = await collectSource(['bot'], cwd, signal);
  return chooseRequirements({ requirements, runtime }, files, entrypoint, { cwd, signal });
}

it('takes a file, a comma list, or several of them', async () => {
  expect(await choose(['deps.txt', 'c>=3,<4,d'])).toEqual({
    list: ['a>=1,<2', 'b', 'c>=3,<4', 'd'],
    isGiven: true,
    from: undefined,
  });
});

it('takes a name for a package even when a folder is called like it', async () => {
  expect(await choose(['aiogram'])).toEqual({ list: ['aiogram'], isGiven: true, from: undefined });
});

it('falls back on the requirements.txt of a Python bot and on the package.json of a Node.js bot', async () => {
  expect(await choose(undefined)).toEqual({ list: ['httpx'], isGiven: true, from: 'requirements.txt' });
  const node = { list: ['grammy@^1.30', '@scope/x'], isGiven: true, from: 'package.json' };
  expect(await choose(undefined, 'bot.mjs')).toEqual(node);
  expect(await choose(undefined, 'bot.mjs', 'node')).toEqual(node);
  expect(await choose([''])).toEqual({ list: [], isGiven: true, from: undefined });
});

it('takes a package.json by name', async () => {
  expect((await choose(['bot/sub/package.json'], 'bot.mjs')).list).toEqual(['other@1']);
});

it('says that a file is not there rather than asking for a package of that name', async () => {
  await expect(choose(['requirments.txt'])).rejects.toThrow('There is no file or folder requirments.txt.');
});

it('tells what is wrong with a file', async () => {
  await expect(choose(['bad.txt'])).rejects.toThrow('Line 1 of bad.txt is an option of pip');
  await expect(choose(['./bot'])).rejects.toThrow('./bot is a folder.');
});
