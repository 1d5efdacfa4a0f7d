/** SubmitJobs in every form a request can have: its messages are read past the protocol library (ADR 0041). */
import { once } from 'node:events';
import http2 from 'node:http2';
import { buffer } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import { create, toBinary } from '@bufbuild/protobuf';
import { Code, ConnectError, createClient } from '@connectrpc/connect';
import {
  compressionGzip,
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from '@connectrpc/connect-node';
import { pack } from 'tar-stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ErrorDetailSchema } from '#gen/botrunner/v1/error_pb.js';
import { JobService, SubmitJobsRequestSchema } from '#gen/botrunner/v1/job_service_pb.js';
import { clientToken, startTestOrchestrator, type TestOrchestrator } from '../kit/orchestrator-for-tests.ts';
import { bearer } from '../kit/typed-calls.ts';

let orchestrator: TestOrchestrator;
beforeAll(async () => {
  orchestrator = await startTestOrchestrator();
});
afterAll(() => orchestrator[Symbol.asyncDispose]());

const forms = [true, false].flatMap((useBinaryFormat) => [
  { useBinaryFormat },
  { useBinaryFormat, sendCompression: compressionGzip },
]);
const makers = { gRPC: createGrpcTransport, 'gRPC-Web': createGrpcWebTransport, Connect: createConnectTransport };
const transports = Object.entries(makers).flatMap(([name, make]) =>
  forms.map((form: { useBinaryFormat: boolean; sendCompression?: typeof compressionGzip }) => ({
    name: `${name}, ${form.useBinaryFormat ? 'protobuf' : 'JSON'}${form.sendCompression ? ', gzip' : ''}`,
    transport: () =>
      make({
        baseUrl: orchestrator.url,
        httpVersion: '2',
        ...form,
        compressMinBytes: 100,
        interceptors: [bearer(clientToken)],
      }),
  })),
);

async function* requests(count: number) {
  for (let n = 0; n < count; n++) {
    yield { number: BigInt(n), blueprint: 'bot_runner', data: { action: 'list', note: 'x'.repeat(n * 20) } };
  }
}

describe.each(transports)('over $name', ({ transport }) => {
  it('answers each request', async () => {
    const numbers = [];
    for await (const { number, outcome } of createClient(JobService, transport()).submitJobs(requests(30))) {
      expect(outcome.case).toBe('jobId');
      numbers.push(number);
    }
    expect(numbers).toEqual(Array.from({ length: 30 }, (_, n) => BigInt(n)));
  });

  it('refuses a message that is too large, with what it may have', async () => {
    async function* large() {
      // Little of it, when it is compressed.
      yield { number: 1n, data: { action: 'list', note: 'x'.repeat(300 * 1024) } };
    }
    const answers = createClient(JobService, transport()).submitJobs(large());
    const error = await answers[Symbol.asyncIterator]().next().catch(ConnectError.from);
    if (!(error instanceof ConnectError)) throw new Error('it was taken');
    expect(error.code).toBe(Code.ResourceExhausted);
    expect(error.findDetails(ErrorDetailSchema)).toMatchObject([{ code: 'PAYLOAD_TOO_LARGE' }]);
    expect(error.message).toContain('256 KiB');
  });
});

/** What a call over bare HTTP/2 ends with, and what it was answered with. */
async function bare(pieces: readonly Uint8Array[], headers: Record<string, string> = {}) {
  const session = http2.connect(orchestrator.url);
  const stream = session.request({
    ':method': 'POST',
    ':path': '/botrunner.v1.JobService/SubmitJobs',
    'content-type': 'application/grpc',
    te: 'trailers',
    authorization: `Bearer ${clientToken}`,
    ...headers,
  });
  let status: string | undefined;
  let bytes = 0;
  const note = (header: http2.IncomingHttpHeaders) => {
    if (header['grpc-status'] !== undefined) status = String(header['grpc-status']);
  };
  stream.on('response', note).on('trailers', note);
  stream.on('data', (data: Buffer) => {
    bytes += data.length;
  });
  for (const piece of pieces) {
    stream.write(piece);
    // Each in a frame of its own.
    await new Promise(setImmediate);
  }
  stream.end();
  await once(stream, 'close');
  session.close();
  return { status, answered: bytes > 0 };
}

function frameOf(body: Uint8Array, flags = 0): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt8(flags);
  head.writeUInt32BE(body.length, 1);
  return Buffer.concat([head, body]);
}
const listing = toBinary(
  SubmitJobsRequestSchema,
  create(SubmitJobsRequestSchema, { number: 7n, blueprint: 'bot_runner', data: { action: 'list' } }),
);
const [ok, invalid, unimplemented] = ['0', '3', '12'];

it('takes a stop after the start before it, also when one in between was refused', async () => {
  const content = Array.from({ length: 30_000 }, (_, n) => `# ${n} of the lines of a file that is long`).join('\n');
  const archive = async (...names: string[]) => {
    const tar = pack();
    for (const name of names) tar.entry({ name }, content);
    tar.finalize();
    return gzipSync(await buffer(tar)).toString('base64');
  };
  // The reading of this one takes a while; that of the next is over soon.
  const [large, bad] = [await archive('bot.py', 'Dockerfile'), await archive()];
  const start = { action: 'start', bot_id: 'in-turn', deployment_mode: 'custom' };
  const refused = Promise.withResolvers<void>();
  async function* requests() {
    yield { number: 1n, blueprint: 'bot_runner', data: { ...start, archive: large } };
    yield { number: 2n, blueprint: 'bot_runner', data: { ...start, archive: bad } };
    await refused.promise;
    yield { number: 3n, blueprint: 'bot_runner', data: { action: 'stop', bot_id: 'in-turn' } };
  }
  const transport = createGrpcTransport({ baseUrl: orchestrator.url, interceptors: [bearer(clientToken)] });
  const outcomes = new Map<bigint, string | undefined>();
  for await (const { number, outcome } of createClient(JobService, transport).submitJobs(requests())) {
    outcomes.set(number, outcome.case);
    if (number === 2n) refused.resolve();
  }
  expect([...outcomes]).toEqual([
    [2n, 'refused'],
    [1n, 'jobId'],
    [3n, 'jobId'],
  ]);
});

describe('over bare HTTP/2', () => {
  it('takes a message in pieces of one byte, and many in one piece', async () => {
    const whole = Buffer.concat([frameOf(listing), frameOf(listing)]);
    expect(await bare([...whole].map((byte) => Buffer.from([byte])))).toEqual({ status: ok, answered: true });
    expect(await bare([whole])).toEqual({ status: ok, answered: true });
    expect(await bare([])).toEqual({ status: ok, answered: false });
  });

  it('refuses what is cut short, and what it cannot read', async () => {
    expect(await bare([frameOf(listing).subarray(0, -1)])).toEqual({ status: invalid, answered: false });
    expect(await bare([frameOf(Buffer.from([0xff, 0xff]))])).toEqual({ status: invalid, answered: false });
    expect(await bare([frameOf(listing, 1)])).toEqual({ status: invalid, answered: false });
    // Not dropped: its sender would wait for an answer.
    for (const flags of [2, 0x80])
      expect(await bare([frameOf(listing, flags)])).toEqual({ status: invalid, answered: false });
    const deep = { action: 'list', deep: JSON.parse('['.repeat(200) + ']'.repeat(200)) };
    const message = create(SubmitJobsRequestSchema, { number: 1n, data: deep });
    expect(await bare([frameOf(toBinary(SubmitJobsRequestSchema, message))])).toEqual({
      status: invalid,
      answered: false,
    });
  });

  it('refuses a head that is wrong, before it reads any message', async () => {
    const zipped = { 'grpc-encoding': 'zstd' };
    expect(await bare([frameOf(listing)], zipped)).toEqual({ status: unimplemented, answered: false });
    const soon = { 'grpc-timeout': 'soon' };
    expect(await bare([frameOf(listing)], soon)).toEqual({ status: invalid, answered: false });
  });
});
