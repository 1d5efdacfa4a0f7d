/**
 * How much of a request is read before it is refused, counted at the orchestrator's own sockets when the answer begins: for every
 * protocol, whatever is sent and however it is framed.
 */
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { countBytesAtAnswers, overHttp2 } from '../kit/bytes-at-answer.ts';
import { clientToken, startTestOrchestrator, type TestOrchestrator } from '../kit/orchestrator-for-tests.ts';
import { rawRequest } from '../kit/raw-request.ts';

const kib = 1024;
const offered = kib * kib;

let orchestrator: TestOrchestrator;
const { counts, [Symbol.dispose]: restore } = countBytesAtAnswers();
beforeAll(async () => {
  orchestrator = await startTestOrchestrator();
});
afterAll(async () => {
  restore();
  await orchestrator[Symbol.asyncDispose]();
});

function framed(message: Buffer): Buffer<ArrayBuffer> {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

/** Nested protobuf messages; the outermost claims to be longer than what is sent. */
const nestedProtobuf = Buffer.from(Array.from({ length: 16 * kib }, () => [0x12, 0xff, 0xff, 0x7f]).flat());
const bodies: readonly (readonly [string, Buffer<ArrayBuffer>])[] = [
  ['nested JSON', Buffer.from('{"x":['.repeat(10 * kib))],
  ['many values of JSON', Buffer.from('0,'.repeat(32 * kib))],
  ['a frame of nested protobuf', framed(nestedProtobuf)],
  ['gzip', gzipSync(Buffer.alloc(16 * kib * kib))],
];
const calls: readonly (readonly [string, string])[] = [
  ...['application/json', 'application/proto', 'application/connect+json', 'application/grpc-web+proto'].flatMap(
    (type) => [
      ['/botrunner.v1.JobService/CreateJob', type] as const,
      ['/botrunner.v1.JobService/SubmitJobs', type] as const,
      ['/botrunner.v1.ArtifactService/UploadArtifact', type] as const,
      ['/botrunner.v1.WorkerService/Join', type] as const,
      ['/grpc.health.v1.Health/Check', type] as const,
    ],
  ),
  ['/botrunner.v1.JobService/NoSuchCall', 'application/json'],
  ['/jobs', 'application/json'],
  ['/api/jobs/bot_runner', 'application/json'],
  ['/workers/register', 'application/json'],
  ['/health', 'application/json'],
  ['/nowhere', 'text/plain'],
];
const gzipHeaders = Object.fromEntries(
  ['content-encoding', 'connect-content-encoding', 'grpc-encoding'].map((name) => [name, 'gzip']),
);

const within =
  (limit: number) =>
  (counted: readonly unknown[]): boolean =>
    Number(counted.at(-1)) <= limit;

/** Over HTTP/1.1, by length and in chunks. */
async function sendOverHttp1(path: string, headers: Readonly<Record<string, string>>, piece: Buffer<ArrayBuffer>) {
  const chunk = Buffer.concat([Buffer.from(`${piece.length.toString(16)}\r\n`), piece, Buffer.from('\r\n')]);
  const texts: string[] = [];
  for (const [framing, sent] of [
    [`content-length: ${16 * offered}`, piece],
    ['transfer-encoding: chunked', chunk],
  ] as const) {
    const fields = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
    const head = [`POST ${path} HTTP/1.1`, 'host: localhost', ...fields, framing, '', ''].join('\r\n');
    texts.push((await rawRequest(orchestrator.port, head, { bodyBytes: offered, piece: sent })).text);
  }
  return texts;
}

describe.each(bodies)('hostile 5: of %s without a token', (title, piece) => {
  const gzipped = title === 'gzip' ? gzipHeaders : {};

  it('at most 64 KiB, over HTTP/1.1', async () => {
    for (const [path, type] of calls) {
      for (const text of await sendOverHttp1(path, { 'content-type': type, ...gzipped }, piece)) {
        expect(text, path).toMatch(/^HTTP\/1\.1 [24]\d\d/);
        expect([path, type, text.length, counts.pop()]).toSatisfy(within(64 * kib));
      }
    }
  });

  it('at most 64 KiB, over HTTP/2', async () => {
    for (const [path, type] of [...calls, ['/botrunner.v1.WorkerService/Session', 'application/grpc'] as const]) {
      await overHttp2(orchestrator.url, path, { 'content-type': type, ...gzipped }, piece);
      expect([path, type, counts.pop()]).toSatisfy(within(64 * kib));
    }
    expect(counts).toEqual([]);
  });
});

describe('with a token, what holds too much is refused while it comes', () => {
  const authorization = `Bearer ${clientToken}`;
  const lists = Buffer.from('[[],'.repeat(16 * kib));
  // A Struct (field 2 of CreateJob) whose fields (1) are entries without end.
  const values = Buffer.concat([
    Buffer.from([0x12, 0xff, 0xff, 0xff, 0x07]),
    Buffer.from(Array.from({ length: 20 * kib }, () => [0x0a, 0x00]).flat()),
  ]);
  const frame = Buffer.concat([Buffer.from([0, 0, 0xff, 0xff, 0xff]), values]);

  it.each<[string, string, Buffer<ArrayBuffer>]>([
    ['/jobs', 'application/json', lists],
    ['/botrunner.v1.JobService/CreateJob', 'application/json', lists],
    ['/botrunner.v1.JobService/CreateJob', 'application/proto', values],
    ['/botrunner.v1.JobService/CreateJob', 'application/grpc-web+proto', frame],
    ['/botrunner.v1.JobService/CreateJob', 'application/grpc', frame],
  ])('%s as %s', async (path, type, piece) => {
    counts.length = 0;
    const headers = { authorization, 'content-type': type };
    if (type !== 'application/grpc') {
      for (const text of await sendOverHttp1(path, headers, piece)) {
        expect(text).toMatch(/^HTTP\/1\.1 (?:400|200)/);
        expect(text).toMatch(/MALFORMED_REQUEST|grpc-web/);
      }
    }
    await overHttp2(orchestrator.url, path, headers, piece);
    expect(counts.length).toBeGreaterThan(0);
    expect(counts).toSatisfy((all: readonly number[]) => all.every((count) => count <= 512 * kib));
  });
});
