import { expect, it } from 'vitest';
import { readCommandSpecs } from '../argv/command-spec.ts';
import { normaliseArgv } from '../argv/normalise.ts';
import { createCli } from '../run.ts';
import { commandExamples, exampleFor } from './examples.ts';

const commands = readCommandSpecs(createCli().definitions());

it.each(Object.entries(commandExamples))('the example for %s is a command line that the program takes', (_, line) => {
  const [program, ...words] = [...line.matchAll(/"([^"]*)"|(\S+)/g)].map((match) => match[1] ?? match[2] ?? '');
  expect(program).toBe('avtomatika-bot');
  expect(normaliseArgv(words, commands).kind).toBe('run');
});

it('replaces a request of the REST API, and leaves out one that no command does', () => {
  const request = { blueprint: 'bot_runner', data: { action: 'start', bot_id: 'my-bot' } };
  expect(exampleFor('INVALID_LINES', request)).toBe('avtomatika-bot logs my-bot -n 50');
  expect(exampleFor('INVALID_CURSOR', request)).toBeNull();
  expect(exampleFor('NEWER_THAN_THIS_PROGRAM', request)).toBeNull();
});

it('leaves an example that is a text already, and adds none', () => {
  expect(exampleFor('QUOTA_EXCEEDED', 'avtomatika-bot stop bot-1')).toBe('avtomatika-bot stop bot-1');
  expect(exampleFor('QUOTA_EXCEEDED', null)).toBeNull();
});
