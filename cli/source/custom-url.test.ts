import { expect, it } from 'vitest';
import { isGitRepository, isUrl } from './custom-url.ts';

it.each([
  'https://x.example/bot.tar.gz',
  'HTTP://x.example/a',
  'ssh://git@x.example/a',
  'git@github.com:user/bot.git',
  'ftp://x/y',
  'file:///etc',
])('%s is a URL', (text) => {
  expect(isUrl(text)).toBe(true);
});

it.each(['bot', './bot/', '/srv/bot.tar', 'a:b', 'bot@2', 'my bot', 'C:\\bots'])('%s is a file name', (text) => {
  expect(isUrl(text)).toBe(false);
});

it.each([
  'https://git.example/team/bot.git',
  'https://git.example/team/bot.git/',
  'https://user:token@git.example/bot.git',
  'https://github.com/user/bot',
  'https://www.github.com/user/bot/',
  'https://gitlab.com/group/sub/bot',
  'https://codeberg.org/user/bot',
  'https://bitbucket.org/user/bot',
  'git@github.com:user/bot.git',
  'ssh://git@git.example/bot',
])('%s is a git repository', (url) => {
  expect(isGitRepository(url)).toBe(true);
});

it.each([
  'https://git.example/team/bot',
  'https://x.example/bot.tar.gz',
  'https://x.example/download?name=bot.git',
  'https://github.com/user/bot/archive/refs/heads/main.tar.gz',
  'https://github.com/user/bot/archive/main',
  'https://github.com/user/bot/releases/download/v1/bot.tgz',
  'https://github.com/user/bot/tarball/main',
  'https://gitlab.com/group/bot/-/archive/main/bot-main.tar.gz',
  'ftp://x.example/bot.tar.gz',
])('%s is an archive', (url) => {
  expect(isGitRepository(url)).toBe(false);
});
