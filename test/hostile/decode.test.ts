/**
 * Hostile requests through the real doors: the frame of a request, and all parts of it but a bot's fields. The numbers
 * are those of the list of hostile inputs that the platform is held to; items that are not requests (fetching, pulling, the
 * CLI) are tested where they happen.
 */
import { request as httpRequest } from 'node:http';
import { gzipSync } from 'node:zlib';
import { Code } from '@connectrpc/connect';
import { credentials, Client as GrpcClient, Metadata, type ServiceError } from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import { custom, git, image, openHostileDoors, simple, start } from '../kit/hostile-doors.ts';

const doors = openHostileDoors();

const files = (value: unknown) => ({ ...simple, code: null, files: value });
const withEnv = (env_vars: unknown) => ({ ...simple, env_vars });
const withLimits = (resource_limits: unknown) => ({ ...simple, resource_limits });
const withRequirements = (...requirements: unknown[]) => ({ ...simple, requirements });

it('what is accepted does change what is on disk, which no refusal does', async () => {
  const before = doors.onDisk();
  expect((await doors.orchestrator.post({ ...simple, bot_id: 'stored' })).status).toBe(202);
  expect(doors.onDisk()).not.toEqual(before);
  await doors.orchestrator.post({ action: 'delete', bot_id: 'stored' });
});

describe('hostile 5: a body beyond all bounds is refused', () => {
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

  it('a gzip bomb is inflated no further than the bound: REST', async () => {
    expect(await send('/jobs', { 'content-encoding': 'gzip' }, bomb)).toBe(413);
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

describe('hostile 7: JSON that is read in more than one way is refused', () => {
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

describe('hostile 8: names that every object has are data', () => {
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

describe('hostile 9: a value of the wrong type gets the code of its field', () => {
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

describe('hostile 10: only the known actions are known', () => {
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

describe('hostile 11: who asks, and what is run where, is not the body’s to say', () => {
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
