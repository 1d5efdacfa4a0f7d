import { expect, it } from 'vitest';
import { normaliseArgv } from '../argv/normalise.ts';
import { readCommandSpecs } from '../commands/catalogue.ts';
import { commandExamples, exampleFor } from './examples.ts';

const commands = await readCommandSpecs();

it.each(Object.entries(commandExamples))('the example for %s is a command line that the program takes', (_, line) => {
  const [program, ...words] = [...line.matchAll(/"([^"]*)"|(\S+)/g)].map((match) => match[1] ?? match[2] ?? '');
  expect(program).toBe('avtomatika-bot');
  expect(normaliseArgv(words, commands).kind).toBe('run');
});

it('replaces a request of the REST API, and leaves out one that no command does', () => {
  const request = { blueprint: 'bot_runner', data: { action: 'start', bot_id: 'my-bot' } };
  expect(exampleFor('INVALID_BOT_ID', request, '')).toMatch(/^avtomatika-bot start my-bot --simple /);
  expect(exampleFor('INVALID_CURSOR', request, '')).toBeNull();
  expect(exampleFor('NEWER_THAN_THIS_PROGRAM', request, '')).toBeNull();
});

it('is the command of a request that needs no more than a bot', () => {
  const data = (fields: object) => ({ blueprint: 'bot_runner', data: { bot_id: 'bot-1', ...fields } });
  expect(exampleFor('QUOTA_EXCEEDED', data({ action: 'stop' }), '')).toBe('avtomatika-bot stop bot-1');
  expect(exampleFor('INVALID_LINES', data({ action: 'logs', lines: 5 }), '')).toBe('avtomatika-bot logs bot-1 -n 5');
  expect(exampleFor('BOT_NOT_FOUND', data({ action: 'list' }), '')).toBe('avtomatika-bot list');
  expect(exampleFor('CONTAINER_ERROR', data({ action: 'status', bot_id: 'a b; rm' }), '')).toBeNull();
});

it('leaves an example that is a text already, and adds none', () => {
  expect(exampleFor('QUOTA_EXCEEDED', 'avtomatika-bot stop bot-1', '')).toBe('avtomatika-bot stop bot-1');
  expect(exampleFor('QUOTA_EXCEEDED', null, '')).toBeNull();
});

it('is about the bot of whoever reads it', () => {
  expect(exampleFor('INVALID_ENV_VARS', {}, 'shop-1')).toMatch(/^avtomatika-bot start shop-1 --simple bot\.py /);
  expect(exampleFor('BUILD_FAILED', 'avtomatika-bot logs my-bot -n 50', 'shop-1')).toBe(
    'avtomatika-bot logs shop-1 -n 50',
  );
  expect(exampleFor('GIT_FAILED', 'git clone https://example.com/my-bot.git', 'shop-1')).toContain('/my-bot.git');
  expect(exampleFor('BUILD_FAILED', 'avtomatika-bot logs my-bot', 'a b; rm')).toBe('avtomatika-bot logs my-bot');
});

it.each([
  ['UNAVAILABLE', 'worker list', 'avtomatika-bot worker list'],
  ['UNAVAILABLE', 'worker drain', 'avtomatika-bot worker list'],
  ['STORAGE_FULL', 'token add', 'avtomatika-bot token list'],
  ['INTERNAL', 'start', 'avtomatika-bot list'],
  ['UNAVAILABLE', '', 'avtomatika-bot list'],
  ['PERMISSION_DENIED', 'worker drain', 'avtomatika-bot worker list --token ADMIN_TOKEN'],
  ['PERMISSION_DENIED', 'list', 'avtomatika-bot list --token YOUR_TOKEN'],
  ['UNAUTHENTICATED', 'token list', 'avtomatika-bot token list --token ADMIN_TOKEN'],
  ['PERMISSION_DENIED', 'doctor', 'avtomatika-bot doctor --token ADMIN_TOKEN'],
  ['UNAUTHENTICATED', 'doctor', 'avtomatika-bot doctor --token ADMIN_TOKEN'],
  ['UNAUTHENTICATED', 'usage', 'avtomatika-bot list --token YOUR_TOKEN'],
  ['UNAUTHENTICATED', 'logs', 'avtomatika-bot list --token YOUR_TOKEN'],
])('of %s is for whoever ran %j', (code, command, expected) => {
  expect(exampleFor(code, { blueprint: 'bot_runner', data: { action: 'list' } }, 'b', command)).toBe(expected);
});

it('never shows a token that works anywhere', () => {
  for (const line of Object.values(commandExamples)) expect(line).not.toMatch(/test-(client|admin|worker)-token/);
});
