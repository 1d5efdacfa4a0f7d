/**
 * How a stream ends that did not come to its end: never as if it had. Each streaming call, over each protocol, cut by its
 * deadline, by the end of the orchestrator and by the end of its token.
 */
import { Code, ConnectError, createClient, type Transport } from '@connectrpc/connect';
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from '@connectrpc/connect-node';
import { Client, credentials, Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AdminService, TokenScope } from '#gen/botrunner/v1/admin_service_pb.js';
import { ArtifactService } from '#gen/botrunner/v1/artifact_service_pb.js';
import { BotService } from '#gen/botrunner/v1/bot_service_pb.js';
import { ErrorDetailSchema } from '#gen/botrunner/v1/error_pb.js';
import { JobService } from '#gen/botrunner/v1/job_service_pb.js';
import { WorkerService } from '#gen/botrunner/v1/worker_service_pb.js';
import { Health } from '#gen/grpc/health/v1/health_pb.js';
import { ServerReflection } from '#gen/grpc/reflection/v1/reflection_pb.js';
import { eventually } from '../kit/eventually.ts';
import { clientToken, startTestOrchestrator, type TestOrchestrator } from '../kit/orchestrator-for-tests.ts';
import {
  connectScriptedWorker,
  credentialOf,
  joinScriptedWorker,
  type ScriptedWorker,
} from '../kit/scripted-worker.ts';
import { bearer } from '../kit/typed-calls.ts';

let orchestrator: TestOrchestrator;
let worker: ScriptedWorker;
let jobId = '';

async function prepare(): Promise<void> {
  orchestrator = await startTestOrchestrator();
  worker = await connectScriptedWorker(orchestrator.address);
  await worker.take('welcome');
  worker.onMessage(({ body }) => {
    if (body.case !== 'openTail') return;
    const { tailId, follow } = body.value;
    const end = follow ? {} : { end: { cursor: '0000000000000000-1', newestCursor: '0000000000000000-1' } };
    worker.tail([{ tailId, entries: [{ cursor: '0000000000000000-1', text: 'x' }], ...end }], { keepOpen: follow });
  });
  await orchestrator.post({ action: 'start', bot_id: 'kept', deployment_mode: 'simple', code: 'print(1)' });
  worker.succeed(await worker.take('ensure'));
  // Never reported on: its job stays open.
  const { body } = await orchestrator.post({
    action: 'start',
    bot_id: 'open',
    deployment_mode: 'simple',
    code: 'print(2)',
  });
  jobId = body.job_id;
  await joinScriptedWorker(orchestrator.address, 'other');
}

beforeAll(prepare);
afterAll(async () => {
  worker.close();
  await orchestrator[Symbol.asyncDispose]();
});

interface Options {
  readonly timeoutMs?: number;
  readonly headers?: Record<string, string>;
}

/** Nothing, forever: a caller that has opened its stream and falls silent. */
async function* silence(): AsyncGenerator<never> {
  await new Promise(() => undefined);
}

type Stream = (transport: Transport, options: Options) => AsyncIterable<unknown> | Promise<unknown>;
const serverStreams: readonly (readonly [string, Stream])[] = [
  ['WatchBots', (transport, options) => createClient(BotService, transport).watchBots({}, options)],
  ['WatchJob', (transport, options) => createClient(JobService, transport).watchJob({ jobId }, options)],
  [
    'StreamLogs',
    (transport, options) =>
      createClient(BotService, transport).streamLogs({ botId: 'kept', lines: 1, follow: true }, options),
  ],
  ['Health.Watch', (transport, options) => createClient(Health, transport).watch({}, options)],
];
const otherStreams: readonly (readonly [string, string, Stream])[] = [
  [
    'UploadArtifact',
    clientToken,
    (transport, options) => createClient(ArtifactService, transport).uploadArtifact(silence(), options),
  ],
  [
    'SubmitJobs',
    clientToken,
    (transport, options) => createClient(JobService, transport).submitJobs(silence(), options),
  ],
  [
    'ServerReflectionInfo',
    clientToken,
    (transport, options) => createClient(ServerReflection, transport).serverReflectionInfo(silence(), options),
  ],
  [
    'Session',
    credentialOf('other'),
    (transport, options) => createClient(WorkerService, transport).session(silence(), options),
  ],
  [
    'TailLogs',
    credentialOf('other'),
    (transport, options) => createClient(WorkerService, transport).tailLogs(silence(), options),
  ],
];

const transports: readonly (readonly [string, (token?: string) => Transport])[] = [
  ['gRPC', (token = clientToken) => createGrpcTransport({ baseUrl: orchestrator.url, interceptors: [bearer(token)] })],
  [
    'gRPC-Web',
    (token = clientToken) =>
      createGrpcWebTransport({ baseUrl: orchestrator.url, httpVersion: '1.1', interceptors: [bearer(token)] }),
  ],
  [
    'Connect over HTTP/1.1',
    (token = clientToken) =>
      createConnectTransport({ baseUrl: orchestrator.url, httpVersion: '1.1', interceptors: [bearer(token)] }),
  ],
  [
    'Connect over HTTP/2',
    (token = clientToken) =>
      createConnectTransport({ baseUrl: orchestrator.url, httpVersion: '2', interceptors: [bearer(token)] }),
  ],
];

/** How it ended: the code of the error, and of its detail when the orchestrator sent it; "complete" if without an error. */
async function ending(stream: ReturnType<Stream>): Promise<readonly (string | undefined)[]> {
  try {
    if (stream instanceof Promise) await stream;
    else for await (const _ of stream);
    return ['complete'];
  } catch (error) {
    if (!(error instanceof ConnectError)) throw error;
    return [Code[error.code], error.findDetails(ErrorDetailSchema)[0]?.code];
  }
}

/** The deadline as sent to the server, and no timer of the client's own: what is seen is the server's answer. */
const told = (protocol: string, ms: number): Options => ({
  headers: protocol.startsWith('gRPC') ? { 'grpc-timeout': `${ms}m` } : { 'connect-timeout-ms': `${ms}` },
});

describe.each(transports)('over %s', (protocol, transport) => {
  it.each(serverStreams)('%s ends with deadline_exceeded', async (_name, open) => {
    expect(await ending(open(transport(), told(protocol, 200)))).toEqual(['DeadlineExceeded', 'DEADLINE_EXCEEDED']);
    // With the client's own timer it may be either that ends it.
    expect((await ending(open(transport(), { timeoutMs: 200 })))[0]).toBe('DeadlineExceeded');
  });

  it('a deadline that is far beyond any timer is none', async () => {
    const iterator = createClient(BotService, transport())
      .watchBots(
        {},
        {
          headers: protocol.startsWith('gRPC')
            ? { 'grpc-timeout': '99999999H' }
            : { 'connect-timeout-ms': '9999999999' },
        },
      )
      [Symbol.asyncIterator]();
    expect((await iterator.next()).done).toBe(false);
    const second = await Promise.race([
      iterator.next(),
      new Promise((resolve) => setTimeout(resolve, 300, 'still open')),
    ]);
    expect(second).toBe('still open');
  });
});

it.each(otherStreams)('%s, whose caller says nothing, ends with deadline_exceeded', async (_name, token, open) => {
  const [, transport] = transports[0] ?? [];
  expect(await ending(open((transport as (token: string) => Transport)(token), told('gRPC', 200)))).toEqual([
    'DeadlineExceeded',
    'DEADLINE_EXCEEDED',
  ]);
});

it('60 streams of a stock client end with DEADLINE_EXCEEDED, all of them', async () => {
  const client = new Client(orchestrator.address, credentials.createInsecure());
  const metadata = new Metadata();
  metadata.set('authorization', `Bearer ${clientToken}`);
  const codes = await Promise.all(
    Array.from(
      { length: 60 },
      () =>
        new Promise<number>((resolve) => {
          const same = (bytes: Buffer) => bytes;
          const path = '/botrunner.v1.BotService/WatchBots';
          const call = client.makeServerStreamRequest(path, same, same, Buffer.alloc(0), metadata, {
            deadline: Date.now() + 250,
          });
          call.on('data', () => undefined);
          call.on('error', (error: ServiceError) => resolve(error.code));
          call.on('end', () => setImmediate(resolve, status.OK));
        }),
    ),
  );
  client.close();
  expect(new Set(codes)).toEqual(new Set([status.DEADLINE_EXCEEDED]));
});

it('the end frame of Connect has the code', async () => {
  const message = Buffer.from(JSON.stringify({ botId: 'kept', follow: true, lines: 1 }));
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  const response = await fetch(`${orchestrator.url}/botrunner.v1.BotService/StreamLogs`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${clientToken}`,
      'content-type': 'application/connect+json',
      'connect-protocol-version': '1',
      'connect-timeout-ms': '300',
    },
    body: Buffer.concat([head, message]),
  });
  const bytes = Buffer.from(await response.arrayBuffer());
  const at = bytes.lastIndexOf(Buffer.from('{"error"'));
  expect(bytes[at - 5]).toBe(2);
  expect(JSON.parse(bytes.toString('utf8', at))).toMatchObject({ error: { code: 'deadline_exceeded' } });
});

it.each(serverStreams.slice(0, 3))(
  'hostile 4: %s ends with unauthenticated when its token is revoked',
  async (name, open) => {
    const admin = createClient(
      AdminService,
      createGrpcTransport({ baseUrl: orchestrator.url, interceptors: [bearer('test-admin-token')] }),
    );
    const named = { userId: 'dev', name: `for-${name}` };
    const { value } = await admin.createToken({ ...named, scope: TokenScope.CLIENT });
    const [, transport] = transports[0] ?? [];
    const iterator = (open((transport as (token: string) => Transport)(value), {}) as AsyncIterable<unknown>)[
      Symbol.asyncIterator
    ]();
    await iterator.next();
    const rest = ending(
      (async () => {
        while (!(await iterator.next()).done);
      })(),
    );
    await admin.revokeToken(named);
    expect(await rest).toEqual(['Unauthenticated', 'UNAUTHENTICATED']);
  },
);

it('ends every stream with unavailable when the orchestrator stops, and says NOT_SERVING before', async () => {
  const statuses: number[] = [];
  const health = (async () => {
    const [, grpc] = transports[0] ?? [];
    for await (const { status } of createClient(Health, (grpc as () => Transport)()).watch({})) statuses.push(status);
  })();
  const open = transports.flatMap(([, transport]) =>
    serverStreams.map(([, stream]) => stream(transport(), {}) as AsyncIterable<unknown>),
  );
  const iterators = open.map((stream) => stream[Symbol.asyncIterator]());
  await Promise.all(iterators.map((iterator) => iterator.next()));
  await eventually(
    'the health is reported',
    () => statuses.length,
    (length) => length > 0,
  );
  const rest = [
    health,
    ...iterators.map(async (iterator) => {
      while (!(await iterator.next()).done);
    }),
  ].map(ending);
  await orchestrator.restart();
  for (const each of await Promise.all(rest)) expect(each).toEqual(['Unavailable', 'UNAVAILABLE']);
  expect(statuses).toEqual([1, 2]);
});
