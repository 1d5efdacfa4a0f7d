/**
 * Every scalar field of every REST body and query, given values of the wrong type: refused with 400 and the field's name,
 * never read as something else. What is not listed here is a list or an object, and tried as such.
 */
import { describe, expect, it } from 'vitest';
import type { JsonObject } from '#common/json.ts';
import { openHostileDoors } from '../kit/hostile-doors.ts';

const doors = openHostileDoors();

type Kind = 'text' | 'flag' | 'number' | 'list of text' | 'object';

/** Values of each JSON type; a field takes those of its own kind. Text that reads like the right value is the wrong type, too. */
const values: readonly (readonly [Exclude<Kind, 'object'> | 'other list' | 'object', unknown])[] = [
  ['text', 'x'],
  ['text', 'true'],
  ['text', '5'],
  ['flag', true],
  ['number', 5],
  ['number', 0.5],
  ['other list', [5]],
  ['other list', [['x']]],
  ['other list', [null]],
  ['list of text', ['x']],
  ['object', { a: 'x' }],
];
const wrongFor = (kind: Kind) => values.filter(([type]) => type !== kind).map(([, value]) => value);

const start = { action: 'start', bot_id: 'typed', deployment_mode: 'simple', code: 'print(1)' };
const files = { ...start, code: undefined, files: { 'bot.py': '' }, entrypoint: 'bot.py' };
const git = { action: 'start', bot_id: 'typed', deployment_mode: 'custom', git_repo: 'https://github.com/me/bot.git' };
const url = { ...git, git_repo: undefined, archive_url: 'https://example.com/bot.tar.gz' };
const archive = { ...git, git_repo: undefined, archive: 'AAAA' };
const image = { action: 'start', bot_id: 'typed', deployment_mode: 'image', docker_image: 'ghcr.io/me/bot:1' };
const ofResident = { bot_id: 'resident' };

const jobFields: readonly (readonly [string, object, Kind])[] = [
  ['action', start, 'text'],
  ['bot_id', start, 'text'],
  ['deployment_mode', start, 'text'],
  ['code', start, 'text'],
  ['takeover', start, 'flag'],
  ['takeover', { ...start, action: 'update', bot_id: 'resident' }, 'flag'],
  ['replace_env', { ...start, action: 'update', bot_id: 'resident' }, 'flag'],
  ['requirements', start, 'list of text'],
  ['env_vars', start, 'object'],
  ['env_vars.NAME', { ...start, env_vars: { NAME: 'x' } }, 'text'],
  ['on', start, 'object'],
  ['on.zone', { ...start, on: { zone: 'eu' } }, 'text'],
  ['resource_limits', start, 'object'],
  ['resource_limits.memory_mb', { ...start, resource_limits: { memory_mb: 64 } }, 'number'],
  ['resource_limits.disk_mb', { ...start, resource_limits: { disk_mb: 64 } }, 'number'],
  ['resource_limits.cpu_cores', { ...start, resource_limits: { cpu_cores: 0.5 } }, 'number'],
  ['entrypoint', files, 'text'],
  ['runtime', files, 'text'],
  ['files', files, 'object'],
  ['files.bot.py', files, 'text'],
  ['archive', archive, 'text'],
  ['archive_url', url, 'text'],
  ['git_repo', git, 'text'],
  ['git_branch', git, 'text'],
  ['git_subdir', git, 'text'],
  ['build_args', git, 'object'],
  ['build_args.NAME', { ...git, build_args: { NAME: 'x' } }, 'text'],
  ['target', git, 'text'],
  ['dockerfile', git, 'text'],
  ['git_auth', git, 'object'],
  ['git_auth.username', { ...git, git_auth: { username: 'me', password: 'p' } }, 'text'],
  ['git_auth.password', { ...git, git_auth: { username: 'me', password: 'p' } }, 'text'],
  ['docker_image', image, 'text'],
  ['pull', image, 'flag'],
  ['registry_auth', image, 'object'],
  ['registry_auth.username', { ...image, registry_auth: { username: 'me', password: 'p' } }, 'text'],
  ['registry_auth.password', { ...image, registry_auth: { username: 'me', password: 'p' } }, 'text'],
  ['registry_auth.serveraddress', { ...image, registry_auth: { username: 'me', password: 'p' } }, 'text'],
  ['lines', { action: 'logs', ...ofResident }, 'number'],
  ['purge', { action: 'delete', ...ofResident }, 'flag'],
  ...['stop', 'status', 'restart', 'logs', 'delete'].map((action): [string, object, Kind] => [
    'bot_id',
    { action, ...ofResident },
    'text',
  ]),
];

/** The data with one field replaced; the first dot of a name leads into an object. */
function withField(data: object, name: string, value: unknown): object {
  const dot = name.indexOf('.');
  if (dot < 0) return { ...data, [name]: value };
  const [outer, inner] = [name.slice(0, dot), name.slice(dot + 1)];
  const parent = (data as Record<string, object>)[outer];
  return { ...data, [outer]: { ...parent, [inner]: value } };
}

describe('a field of a job', () => {
  it.each(jobFields)('%s of %o is %s and nothing else', async (name, data, kind) => {
    const before = await doors.list();
    for (const value of wrongFor(kind)) {
      const { status, body } = await doors.leavesNothing(() => doors.orchestrator.post(withField(data, name, value)));
      const told = `${name} = ${JSON.stringify(value)}: ${JSON.stringify(body)}`;
      expect(status, told).toBe(400);
      expect(body.error.hint, told).not.toBe('');
      expect(JSON.stringify(body.error.details), told).toContain(name.split('.')[0]);
    }
    expect(await doors.list()).toEqual(before);
  });

  it.each([
    ['a requirement that is empty', { ...start, requirements: [''] }, 'INVALID_REQUIREMENTS'],
    ['a requirement of spaces', { ...start, requirements: ['aiogram', '  '] }, 'INVALID_REQUIREMENTS'],
    ['port 0 of a repository', { ...git, git_repo: 'https://github.com:0/me/bot.git' }, 'INVALID_GIT_URL'],
    ['port 00 of a repository', { ...git, git_repo: 'https://github.com:00/me/bot.git' }, 'INVALID_GIT_URL'],
    ['port 0 of an archive', { ...url, archive_url: 'http://example.com:0/a.tar' }, 'INVALID_ARCHIVE_URL'],
    ['port 0 of an image', { ...image, docker_image: 'ghcr.io:0/me/bot' }, 'INVALID_IMAGE_NAME'],
  ])('%s is refused', async (_, data, code) => {
    const { status, body } = await doors.orchestrator.post(data);
    expect([status, body.error?.code]).toEqual([400, code]);
  });

  it('"blueprint" is text, "data" an object', async () => {
    for (const value of wrongFor('text')) {
      const { status, body } = await doors.orchestrator.post(JSON.stringify({ blueprint: value, data: start }));
      expect([status, body.error.code], JSON.stringify(value)).toEqual([400, 'INVALID_BLUEPRINT']);
    }
    for (const value of wrongFor('object')) {
      const { status } = await doors.orchestrator.post(JSON.stringify({ blueprint: 'bot_runner', data: value }));
      expect(status, JSON.stringify(value)).toBe(400);
    }
  });
});

const asWorker = { authorization: 'Bearer test-worker-token' };
async function ask(method: string, path: string, body?: unknown, headers: Record<string, string> = asWorker) {
  const response = await fetch(`${doors.orchestrator.url}${path}`, {
    method,
    headers: { ...headers, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  // Answers are objects, or the empty list of tasks.
  const parsed = (await response.json()) as { error?: { code: string; details: JsonObject; example: unknown } };
  return { status: response.status, ...parsed };
}

describe('a field of a worker', () => {
  const registration = { worker_id: 'typed-1', worker_type: 'bots', supported_tasks: ['a'], max_concurrent_tasks: 2 };

  it.each<[string, Kind]>([
    ['worker_id', 'text'],
    ['worker_type', 'text'],
    ['supported_tasks', 'list of text'],
    ['max_concurrent_tasks', 'number'],
  ])('%s of a registration is %s', async (name, kind) => {
    for (const value of wrongFor(kind)) {
      const answer = await ask('POST', '/workers/register', { ...registration, [name]: value });
      expect([answer.status, answer.error?.details], JSON.stringify(value)).toEqual([400, { field: name }]);
      expect(answer.error?.example).toMatchObject({ worker_id: 'worker-1' });
    }
    expect((await ask('GET', '/workers/typed-1/tasks')).error?.code).toBe('WORKER_NOT_FOUND');
  });

  it.each<[string, Kind]>([
    ['worker_id', 'text'],
    ['task_id', 'text'],
    ['result', 'object'],
    ['result.status', 'text'],
    ['result.data', 'object'],
    ['result.error', 'object'],
    ['result.error.code', 'text'],
    ['result.error.message', 'text'],
  ])('%s of a result is %s; the job of one that cannot be read fails at once', async (name, kind) => {
    const workerId = `typed-${name.replaceAll('.', '-')}`;
    await ask('POST', '/workers/register', { ...registration, worker_id: workerId, supported_tasks: ['process_data'] });
    for (const value of wrongFor(kind)) {
      const accepted = await doors.orchestrator.post(
        JSON.stringify({ blueprint: 'test_workflow', data: { input: 1 } }),
      );
      const { '0': task } = (await ask('GET', `/workers/${workerId}/tasks?wait=5`)) as unknown as {
        '0': { task_id: string };
      };
      const ids = { worker_id: workerId, task_id: task.task_id };
      const right = { ...ids, result: { status: 'failure', data: {}, error: { code: 'A', message: 'b' } } };
      const given = nested(right, name.split('.'), value);
      const answer = await ask('POST', '/tasks/result', given);
      expect(answer.status, JSON.stringify(given)).toBe(400);
      expect(answer.error?.example).toMatchObject({ task_id: 'T' });
      const { body } = await doors.orchestrator.get(`/jobs/${accepted.body.job_id}`);
      if (name.startsWith('result')) expect(body.status, JSON.stringify(given)).toBe('failed');
      else await ask('POST', '/tasks/result', right);
    }
  });

  it.each(['x', '-1', '1e9', 'true', '%zz', '1,5', '1.2.3'])('the wait %s is no number of seconds', async (wait) => {
    await ask('POST', '/workers/register', registration);
    const answer = await ask('GET', `/workers/typed-1/tasks?wait=${wait}`);
    expect([answer.status, answer.error?.details]).toEqual([400, { field: 'wait' }]);
  });
});

describe('a parameter of GET /events', () => {
  const asClient = { authorization: 'Bearer test-client-token' };
  it.each([
    'last=x',
    'last=-1',
    'last=1.5',
    'last=99999',
    'jobs=x',
    'jobs=true',
    'jobs=2',
    'bot=a%20b',
    'x=1',
    'resume_from=x',
  ])('%s is refused', async (query) => {
    expect((await ask('GET', `/events?${query}`, undefined, asClient)).status).toBe(400);
  });
});

/** A path with an invalid escape is not found, or read literally; it is never a failure of the server. */
describe('a malformed escape', () => {
  const broken = ['%', '%z', '%zz', '%f', '%ff', '%c3%28', '%00', '%2f', '%2e%2e', '%ed%a0%80', 'a%', '%%', '%u0041'];
  const places = [
    ...[
      '/',
      '/jobs/',
      '/api/jobs/',
      '/workers/',
      '/_worker/workers/',
      '/events/',
      '/health',
      '/botrunner.v1.BotService/',
    ].map((before) => [before, ''] as const),
    ['/workers/', '/tasks'],
    ['/workers/', '/tasks/next'],
    ['/_worker/workers/', '/tasks/next'],
    ['/jobs/', '/x'],
    ['/events?bot=', ''],
    ['/events?', '=1'],
    ['/events?last=', ''],
    ['/workers/typed-1/tasks?wait=', ''],
    ['/', '/ListBots'],
  ] as const;
  it.each(places)('in %s…%s', async (before, after) => {
    for (const text of broken) {
      for (const token of ['test-client-token', 'test-worker-token', 'test-admin-token', '']) {
        for (const method of ['GET', 'POST', 'PATCH', 'HEAD', 'OPTIONS']) {
          const response = await fetch(`${doors.orchestrator.url}${before}${text}${after}`, {
            method,
            headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
            ...(method === 'POST' || method === 'PATCH' ? { body: '{}' } : {}),
          });
          expect(response.status, `${method} ${before}${text}${after}`).toBeLessThan(500);
          await response.body?.cancel();
        }
      }
    }
  });
});

function nested(data: JsonObject, [first = '', ...rest]: readonly string[], value: unknown): JsonObject {
  const own = data[first];
  const inner = typeof own === 'object' && own !== null ? (own as JsonObject) : {};
  return { ...data, [first]: rest.length === 0 ? value : nested(inner, rest, value) } as JsonObject;
}
