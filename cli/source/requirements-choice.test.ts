import { expect, it } from 'vitest';
import { tempFolder } from '../testing/temp-folder.ts';
import { collectSource } from './collect.ts';
import { chooseRequirements } from './requirements-choice.ts';

const { signal } = new AbortController();

async function choose(asked: string[] | undefined, entrypoint = 'bot.py') {
  const cwd = await tempFolder({
    'bot/bot.py': '',
    'bot/requirements.txt': 'httpx\n',
    'deps.txt': 'a>=1,<2\nb\n',
    'aiogram/__init__.py': '',
    'bad.txt': '-e .\n',
  });
  return chooseRequirements(asked, await collectSource(['bot'], cwd, signal), entrypoint, cwd);
}

it('takes a file, a comma list, or several of them', async () => {
  expect(await choose(['deps.txt', 'c>=3,<4,d'])).toEqual({ list: ['a>=1,<2', 'b', 'c>=3,<4', 'd'], from: undefined });
});

it('takes a name for a package even when a folder is called like it', async () => {
  expect(await choose(['aiogram'])).toEqual({ list: ['aiogram'], from: undefined });
});

it('falls back on the requirements.txt of the bot, for Python only', async () => {
  expect(await choose(undefined)).toEqual({ list: ['httpx'], from: 'requirements.txt' });
  expect(await choose(undefined, 'bot.mjs')).toEqual({ list: [], from: undefined });
  expect(await choose([''])).toEqual({ list: [], from: undefined });
});

it('says that a file is not there rather than asking for a package of that name', async () => {
  await expect(choose(['requirments.txt'])).rejects.toThrow('There is no file or folder requirments.txt.');
});

it('tells what is wrong with a file', async () => {
  await expect(choose(['bad.txt'])).rejects.toThrow('Line 1 of bad.txt is an option of pip');
  await expect(choose(['./bot'])).rejects.toThrow('./bot is not a requirements file.');
});
