/** How much a request may hold, over every protocol, and how much of it is read before its token is known. */
import { gzipSync } from 'node:zlib';
import { createClient, type Transport } from '@connectrpc/connect';
import {
  compressionGzip,
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from '@connectrpc/connect-node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AdminService, TokenScope } from '#gen/botrunner/v1/admin_service_pb.js';
import { BotService } from '#gen/botrunner/v1/bot_service_pb.js';
import { JobService } from '#gen/botrunner/v1/job_service_pb.js';
import {
  clientToken,
  startTestOrchestrator,
  type TestOrchestrator,
  workerToken,
} from '../kit/orchestrator-for-tests.ts';
import { rawRequest } from '../kit/raw-request.ts';
import { bearer, refusalOf } from '../kit/typed-calls.ts';

let orchestrator: TestOrchestrator;
beforeAll(async () => {
  orchestrator = await startTestOrchestrator();
});
afterAll(() => orchestrator[Symbol.asyncDispose]());

const mib = 1024 * 1024;

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
    const head = `POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: ${type}\r\nContent-Length: ${16 * mib}\r\n\r\n`;
    const before = process.memoryUsage().rss;
    const { text, bodyBytesSent } = await rawRequest(orchestrator.port, head, { bodyBytes: 16 * mib });
    expect(text).toMatch(/^HTTP\/1\.1 (401|415)|grpc-status: 16|"code":"unauthenticated"|^HTTP\/1\.1 200/);
    expect(text).not.toMatch(/grpc-status: 0/);
    // What fits in the buffers of two sockets, whatever the size of the body.
    expect(bodyBytesSent).toBeLessThan(12 * mib);
    expect(process.memoryUsage().rss - before).toBeLessThan(64 * mib);
  });

  it('is not even asked for when it is announced', async () => {
    const head = `POST /jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\nExpect: 100-continue\r\n\r\n`;
    expect((await rawRequest(orchestrator.port, head)).status).toBe(401);
    const known = head.replace('Expect', `Authorization: Bearer ${clientToken}\r\nExpect`);
    expect((await rawRequest(orchestrator.port, known)).status).toBe(100);
  });
});

/** A token of a user of its own: what large requests one user may send in a time is another matter, and tested elsewhere. */
async function newUser(userId: string): Promise<string> {
  const transport = createGrpcTransport({ baseUrl: orchestrator.url, interceptors: [bearer('test-admin-token')] });
  const admin = createClient(AdminService, transport);
  return (await admin.createToken({ userId, name: 'laptop', scope: TokenScope.CLIENT })).value;
}

// Else Node's own client takes no answer while it has more than 10 MB left to send.
const nodeOptions = { maxSessionMemory: 100 };
const transports: readonly (readonly [string, (token: string) => Transport])[] = [
  [
    'Connect with JSON',
    (token) =>
      createConnectTransport({
        baseUrl: orchestrator.url,
        httpVersion: '1.1',
        interceptors: [bearer(token)],
        useBinaryFormat: false,
      }),
  ],
  [
    'Connect',
    (token) => createConnectTransport({ baseUrl: orchestrator.url, httpVersion: '2', interceptors: [bearer(token)] }),
  ],
  ['gRPC', (token) => createGrpcTransport({ baseUrl: orchestrator.url, interceptors: [bearer(token)], nodeOptions })],
  [
    'gRPC-Web',
    (token) => createGrpcWebTransport({ baseUrl: orchestrator.url, httpVersion: '1.1', interceptors: [bearer(token)] }),
  ],
  [
    'gRPC with gzip',
    (token) =>
      createGrpcTransport({
        baseUrl: orchestrator.url,
        interceptors: [bearer(token)],
        sendCompression: compressionGzip,
        compressMinBytes: 0,
      }),
  ],
];

describe.each(transports)('what a call may hold, over %s', (title, transportOf) => {
  let transport: () => Transport;
  beforeAll(async () => {
    const token = await newUser(title.toLowerCase().replaceAll(' ', '-'));
    transport = () => transportOf(token);
  });

  it('is 256 KiB for one that carries no source', async () => {
    const bots = createClient(BotService, transport());
    const tooLarge = ['ResourceExhausted', 'PAYLOAD_TOO_LARGE'];
    expect(await refusalOf(bots.getBot({ botId: 'x'.repeat(257 * 1024) }))).toEqual(tooLarge);
    expect(await refusalOf(bots.getBot({ botId: 'x'.repeat(200 * 1024) }))).toEqual([
      'InvalidArgument',
      'INVALID_BOT_ID',
    ]);
    const stream = bots.streamLogs({ botId: 'x'.repeat(257 * 1024) })[Symbol.asyncIterator]();
    expect(await refusalOf(stream.next())).toEqual(tooLarge);
  });

  it('is 16 MiB for one that carries a source', async () => {
    const jobs = createClient(JobService, transport());
    const job = (length: number) => jobs.createJob({ blueprint: 'bot_runner', data: { action: 'x'.repeat(length) } });
    expect(await refusalOf(job(15 * mib))).toEqual(['InvalidArgument', 'INVALID_ACTION']);
    expect(await refusalOf(job(17 * mib))).toEqual(['ResourceExhausted', 'PAYLOAD_TOO_LARGE']);
  });

  it('hostile 12: is 10,000 values, 64 levels deep', async () => {
    const jobs = createClient(JobService, transport());
    const malformed = ['InvalidArgument', 'MALFORMED_REQUEST'];
    const list = Array.from({ length: 10_000 }, () => []);
    expect(await refusalOf(jobs.createJob({ blueprint: 'bot_runner', data: { x: list } }))).toEqual(malformed);
    const deep = JSON.parse(`${'{"x":'.repeat(65)}0${'}'.repeat(65)}`);
    expect(await refusalOf(jobs.createJob({ blueprint: 'bot_runner', data: deep }))).toEqual(malformed);
    const fine = JSON.parse(`${'{"x":'.repeat(62)}0${'}'.repeat(62)}`);
    expect(await refusalOf(jobs.createJob({ blueprint: 'bot_runner', data: fine }))).toEqual([
      'InvalidArgument',
      'MISSING_REQUIRED_FIELD',
    ]);
    const env = Object.fromEntries(Array.from({ length: 10_000 }, (_, n) => [`A${n}`, '']));
    expect(await refusalOf(createClient(BotService, transport()).startBot({ botId: 'a', spec: { env } }))).toEqual(
      malformed,
    );
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
    const headers = { authorization: `Bearer ${await newUser('rest')}` };
    expect((await orchestrator.post(text, headers)).body.error.code).toBe('MALFORMED_REQUEST');
    expect(process.memoryUsage().rss - before).toBeLessThan(256 * mib);
  });
});

describe('gzip', () => {
  beforeAll(() => orchestrator.restart());

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
