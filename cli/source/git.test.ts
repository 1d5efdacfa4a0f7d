import { describe, expect, it } from 'vitest';
import { CliError } from '../failures/errors.ts';
import { prepareArchiveUrl } from './archive-url.ts';
import { prepareGit } from './git.ts';
import type { ReadySource } from './source.ts';

const git = (url: string, more: { branch?: string; subdir?: string; byUrl?: boolean } = {}): ReadySource =>
  prepareGit({ kind: 'git', url, branch: undefined, subdir: undefined, byUrl: false, ...more });
const from = (source: ReadySource) => source.spec('').value;
const complaintOf = (work: () => unknown): string => {
  try {
    work();
    return 'nothing was refused';
  } catch (error) {
    if (error instanceof CliError) return `${error.complaint.exitCode} ${error.message} ${error.complaint.hint}`;
    throw error;
  }
};

const moved = 'User and password are removed from the git URL and sent as a secret';

describe('a git repository', () => {
  it('is named by URL, branch and folder; without a branch the server finds the default one', () => {
    expect(from(git('https://github.com/user/bot.git', { branch: 'main', subdir: './bots/echo/' }))).toEqual({
      from: { case: 'git', value: { url: 'https://github.com/user/bot.git', ref: 'main', subdir: 'bots/echo' } },
    });
    expect(from(git('https://github.com/user/bot.git', { subdir: '.' }))).toEqual({
      from: { case: 'git', value: { url: 'https://github.com/user/bot.git', ref: '', subdir: '' } },
    });
    expect(git('https://github.com/user/bot.git')).toMatchObject({ notes: [], upload: undefined });
  });

  it('that --custom named is announced as one', () => {
    const { notes } = git('https://github.com/user/bot', { byUrl: true });
    expect(notes).toEqual(['Treated as a git repository: the worker clones it']);
  });

  it.each<[string, string, { username: string; password: string }]>([
    ['https://user:token@host/x.git', 'https://host/x.git', { username: 'user', password: 'token' }],
    ['https://token@host/x.git', 'https://host/x.git', { username: '', password: 'token' }],
    ['https://token:@host/x.git', 'https://host/x.git', { username: '', password: 'token' }],
    ['https://:token@host:8443/x', 'https://host:8443/x', { username: '', password: 'token' }],
    ['http://a%40b:p%3A%2F%zz@host/x.git', 'http://host/x.git', { username: 'a@b', password: 'p%3A%2F%zz' }],
    ['https://user:to%40ken@host/x.git', 'https://host/x.git', { username: 'user', password: 'to@ken' }],
    ['https://good.example@host/x.git', 'https://host/x.git', { username: '', password: 'good.example' }],
    ['git://user:token@host/x.git', 'git://host/x.git', { username: 'user', password: 'token' }],
  ])('%s gives up its user and password, and says so without them', (text, url, credentials) => {
    const source = git(text);
    expect(from(source)).toEqual({ from: { case: 'git', value: { url, ref: '', subdir: '', credentials } } });
    expect(source.notes).toEqual([moved]);
  });

  it.each([
    ['git@github.com:me/bot.git', 'https://github.com/me/bot.git'],
    ['ssh://git@gitlab.example.com:2222/group/sub/bot.git', 'https://gitlab.example.com/group/sub/bot.git'],
    ['git+ssh://git@github.com/me/bot', 'https://github.com/me/bot'],
    ['github.com:me/bot', 'https://github.com/me/bot'],
  ])('that ssh would take is refused with its https form: %s', (url, https) => {
    expect(complaintOf(() => git(url))).toContain(`Write ${https}, or for a private repository https://TOKEN@`);
  });

  it.each([
    'git:canary@github.com:me/bot.git',
    'ssh://git:canary@github.com/bot.git',
    'canary:bot.git',
    'git@-oProxyCommand=canary:x',
  ])('over ssh is refused with the cure and without the URL: %s', (url) => {
    const complaint = complaintOf(() => git(url));
    expect(complaint).toMatch(/^2 Git over ssh is not supported: .* (Use|Write) (the )?https/);
    expect(complaint).not.toContain('canary');
  });

  it.each<[string, string]>([
    ['canary', 'This is not the URL of a git repository.'],
    ['./canary', 'This is not the URL of a git repository.'],
    ['file:///canary', 'This is not the URL of a git repository.'],
    ['javascript://canary', 'This is not the URL of a git repository.'],
    ['https://', 'This is not the URL of a git repository.'],
    ['https://host/x.git#canary', 'The git URL contains "?" or "#".'],
    ['https://u:canary@host/x.git?a=b', 'The git URL contains "?" or "#".'],
    ['https://github.com/u/r/tree/canary/sub', 'This is the address of a folder, not of a repository.'],
  ])('%s is refused without showing it', (url, message) => {
    const complaint = complaintOf(() => git(url));
    expect(complaint.startsWith(`2 ${message} `)).toBe(true);
    expect(complaint).not.toContain('canary');
  });
});

describe('the URL of an archive', () => {
  it('goes to the worker as it is', () => {
    const source = prepareArchiveUrl('https://x.example/bot.tar.gz?key=1');
    expect(source).toMatchObject({ notes: ['Treated as an archive: the worker downloads it'], upload: undefined });
    expect(from(source)).toEqual({ from: { case: 'archiveUrl', value: 'https://x.example/bot.tar.gz?key=1' } });
  });

  it.each<[string, string]>([
    ['https://u:canary@x.example/bot.tar', 'The URL of an archive must not contain a password.'],
    ['ftp://x.example/canary.tar', 'This URL is not supported.'],
    ['https://x.example/canary.zip', '.zip files are not supported.'],
  ])('%s is refused without showing it', (url, message) => {
    const complaint = complaintOf(() => prepareArchiveUrl(url));
    expect(complaint.startsWith(`2 ${message} `)).toBe(true);
    expect(complaint).not.toContain('canary');
  });
});
