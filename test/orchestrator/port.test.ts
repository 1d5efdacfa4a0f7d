/** The one port as strangers see it: odd requests, bodies that nobody has to read, bounds of what a call may hold. */
import http2 from 'node:http2';
import net from 'node:net';
import { gzipSync } from 'node:zlib';
import { Code, ConnectError, createClient, type Transport } from '@connectrpc/connect';
import {
  compressionGzip,
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from '@connectrpc/connect-node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BotService } from '#gen/botrunner/v1/bot_service_pb.js';
import { ErrorDetailSchema } from '#gen/botrunner/v1/error_pb.js';
import { JobService } from '#gen/botrunner/v1/job_service_pb.js';
import {
  clientToken,
  startTestOrchestrator,
  type TestOrchestrator,
  workerToken,
} from '../kit/orchestrator-for-tests.ts';
import { rawRequest } from '../kit/raw-request.ts';

let orchestrator: TestOrchestrator;
/** What is answered to two connections with half a head. The server waits 10 to 15 s for the rest, so they begin before all tests. */
let halfHeads: Promise<readonly string[]>;
beforeAll(async () => {
  orchestrator = await startTestOrchestrator();
  const whole = 'GET /health HTTP/1.1\r\nHost: a\r\n\r\n';
  const half = 'GET /health HTTP/1.1\r\nHos';
  halfHeads = Promise.all([untilClosed(half), untilClosed(whole + half)]);
});
afterAll(() => orchestrator[Symbol.asyncDispose]());

const listBots = '/botrunner.v1.BotService/ListBots';
const mib = 1024 * 1024;
const healthy = async () => (await orchestrator.get('/health')).status;

describe('a request that is none', () => {
  it.each([
    ['a host that is none', 'POST', listBots, 'HTTP/1.1', ['Host: [']],
    ['a host that is none, for REST', 'GET', '/health', 'HTTP/1.1', ['Host: [']],
    ['two hosts', 'POST', listBots, 'HTTP/1.1', ['Host: a', 'Host: b']],
    ['a user before the host', 'POST', listBots, 'HTTP/1.1', ['Host: u:p@localhost']],
    ['a host with a zone', 'POST', listBots, 'HTTP/1.1', ['Host: [fe80::1%25eth0]:8000']],
    ['a target that is no path', 'POST', 'botrunner.v1.BotService/ListBots', 'HTTP/1.1', ['Host: a']],
    ['a whole URL with a bad host', 'POST', `http://[${listBots}`, 'HTTP/1.1', ['Host: a']],
  ])('with %s is refused, and nothing else happens', async (_title, method, target, version, lines) => {
    const head = [
      `${method} ${target} ${version}`,
      ...lines,
      'Content-Type: application/json',
      'Content-Length: 2',
      '',
      '{}',
    ];
    const { status, text } = await rawRequest(orchestrator.port, head.join('\r\n'));
    expect(status).toBe(400);
    if (!lines.includes('Host: a')) expect(text).toContain('MALFORMED_REQUEST');
    expect(await healthy()).toBe(200);
  });

  it('may leave the host out in HTTP/1.0, or ask with a whole URL', async () => {
    const old = await rawRequest(
      orchestrator.port,
      `POST ${listBots} HTTP/1.0\r\nContent-Type: application/json\r\n\r\n`,
    );
    expect(old.status).toBe(401);
    const whole = await rawRequest(
      orchestrator.port,
      'GET http://any.example/health HTTP/1.1\r\nHost: any.example\r\n\r\n',
    );
    expect(whole.status).toBe(200);
  });

  it('over HTTP/2 with a bad authority is refused', async () => {
    const session = http2.connect(orchestrator.url);
    const status = await new Promise((resolve, reject) => {
      session
        .request({ ':method': 'POST', ':path': listBots, 'content-type': 'application/json', ':authority': '[' })
        .on('response', (answer) => resolve(answer[':status']))
        .on('error', reject)
        .end('{}');
    });
    session.destroy();
    expect(status).toBe(400);
    expect(await healthy()).toBe(200);
  });

  it('with a broken escape in its path is not found', async () => {
    expect((await orchestrator.get('/workers/%/tasks', workerToken)).status).toBe(404);
  });
});

describe('a body without a token', () => {
  const types = [
    'application/json',
    'application/proto',
    'application/grpc',
    'application/grpc-web+proto',
    'application/connect+json',
  ];
  const paths = types.flatMap((type) => [
    ['/botrunner.v1.JobService/CreateJob', type],
    ['/botrunner.v1.ArtifactService/UploadArtifact', type],
    ['/botrunner.v1.WorkerService/Join', type],
    ['/botrunner.v1.AdminService/CreateToken', type],
  ]);

  it.each([
    ...paths,
    ['/jobs', 'application/json'],
    ['/api/jobs/bot_runner', 'application/json'],
    ['/tasks/result', 'application/json'],
  ])('to %s as %s is answered before it is read', async (path, type) => {
    const head = `POST ${path} HTTP/1.1\r\nHost: a\r\nContent-Type: ${type}\r\nContent-Length: ${16 * mib}\r\n\r\n`;
    const before = process.memoryUsage().rss;
    const { text, bodyBytesSent } = await rawRequest(orchestrator.port, head, { bodyBytes: 16 * mib });
    expect(text).toMatch(/^HTTP\/1\.1 (401|415)|grpc-status: 16|"code":"unauthenticated"|^HTTP\/1\.1 200/);
    expect(text).not.toMatch(/grpc-status: 0/);
    // What fits in the buffers of two sockets, whatever the size of the body.
    expect(bodyBytesSent).toBeLessThan(12 * mib);
    expect(process.memoryUsage().rss - before).toBeLessThan(64 * mib);
  });

  it('is not even asked for when it is announced', async () => {
    const head = `POST /jobs HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 100\r\nExpect: 100-continue\r\n\r\n`;
    expect((await rawRequest(orchestrator.port, head)).status).toBe(401);
    const known = head.replace('Expect', `Authorization: Bearer ${clientToken}\r\nExpect`);
    expect((await rawRequest(orchestrator.port, known)).status).toBe(100);
  });
});

const withToken = [
  (next: Parameters<import('@connectrpc/connect').Interceptor>[0]) => (request: Parameters<typeof next>[0]) => {
    request.header.set('authorization', `Bearer ${clientToken}`);
    return next(request);
  },
];
// Else Node's own client takes no answer while it has more than 10 MB left to send.
const nodeOptions = { maxSessionMemory: 100 };
const transports: readonly (readonly [string, () => Transport])[] = [
  [
    'Connect with JSON',
    () =>
      createConnectTransport({
        baseUrl: orchestrator.url,
        httpVersion: '1.1',
        interceptors: withToken,
        useBinaryFormat: false,
      }),
  ],
  ['Connect', () => createConnectTransport({ baseUrl: orchestrator.url, httpVersion: '2', interceptors: withToken })],
  ['gRPC', () => createGrpcTransport({ baseUrl: orchestrator.url, interceptors: withToken, nodeOptions })],
  [
    'gRPC-Web',
    () => createGrpcWebTransport({ baseUrl: orchestrator.url, httpVersion: '1.1', interceptors: withToken }),
  ],
  [
    'gRPC with gzip',
    () =>
      createGrpcTransport({
        baseUrl: orchestrator.url,
        interceptors: withToken,
        sendCompression: compressionGzip,
        compressMinBytes: 0,
      }),
  ],
];

async function refusal(call: Promise<unknown>) {
  const error = await call.then(
    () => 'it was taken',
    (reason: unknown) => reason,
  );
  if (!(error instanceof ConnectError)) return error;
  return [Code[error.code], error.findDetails(ErrorDetailSchema)[0]?.code];
}

describe.each(transports)('what a call may hold, over %s', (_title, transport) => {
  it('is 256 KiB for one that carries no source', async () => {
    const bots = createClient(BotService, transport());
    const tooLarge = ['ResourceExhausted', 'PAYLOAD_TOO_LARGE'];
    expect(await refusal(bots.getBot({ botId: 'x'.repeat(257 * 1024) }))).toEqual(tooLarge);
    expect(await refusal(bots.getBot({ botId: 'x'.repeat(200 * 1024) }))).toEqual([
      'InvalidArgument',
      'INVALID_BOT_ID',
    ]);
    const stream = bots.streamLogs({ botId: 'x'.repeat(257 * 1024) })[Symbol.asyncIterator]();
    expect(await refusal(stream.next())).toEqual(tooLarge);
  });

  it('is 16 MiB for one that carries a source', async () => {
    const jobs = createClient(JobService, transport());
    const job = (length: number) => jobs.createJob({ blueprint: 'bot_runner', data: { action: 'x'.repeat(length) } });
    expect(await refusal(job(15 * mib))).toEqual(['InvalidArgument', 'INVALID_ACTION']);
    expect(await refusal(job(17 * mib))).toEqual(['ResourceExhausted', 'PAYLOAD_TOO_LARGE']);
  });

  it('is 10,000 values, 64 levels deep', async () => {
    const jobs = createClient(JobService, transport());
    const malformed = ['InvalidArgument', 'MALFORMED_REQUEST'];
    const list = Array.from({ length: 10_000 }, () => []);
    expect(await refusal(jobs.createJob({ blueprint: 'bot_runner', data: { x: list } }))).toEqual(malformed);
    const deep = JSON.parse(`${'{"x":'.repeat(65)}0${'}'.repeat(65)}`);
    expect(await refusal(jobs.createJob({ blueprint: 'bot_runner', data: deep }))).toEqual(malformed);
    const fine = JSON.parse(`${'{"x":'.repeat(62)}0${'}'.repeat(62)}`);
    expect(await refusal(jobs.createJob({ blueprint: 'bot_runner', data: fine }))).toEqual([
      'InvalidArgument',
      'MISSING_REQUIRED_FIELD',
    ]);
    const env = Object.fromEntries(Array.from({ length: 10_000 }, (_, n) => [`A${n}`, '']));
    expect(await refusal(createClient(BotService, transport()).startBot({ botId: 'a', spec: { env } }))).toEqual(
      malformed,
    );
  });
});

describe('a call without side effects', () => {
  const get = (query: string, method = 'GetBot', token = clientToken) =>
    fetch(`${orchestrator.url}/botrunner.v1.BotService/${method}?${query}`, {
      headers: { authorization: `Bearer ${token}` },
    });

  it('may be made by GET over Connect', async () => {
    const answer = await get('connect=v1&encoding=json&message=%7B%7D', 'ListBots');
    expect([answer.status, await answer.json()]).toEqual([200, { maxBots: 3 }]);
    const none = await get('encoding=proto&base64=1&message=CgRub25l');
    expect([none.status, ((await none.json()) as { code: string }).code]).toEqual([404, 'not_found']);
    expect((await get('encoding=json&message=%7B%7D', 'ListBots', 'wrong')).status).toBe(401);
    expect((await get('encoding=json&message=%7B', 'ListBots')).status).toBe(400);
    expect((await get('encoding=x', 'ListBots')).status).toBe(400);
  });

  it('is the only one', async () => {
    const answer = await get('encoding=json&message=%7B%7D', 'StopBot');
    expect([answer.status, answer.headers.get('allow')]).toEqual([405, 'POST']);
    expect(await answer.json()).toMatchObject({
      code: 'unimplemented',
      details: [{ type: 'botrunner.v1.ErrorDetail' }],
    });
  });
});

describe('a procedure that is not there', () => {
  it.each([
    ['application/json', 404],
    ['application/proto', 404],
    ['application/connect+json', 200],
    ['application/grpc', 200],
    ['application/grpc-web', 200],
    ['text/plain', 404],
  ])('called as %s is unimplemented, with our detail', async (type, status) => {
    const path = '/botrunner.v1.BotService/NoSuchCall';
    const head = `POST ${path} HTTP/1.1\r\nHost: a\r\nContent-Type: ${type}\r\nContent-Length: 0\r\n\r\n`;
    const answer = await fetch(`${orchestrator.url}${path}`, { method: 'POST', headers: { 'content-type': type } });
    expect([answer.status, (await rawRequest(orchestrator.port, head)).status]).toEqual([status, status]);
    const text = `${JSON.stringify([...answer.headers])}${await answer.text()}`;
    if (type !== 'application/grpc') expect(text).toMatch(/unimplemented|grpc-status: ?12/);
    if (!type.startsWith('application/grpc')) expect(text).toContain('botrunner.v1.ErrorDetail');
  });

  it('is UNIMPLEMENTED for a gRPC client', async () => {
    const [, transport] = transports[2] ?? [];
    const method = { ...BotService.method.listBots, name: 'NoSuchCall' };
    const call = (transport as () => Transport)().unary(method, undefined, undefined, undefined, {});
    expect(await refusal(call)).toEqual(['Unimplemented', 'ROUTE_NOT_FOUND']);
  });
});

describe('gzip', () => {
  const post = (body: Buffer, headers: Record<string, string> = {}) =>
    fetch(`${orchestrator.url}/jobs`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${clientToken}`,
        'content-type': 'application/json',
        'content-encoding': 'gzip',
        ...headers,
      },
      body,
    });
  const job = (input: string) => Buffer.from(JSON.stringify({ blueprint: 'test_workflow', data: { input } }));

  it('is taken in requests of REST, within the same bound', async () => {
    expect((await post(gzipSync(job('x')))).status).toBe(202);
    expect((await post(gzipSync(Buffer.alloc(17 * mib, 32)))).status).toBe(413);
    expect((await post(job('x'))).status).toBe(400);
    expect((await post(job('x'), { 'content-encoding': 'br' })).status).toBe(415);
  });

  it('is used in large answers for those who take it, and in no small ones', async () => {
    const { body: job } = await orchestrator.post(JSON.stringify({ blueprint: 'test_workflow', data: { input: 'x' } }));
    const worker = (path: string, body: unknown) =>
      fetch(`${orchestrator.url}${path}`, {
        method: 'POST',
        headers: { authorization: `Bearer ${workerToken}`, 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
    await worker('/workers/register', { worker_id: 'zip', supported_tasks: ['process_data'] });
    // Jobs of the tests before may come first.
    for (let done = false; !done; ) {
      const { body: tasks } = await orchestrator.get('/workers/zip/tasks?wait=10', workerToken);
      for (const { task_id, job_id } of tasks) {
        const result = { status: 'success', data: { output: 'x'.repeat(50_000) } };
        await worker('/tasks/result', { worker_id: 'zip', task_id, job_id, result });
        done ||= job_id === job.job_id;
      }
    }
    const encodingOf = async (accept: string, rpc: boolean) => {
      const headers = { authorization: `Bearer ${clientToken}`, 'accept-encoding': accept };
      const response = rpc
        ? await fetch(`${orchestrator.url}/botrunner.v1.JobService/GetJob`, {
            method: 'POST',
            headers: { ...headers, 'content-type': 'application/json' },
            body: JSON.stringify({ jobId: job.job_id }),
          })
        : await fetch(`${orchestrator.url}/jobs/${job.job_id}`, { headers });
      expect((await response.text()).length).toBeGreaterThan(50_000);
      return response.headers.get('content-encoding');
    };
    for (const rpc of [false, true]) {
      expect([await encodingOf('br, gzip', rpc), await encodingOf('identity', rpc)]).toEqual(['gzip', null]);
    }
    const health = await fetch(`${orchestrator.url}/health`, { headers: { 'accept-encoding': 'gzip' } });
    expect(health.headers.get('content-encoding')).toBeNull();
  });
});

describe('the bounds of REST', () => {
  it('are those of the typed calls', async () => {
    const list = JSON.stringify({ blueprint: 'bot_runner', data: { x: Array.from({ length: 10_000 }, () => []) } });
    expect((await orchestrator.post(list)).body.error.code).toBe('MALFORMED_REQUEST');
    const answer = await fetch(`${orchestrator.url}/workers/register`, {
      method: 'POST',
      headers: { authorization: `Bearer ${workerToken}`, 'content-type': 'application/json' },
      body: JSON.stringify({ worker_id: 'x'.repeat(257 * 1024) }),
    });
    expect(answer.status).toBe(413);
  });

  it('take many small values in no more memory than they are worth', async () => {
    // The same text that took 2.9 GB when it was parsed whole.
    const text = `{"blueprint":"bot_runner","data":{"x":[${Array.from({ length: 3_000_000 }, () => '[[]]').join(',')}]}}`;
    const before = process.memoryUsage().rss;
    expect((await orchestrator.post(text)).body.error.code).toBe('MALFORMED_REQUEST');
    expect(process.memoryUsage().rss - before).toBeLessThan(256 * mib);
  });
});

describe('an undecodable message', () => {
  it.each([
    ['application/proto', Buffer.from([0xff, 0xff])],
    ['application/json', Buffer.from('{"botId":5}')],
    ['application/json', Buffer.from('{')],
    ['application/json', Buffer.from([0x22, 0xff, 0x22])],
  ])('as %s is INVALID_ARGUMENT, and is not repeated', async (type, body) => {
    const response = await fetch(`${orchestrator.url}/botrunner.v1.BotService/GetBot`, {
      method: 'POST',
      headers: { authorization: `Bearer ${clientToken}`, 'content-type': type },
      body,
    });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({
      code: 'invalid_argument',
      details: [{ type: 'botrunner.v1.ErrorDetail' }],
    });
  });

  it('never shows its value', async () => {
    const response = await fetch(`${orchestrator.url}/botrunner.v1.BotService/StartBot`, {
      method: 'POST',
      headers: { authorization: `Bearer ${clientToken}`, 'content-type': 'application/json' },
      body: '{"botId":"a","spec":{"env":"canary-secret"}}',
    });
    expect([response.status, await response.text()]).toEqual([400, expect.not.stringContaining('canary')]);
  });
});

describe('a request whose head does not come to its end', () => {
  it('is given up, whether it is the first of its connection or not', async () => {
    const [first, second] = await halfHeads;
    expect(first).toMatch(/^HTTP\/1\.1 408 /);
    expect(second).toMatch(/^HTTP\/1\.1 200 .*HTTP\/1\.1 408 /s);
  }, 60_000);
});

/** What is answered to the bytes by the time the other side has closed the connection. */
function untilClosed(bytes: string): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  let text = '';
  net
    .connect(orchestrator.port, '127.0.0.1', function (this: net.Socket) {
      this.write(bytes);
    })
    .on('data', (data) => {
      text += data.toString('latin1');
    })
    .on('close', () => resolve(text))
    .on('error', reject);
  return promise;
}
