/** Custom and image mode as JSON requests ask for them. */
import { describe, expect, it } from 'vitest';
import type { SourceRequest } from './bot-request.ts';
import { defaultBounds } from './bot-request.ts';
import { validateBotRequest } from './validate-bot-request.ts';

const start = { action: 'start', bot_id: 'my-bot' };
const custom = { ...start, deployment_mode: 'custom' };
const image = { ...start, deployment_mode: 'image' };
const archive = Buffer.from('any bytes').toString('base64');
const git = { ...custom, git_repo: 'https://github.com/me/bot.git' };

function parse(data: unknown, fetchAllow: readonly string[] = []) {
  return validateBotRequest(data, { ...defaultBounds, fetchAllow });
}
function sourceOf(data: unknown, fetchAllow: readonly string[] = []): SourceRequest | undefined {
  const result = parse(data, fetchAllow);
  if (!result.ok) throw new Error(JSON.stringify(result.problem));
  return result.value.action === 'start' ? result.value.deployment.source : undefined;
}
function codeOf(data: unknown): string {
  const result = parse(data);
  if (result.ok) return 'ok';
  // Every refusal says what to do.
  expect(result.problem.hint).not.toBe('');
  expect(result.problem.example).not.toBeNull();
  return result.problem.code;
}

describe('custom mode', () => {
  it('takes an archive, the URL of one, or a repository', () => {
    expect(sourceOf({ ...custom, archive })).toEqual({ kind: 'inline_archive', bytes: Buffer.from('any bytes') });
    expect(sourceOf({ ...custom, archive_url: 'https://example.com/bot.tar.gz' })).toEqual({
      kind: 'archive_url',
      url: 'https://example.com/bot.tar.gz',
    });
    expect(sourceOf(git)).toEqual({ kind: 'git', url: 'https://github.com/me/bot.git', ref: '', subdir: '' });
    const full = { ...git, git_branch: 'v2', git_subdir: 'bots/echo/', git_auth: { username: 'me', password: 'pw' } };
    const source = sourceOf(full);
    expect(source).toMatchObject({ kind: 'git', ref: 'v2', subdir: 'bots/echo', login: { username: 'me' } });
    expect(source?.kind === 'git' && source.login?.password.reveal()).toBe('pw');
    expect(JSON.stringify(source)).not.toContain('pw');
  });

  it('takes a token without a user name', () => {
    expect(sourceOf({ ...git, git_auth: { password: 'token' } })).toMatchObject({ login: { username: '' } });
  });

  it('passes over fields of other modes that say nothing', () => {
    const filled = { files: null, code: '', docker_image: null, requirements: [], pull: false, registry_auth: {} };
    expect(sourceOf({ ...git, ...filled, archive: null, archive_url: '' })).toMatchObject({ kind: 'git' });
  });

  it('takes private places that the operator lists', () => {
    expect(sourceOf({ ...custom, archive_url: 'http://127.0.0.1:8080/x.tar' }, ['127.0.0.1:8080'])).toMatchObject({
      url: 'http://127.0.0.1:8080/x.tar',
    });
    expect(sourceOf({ ...custom, git_repo: 'http://localhost:3000/me/bot' }, ['localhost:3000'])).toBeDefined();
    expect(sourceOf({ ...image, docker_image: 'localhost:5000/me/bot' }, ['localhost:5000'])).toBeDefined();
  });

  it.each<[string, object, string]>([
    ['no source', custom, 'MISSING_SOURCE'],
    ['sources that are empty', { ...custom, archive_url: '', git_repo: null }, 'MISSING_SOURCE'],
    ['code only', { ...custom, code: 'print(1)' }, 'MISSING_SOURCE'],
    ['an image only', { ...custom, docker_image: 'python' }, 'MISSING_SOURCE'],
    ['an empty archive', { ...custom, archive: '' }, 'INVALID_ARCHIVE'],
    ['an archive and a URL', { ...custom, archive, archive_url: 'https://example.com/x' }, 'CONFLICTING_SOURCES'],
    ['an archive and a repository', { ...git, archive }, 'CONFLICTING_SOURCES'],
    ['all three', { ...git, archive, archive_url: 'https://example.com/x' }, 'CONFLICTING_SOURCES'],
    ['code beside a repository', { ...git, code: 'print(1)' }, 'CONFLICTING_FIELDS'],
    ['files beside a repository', { ...git, files: { 'a.py': '' } }, 'CONFLICTING_FIELDS'],
    ['an image beside a repository', { ...git, docker_image: 'python' }, 'CONFLICTING_SOURCES'],
    ['an entrypoint', { ...git, entrypoint: 'bot.py' }, 'CONFLICTING_FIELDS'],
    ['requirements', { ...git, requirements: ['aiogram'] }, 'CONFLICTING_FIELDS'],
    ['a runtime', { ...git, runtime: 'node' }, 'CONFLICTING_FIELDS'],
    ['registry_auth', { ...git, registry_auth: { username: 'a', password: 'b' } }, 'CONFLICTING_FIELDS'],
    ['pull', { ...git, pull: true }, 'CONFLICTING_FIELDS'],
    ['a branch of an archive', { ...custom, archive, git_branch: 'main' }, 'CONFLICTING_FIELDS'],
    ['a folder of an archive', { ...custom, archive, git_subdir: 'x' }, 'CONFLICTING_FIELDS'],
    ['a login for an archive', { ...custom, archive, git_auth: { password: 'x' } }, 'CONFLICTING_FIELDS'],
    ['an archive that is no text', { ...custom, archive: 5 }, 'INVALID_ARCHIVE'],
    ['an archive that is no base64', { ...custom, archive: '!!!' }, 'INVALID_ARCHIVE'],
    ['base64 with line breaks', { ...custom, archive: 'AAAA\nAAAA' }, 'INVALID_ARCHIVE'],
    ['base64 of the alphabet for URLs', { ...custom, archive: '-_-_' }, 'INVALID_ARCHIVE'],
    ['base64 without its padding', { ...custom, archive: 'AAAAA' }, 'INVALID_ARCHIVE'],
    ['base64 with bits left over', { ...custom, archive: 'AAB=' }, 'INVALID_ARCHIVE'],
    ['a URL that is none', { ...custom, archive_url: 'file:///etc/passwd' }, 'INVALID_ARCHIVE_URL'],
    ['a URL to a private place', { ...custom, archive_url: 'http://10.0.0.1/x' }, 'FORBIDDEN_URL'],
    ['a repository over ssh', { ...custom, git_repo: 'git@github.com:me/bot.git' }, 'INVALID_GIT_URL'],
    ['a repository that is a list', { ...custom, git_repo: ['x'] }, 'INVALID_GIT_URL'],
    ['a branch that is an option', { ...git, git_branch: '--upload-pack=x' }, 'INVALID_GIT_REF'],
    ['a branch that is a number', { ...git, git_branch: 5 }, 'INVALID_GIT_REF'],
    ['a folder above the repository', { ...git, git_subdir: '../x' }, 'INVALID_FILE_PATH'],
    ['a login that is text', { ...git, git_auth: 'me:pw' }, 'INVALID_GIT_URL'],
    ['a login without password', { ...git, git_auth: { username: 'me' } }, 'MISSING_REQUIRED_FIELD'],
    ['a login with a line break', { ...git, git_auth: { username: 'me', password: 'a\r\nb' } }, 'INVALID_GIT_URL'],
    ['a user name with a colon', { ...git, git_auth: { username: 'a:b', password: 'c' } }, 'INVALID_GIT_URL'],
    ['a login with another key', { ...git, git_auth: { password: 'a', token: 'b' } }, 'INVALID_GIT_URL'],
  ])('refuses %s', (_name, data, code) => {
    expect(codeOf(data)).toBe(code);
  });
});

describe('image mode', () => {
  it('takes an image, and always asks for a tag or a digest', () => {
    expect(sourceOf({ ...image, docker_image: 'python' })).toEqual({
      kind: 'image',
      image: 'python:latest',
      pull: false,
    });
    const source = sourceOf({
      ...image,
      docker_image: 'ghcr.io/me/bot:1',
      registry_auth: { username: 'me', password: 'pw' },
      pull: true,
    });
    expect(source).toMatchObject({ image: 'ghcr.io/me/bot:1', pull: true, login: { username: 'me' } });
  });

  it('takes a server address that is the registry of the image', () => {
    const login = (serveraddress: string) => ({ username: 'me', password: 'pw', serveraddress });
    const ghcr = { ...image, docker_image: 'ghcr.io/me/bot' };
    expect(codeOf({ ...ghcr, registry_auth: login('https://ghcr.io/v2/') })).toBe('ok');
    expect(codeOf({ ...ghcr, registry_auth: login('evil.example') })).toBe('INVALID_REGISTRY_AUTH');
    const hub = { ...image, docker_image: 'me/bot' };
    expect(codeOf({ ...hub, registry_auth: login('https://index.docker.io/v1/') })).toBe('ok');
    expect(codeOf({ ...hub, registry_auth: login('ghcr.io') })).toBe('INVALID_REGISTRY_AUTH');
  });

  const withAuth = (registry_auth: unknown) => ({ ...image, docker_image: 'ghcr.io/me/bot', registry_auth });
  it.each<[string, object, string]>([
    ['no image', image, 'MISSING_DOCKER_IMAGE'],
    ['an empty image', { ...image, docker_image: '' }, 'MISSING_DOCKER_IMAGE'],
    ['a repository only', { ...image, git_repo: 'https://github.com/me/bot' }, 'MISSING_DOCKER_IMAGE'],
    ['an image with spaces', { ...image, docker_image: 'a b' }, 'INVALID_IMAGE_NAME'],
    ['an image that is a number', { ...image, docker_image: 5 }, 'INVALID_IMAGE_NAME'],
    ['a registry of the own machine', { ...image, docker_image: 'localhost:5000/x' }, 'FORBIDDEN_REGISTRY'],
    ['code', { ...image, docker_image: 'python', code: 'print(1)' }, 'CONFLICTING_FIELDS'],
    ['an entrypoint', { ...image, docker_image: 'python', entrypoint: 'bot.py' }, 'CONFLICTING_FIELDS'],
    ['requirements', { ...image, docker_image: 'python', requirements: ['x'] }, 'CONFLICTING_FIELDS'],
    ['an archive', { ...image, docker_image: 'python', archive }, 'CONFLICTING_SOURCES'],
    ['a branch', { ...image, docker_image: 'python', git_branch: 'main' }, 'CONFLICTING_FIELDS'],
    ['a login that is text', withAuth('me:pw'), 'INVALID_REGISTRY_AUTH'],
    ['a login that is a list', withAuth(['me', 'pw']), 'INVALID_REGISTRY_AUTH'],
    ['a login without anything', withAuth({}), 'INCOMPLETE_REGISTRY_AUTH'],
    ['a login without password', withAuth({ username: 'me' }), 'INCOMPLETE_REGISTRY_AUTH'],
    ['a login with an empty password', withAuth({ username: 'me', password: '' }), 'INCOMPLETE_REGISTRY_AUTH'],
    ['a login without user name', withAuth({ password: 'pw' }), 'INCOMPLETE_REGISTRY_AUTH'],
    ['a password that is a number', withAuth({ username: 'me', password: 5 }), 'INVALID_REGISTRY_AUTH'],
    ['a password with line breaks', withAuth({ username: 'me', password: 'a\r\nb' }), 'INVALID_REGISTRY_AUTH'],
    ['a user name of 1 MB', withAuth({ username: 'x'.repeat(1e6), password: 'a' }), 'INVALID_REGISTRY_AUTH'],
    ['pull as text', { ...image, docker_image: 'python', pull: 'yes' }, 'MALFORMED_REQUEST'],
  ])('refuses %s', (_name, data, code) => {
    expect(codeOf(data)).toBe(code);
  });

  it('never repeats a login in its refusal', () => {
    const secret = 'canary-3c1f';
    for (const data of [
      withAuth({ username: 'me', password: `${secret}\n` }),
      withAuth({ username: secret }),
      withAuth(secret),
      withAuth({ username: 'me', password: secret, serveraddress: 'evil.example' }),
      { ...git, git_auth: { username: `a:${secret}`, password: secret } },
      { ...git, git_repo: `https://me:${secret}@github.com/me/bot` },
      { ...image, docker_image: `me:${secret}@ghcr.io/x` },
      { ...custom, archive_url: `https://me:${secret}@example.com/x` },
    ]) {
      const result = parse(data);
      expect(result.ok).toBe(false);
      expect(JSON.stringify(result)).not.toContain(secret);
    }
  });
});

describe('simple mode', () => {
  it.each<[string, object, string]>([
    ['an archive', { archive }, 'CONFLICTING_SOURCES'],
    ['a repository', { git_repo: 'https://github.com/me/bot' }, 'CONFLICTING_SOURCES'],
    ['an image', { docker_image: 'python' }, 'CONFLICTING_SOURCES'],
    ['a login', { registry_auth: { username: 'a', password: 'b' } }, 'CONFLICTING_FIELDS'],
    ['more files than an archive may have', { code: null, files: manyFiles() }, 'INVALID_FILES_FORMAT'],
  ])('refuses %s', (_name, extra, code) => {
    expect(codeOf({ ...start, deployment_mode: 'simple', code: 'print(1)', ...extra })).toBe(code);
  });
});

function manyFiles(): Record<string, string> {
  return Object.fromEntries(Array.from({ length: 10_001 }, (_, index) => [`f${index}.py`, '']));
}

describe('how a Dockerfile is built', () => {
  const built = (data: object) => {
    const source = sourceOf({ ...git, ...data });
    return source !== undefined && 'build' in source ? source.build : undefined;
  };

  it('is taken for every source of custom mode', () => {
    const options = { build_args: { A: '1', b: '' }, target: 'Prod', dockerfile: './docker/prod.Dockerfile' };
    const expected = {
      buildArgs: new Map([
        ['A', '1'],
        ['b', ''],
      ]),
      target: 'Prod',
      dockerfile: 'docker/prod.Dockerfile',
    };
    expect(built(options)).toEqual(expected);
    for (const source of [{ archive }, { archive_url: 'https://example.com/x.tar' }]) {
      expect(sourceOf({ ...custom, ...source, ...options })).toMatchObject({ build: expected });
    }
    expect(built({ target: '2' })).toMatchObject({ target: '2' });
    expect(built({ build_args: {}, target: '', dockerfile: null })).toBeUndefined();
  });

  it('may be taken back by an update', () => {
    const data = { ...git, action: 'update', build_args: { A: null, B: '1' }, target: null, dockerfile: null };
    const result = parse(data);
    expect(result).toMatchObject({
      value: { change: { reset: { buildArgs: ['A'], target: true, dockerfile: true } }, deployment: { source: {} } },
    });
    expect(codeOf({ ...git, build_args: { A: null } })).toBe('INVALID_BUILD_OPTIONS');
  });

  it.each<[string, object]>([
    ['a list of arguments', { build_args: ['A=1'] }],
    ['a text of arguments', { build_args: 'A=1' }],
    ['a number', { build_args: { A: 1 } }],
    ['a name that is none', { build_args: { 'A-B': '1' } }],
    ['an empty name', { build_args: { '': '1' } }],
    ['__proto__ as a value', { build_args: { ['__proto__']: {} } }],
    ['another frontend', { build_args: { BUILDKIT_SYNTAX: 'ghcr.io/evil/frontend' } }],
    ['a reserved name', { build_args: { buildkit_inline_cache: '1' } }],
    ['a long value', { build_args: { A: 'x'.repeat(4097) } }],
    ['several lines', { build_args: { A: 'x\ny' } }],
    ['too many', { build_args: Object.fromEntries(Array.from({ length: 101 }, (_, at) => [`A${at}`, ''])) }],
    ['a Telegram token', { build_args: { A: '123456789:AAabcdefghijklmnopqrstuvwxyz0123456' } }],
    [
      'one in a URL',
      { build_args: { A: 'https://api.telegram.org/bot123456789:AAabcdefghijklmnopqrstuvwxyz0123456/x' } },
    ],
    ['a password by its name', { build_args: { DB_PASSWORD: 'correct horse' } }],
    ['a key by its name', { build_args: { API_KEY: '12345678' } }],
    ['a token by its shape', { build_args: { A: `ghp_${'R7kQ2mZx9LpW4vBn8TsY3cHd6JfG1aEu5KoI'}` } }],
    ['a login in a URL', { build_args: { PIP_INDEX_URL: 'https://me:hunter22@pypi.corp.net/simple' } }],
    ['a target with a space', { target: 'a b' }],
    ['a target that is a number', { target: 1 }],
    ['an absolute Dockerfile', { dockerfile: '/etc/passwd' }],
    ['one above the source', { dockerfile: '../Dockerfile' }],
    ['one that is a pattern', { dockerfile: 'docker/*' }],
    ['one that is a list', { dockerfile: ['Dockerfile'] }],
  ])('is refused: %s', (_what, data) => {
    const result = parse({ ...git, ...data });
    expect(codeOf({ ...git, ...data })).toBe('INVALID_BUILD_OPTIONS');
    // What looks like a secret is in no message.
    expect(JSON.stringify(result)).not.toMatch(/AAabcdef|horse|12345678|R7kQ2m|hunter22/);
  });

  it.each(['build_args', 'target', 'dockerfile'])('does not go with simple mode or an image: %s', (field) => {
    const value = field === 'build_args' ? { A: '1' } : 'x';
    expect(codeOf({ ...start, deployment_mode: 'simple', code: 'x', [field]: value })).toBe('CONFLICTING_FIELDS');
    expect(codeOf({ ...image, docker_image: 'a:1', [field]: value })).toBe('CONFLICTING_FIELDS');
  });

  it.each([
    ['CACHE_KEY', '2024-01-01'],
    ['TOKEN', 'none'],
    ['MIRROR', 'https://mirror.example.org/simple'],
    ['COMPASS', 'north-by-north-west'],
    ['COMMIT', '0123456789abcdef0123456789abcdef01234567'],
  ])('an argument that is no secret is taken: %s=%s', (name, value) => {
    expect(built({ build_args: { [name]: value } })).toMatchObject({ buildArgs: new Map([[name, value]]) });
  });
});
