import { describe, expect, it } from 'vitest';
import { CliError } from '../failures/errors.ts';
import type { SourceOptions } from './choice.ts';
import { chooseSource } from './choose.ts';

const nothing: SourceOptions = {
  simple: [],
  inline: false,
  code: undefined,
  entrypoint: undefined,
  command: undefined,
  requirements: undefined,
  runtime: undefined,
  include: [],
  envFile: [],
  custom: undefined,
  git: undefined,
  branch: undefined,
  subdir: undefined,
  buildArg: [],
  target: undefined,
  dockerfile: undefined,
  image: undefined,
  registryUser: undefined,
  registryPass: undefined,
  registryPassStdin: false,
  pull: false,
};
const choose = (options: Partial<SourceOptions>) => chooseSource({ ...nothing, ...options });
const complaintOf = (options: Partial<SourceOptions>): string => {
  try {
    return `nothing is wrong: ${choose(options).kind}`;
  } catch (error) {
    if (error instanceof CliError) return `${error.complaint.exitCode} ${error.message} ${error.complaint.hint}`;
    throw error;
  }
};

const run = { entrypoint: undefined, requirements: undefined, runtime: undefined };
const gitUrl = 'https://github.com/user/telegram-bot.git';

const folder = { include: [], envFiles: [] };

describe('the source', () => {
  it.each<[Partial<SourceOptions>, unknown]>([
    [{ simple: ['bot.py', 'x/'] }, { kind: 'simple', names: ['bot.py', 'x/'], run, folder }],
    [
      { simple: ['.'], entrypoint: 'a.py', requirements: ['x'], runtime: 'node' },
      { kind: 'simple', names: ['.'], run: { entrypoint: 'a.py', requirements: ['x'], runtime: 'node' }, folder },
    ],
    [{ code: 'print(1)' }, { kind: 'inline', code: 'print(1)', run }],
    [
      { simple: [''], inline: true, code: 'print(1)' },
      { kind: 'inline', code: 'print(1)', run },
    ],
    [{ custom: 'my_bot/' }, { kind: 'path', path: 'my_bot/', dockerfile: 'Dockerfile' }],
    [
      { custom: 'my_bot/', dockerfile: './docker/bot.Dockerfile' },
      { kind: 'path', path: 'my_bot/', dockerfile: 'docker/bot.Dockerfile' },
    ],
    [{ custom: 'bot.tar.gz' }, { kind: 'path', path: 'bot.tar.gz', dockerfile: 'Dockerfile' }],
    [{ custom: 'https://x.example/bot.tar.gz' }, { kind: 'archive_url', url: 'https://x.example/bot.tar.gz' }],
    [{ custom: gitUrl }, { kind: 'git', url: gitUrl, branch: undefined, subdir: undefined, byUrl: true }],
    [
      { custom: gitUrl, branch: 'main', subdir: 'a' },
      { kind: 'git', url: gitUrl, branch: 'main', subdir: 'a', byUrl: true },
    ],
    // Any host: --git says that it is a repository.
    [
      { git: 'https://git.example/bot' },
      { kind: 'git', url: 'https://git.example/bot', branch: undefined, subdir: undefined, byUrl: false },
    ],
    [
      { image: 'python:3.11-slim', pull: true },
      { kind: 'image', image: 'python:3.11-slim', registryUser: undefined, registryPass: undefined, pull: true },
    ],
    [
      { image: 'x', registryUser: 'me', registryPass: 'p' },
      { kind: 'image', image: 'x', registryUser: 'me', registryPass: { from: 'option', value: 'p' }, pull: false },
    ],
    [
      { image: 'x', registryUser: 'me', registryPassStdin: true },
      { kind: 'image', image: 'x', registryUser: 'me', registryPass: { from: 'stdin' }, pull: false },
    ],
  ])('of %j is %j', (options, choice) => {
    expect(choose(options)).toEqual(choice);
  });

  const missing =
    '2 The source of the bot is missing. Give one of --simple FILE..., --code TEXT, --custom PATH, --git URL or --image REF.';
  it.each<[Partial<SourceOptions>, string]>([
    [{}, missing],
    [{ entrypoint: 'bot.py', pull: true }, missing],
    [{ simple: [''] }, '2 --simple needs a value. Write --simple FILE... or --simple DIR.'],
    [{ inline: true }, '2 The code is missing. Write --code "print(1)", or give files with --simple.'],
    [{ code: '' }, '2 The code is missing. Write --code "print(1)", or give files with --simple.'],
    [{ custom: ' ' }, '2 --custom needs a value. The value is empty; is a shell variable not set?'],
    [{ image: '' }, '2 --image needs a value. The value is empty; is a shell variable not set?'],
  ])('is missed in %j', (options, complaint) => {
    expect(complaintOf(options)).toBe(complaint);
  });

  it.each<[Partial<SourceOptions>, string]>([
    [{ simple: ['bot.py'], git: gitUrl }, '--simple and --git are given, but a bot has one source.'],
    [{ simple: ['bot.py'], inline: true, code: 'x' }, '--simple and --code are given, but a bot has one source.'],
    [{ custom: '.', image: 'x', git: gitUrl }, '--custom and --git and --image are given, but a bot has one source.'],
  ])('is one: not %j', (options, message) => {
    expect(complaintOf(options)).toBe(`2 ${message} Give exactly one of them.`);
  });
});

describe('an option that means nothing to the source', () => {
  const dockerfile = 'It works with --simple and --code; a Dockerfile or an image defines its own command.';
  const packages =
    'It works with --simple and --code; a Dockerfile installs its own packages, and an image already has them.';
  it.each<[Partial<SourceOptions>, string]>([
    [{ git: gitUrl, entrypoint: 'bot.py' }, `--entrypoint does not work with --git. ${dockerfile}`],
    [{ git: gitUrl, requirements: ['aiogram'] }, `-r does not work with --git. ${packages}`],
    [{ custom: '.', entrypoint: 'bot.py' }, `--entrypoint does not work with --custom. ${dockerfile}`],
    [{ custom: '.', requirements: ['x.txt'] }, `-r does not work with --custom. ${packages}`],
    [{ image: 'x', requirements: ['x.txt'] }, `-r does not work with --image. ${packages}`],
    [
      { image: 'x', runtime: 'node' },
      '--runtime does not work with --image. It works with --simple and --code; a Dockerfile or an image brings its own.',
    ],
    [{ simple: ['.'], branch: 'main' }, '--branch does not work with --simple. It works with a git repository.'],
    [
      { custom: '.', subdir: 'a' },
      '--subdir does not work with --custom. It works with a git repository; for a folder on this machine give the path.',
    ],
    [
      { custom: 'https://x.example/a.tgz', branch: 'main' },
      '--branch does not work with --custom and this URL. It works with a git repository.',
    ],
    [{ code: 'x', pull: true }, '--pull does not work with --code. It works with --image.'],
    [{ simple: ['.'], registryUser: 'me' }, '--registry-user does not work with --simple. It works with --image.'],
    [{ git: gitUrl, registryPassStdin: true }, '--registry-pass does not work with --git. It works with --image.'],
  ])('is refused: %j', (options, complaint) => {
    expect(complaintOf(options)).toBe(`2 ${complaint}`);
  });
});

it.each<[Partial<SourceOptions>, string]>([
  [{ image: 'x', registryUser: 'me' }, '2 The password of the registry is missing.'],
  [{ image: 'x', registryPass: 'canary' }, '2 --registry-user is missing.'],
  [
    { image: 'x', registryUser: 'me', registryPass: 'canary', registryPassStdin: true },
    '2 --registry-pass and --registry-pass-stdin are both given.',
  ],
  [{ simple: ['.'], runtime: 'ruby' }, '2 Unknown runtime.'],
])('%j is refused without showing a password', (options, complaint) => {
  expect(complaintOf(options).startsWith(`${complaint} `)).toBe(true);
  expect(complaintOf(options)).not.toContain('canary');
});
