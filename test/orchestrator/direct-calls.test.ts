/** Plain gRPC calls with one request bypass the library, unless they have a deadline; either way the answers are the same. */
import http2 from 'node:http2';
import { create, toBinary } from '@bufbuild/protobuf';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { WatchBotsRequestSchema } from '#gen/botrunner/v1/bot_service_pb.js';
import { JoinRequestSchema } from '#gen/botrunner/v1/worker_service_pb.js';
import {
  clientToken,
  startTestOrchestrator,
  type TestOrchestrator,
  workerToken,
} from '../kit/orchestrator-for-tests.ts';

let orchestrator: TestOrchestrator;
let session: http2.ClientHttp2Session;
beforeAll(async () => {
  orchestrator = await startTestOrchestrator();
  session = http2.connect(orchestrator.url);
});
afterAll(async () => {
  session.destroy();
  await orchestrator[Symbol.asyncDispose]();
});

interface Call {
  readonly method: string;
  readonly token: string;
  readonly body: Uint8Array;
}

/** The frames of an answer, and its end, without what differs each time. */
async function ask({ method, token, body }: Call, headers: http2.OutgoingHttpHeaders) {
  const stream = session.request({
    ':method': 'POST',
    ':path': `/botrunner.v1.${method}`,
    'content-type': 'application/grpc',
    te: 'trailers',
    authorization: `Bearer ${token}`,
    ...headers,
  });
  const ends: http2.IncomingHttpHeaders = {};
  let type: string | undefined;
  stream.on('response', (head) => {
    type = head['content-type'];
    Object.assign(ends, head);
  });
  stream.on('trailers', (trailers) => Object.assign(ends, trailers));
  const chunks: Buffer[] = [];
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  stream.end(body);
  await new Promise<void>((resolve, reject) => {
    stream.once('close', resolve);
    stream.once('error', reject);
  });
  // A google.rpc.Status, in which the code of ours stands as text.
  const details = Buffer.from(String(ends['grpc-status-details-bin'] ?? ''), 'base64').toString('latin1');
  return { body: Buffer.concat(chunks), type, status: ends['grpc-status'], message: ends['grpc-message'], details };
}

const frame = (message: Uint8Array, flags = 0): Buffer => {
  const head = Buffer.alloc(5);
  head.writeUInt8(flags, 0);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
};
const join = (workerId: string) =>
  frame(toBinary(JoinRequestSchema, create(JoinRequestSchema, { workerId, credentialSha256: 'a'.repeat(64) })));
const watch = (last: number) =>
  frame(toBinary(WatchBotsRequestSchema, create(WatchBotsRequestSchema, { untilNow: true, last })));
const [joining, watching] = ['WorkerService/Join', 'BotService/WatchBots'];

it.each([
  ['a worker joins', { method: joining, token: workerToken, body: join('w') }, '0', undefined],
  ['a bad id', { method: joining, token: workerToken, body: join('w w') }, '3', 'INVALID_WORKER'],
  ['a token of another kind', { method: joining, token: clientToken, body: join('w') }, '7', 'PERMISSION_DENIED'],
  ['an unknown token', { method: joining, token: 'unknown', body: join('w') }, '16', 'UNAUTHENTICATED'],
  ['no message', { method: joining, token: workerToken, body: Buffer.alloc(0) }, '12', 'MALFORMED_REQUEST'],
  [
    'two messages',
    { method: joining, token: workerToken, body: Buffer.concat([join('w'), join('w')]) },
    '12',
    'MALFORMED_REQUEST',
  ],
  [
    'a message that is cut short',
    { method: joining, token: workerToken, body: join('w').subarray(0, 9) },
    '3',
    'MALFORMED_REQUEST',
  ],
  [
    'a message that cannot be decoded',
    { method: joining, token: workerToken, body: frame(Buffer.from([0x0a, 0x7f])) },
    '3',
    'MALFORMED_REQUEST',
  ],
  [
    'a message that says it is compressed',
    { method: joining, token: workerToken, body: frame(Buffer.from([1]), 1) },
    '3',
    'MALFORMED_REQUEST',
  ],
  [
    'a message that is too large',
    { method: watching, token: clientToken, body: frame(Buffer.alloc(300 * 1024)) },
    '8',
    'PAYLOAD_TOO_LARGE',
  ],
  ['what is there now', { method: watching, token: clientToken, body: watch(0) }, '0', undefined],
  ['a bad number', { method: watching, token: clientToken, body: watch(-1) }, '3', 'INVALID_LINES'],
  [
    'no message for a stream',
    { method: watching, token: clientToken, body: Buffer.alloc(0) },
    '12',
    'MALFORMED_REQUEST',
  ],
] as const)('%s', async (_what, call, status, code) => {
  const direct = await ask(call, {});
  expect(direct).toMatchObject({ status, details: code === undefined ? '' : expect.stringContaining(code) });
  expect(direct).toEqual(await ask(call, { 'grpc-timeout': '60S' }));
});
