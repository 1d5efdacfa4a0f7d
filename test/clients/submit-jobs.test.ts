/** JobService.SubmitJobs as foreign clients call it: many jobs on one stream, answered by number, refusals among them. */
import { execFile } from 'node:child_process';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { create, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { Client, type ClientDuplexStream, credentials, Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type SubmitJobsRequest,
  SubmitJobsRequestSchema,
  type SubmitJobsResponse,
  SubmitJobsResponseSchema,
} from '#gen/botrunner/v1/job_service_pb.js';
import { startTestOrchestrator, type TestOrchestrator } from '../kit/orchestrator-for-tests.ts';
import { connectScriptedWorker, type ScriptedWorker } from '../kit/scripted-worker.ts';
import { clientPackages } from './readme-client.ts';

let orchestrator: TestOrchestrator;
let worker: ScriptedWorker;
let client: Client;

beforeAll(async () => {
  orchestrator = await startTestOrchestrator();
  worker = await connectScriptedWorker(orchestrator.address);
  await worker.take('welcome');
  client = new Client(orchestrator.address, credentials.createInsecure());
});
afterAll(async () => {
  client.close();
  worker.close();
  await orchestrator[Symbol.asyncDispose]();
});

type Stream = ClientDuplexStream<SubmitJobsRequest, SubmitJobsResponse>;

function open(token = 'test-client-token', options = {}): Stream {
  const metadata = new Metadata();
  metadata.set('authorization', `Bearer ${token}`);
  return client.makeBidiStreamRequest(
    '/botrunner.v1.JobService/SubmitJobs',
    (message: SubmitJobsRequest) => Buffer.from(toBinary(SubmitJobsRequestSchema, message)),
    (bytes) => fromBinary(SubmitJobsResponseSchema, bytes),
    metadata,
    options,
  );
}

const send = (stream: Stream, request: MessageInitShape<typeof SubmitJobsRequestSchema>) =>
  stream.write(create(SubmitJobsRequestSchema, { blueprint: 'bot_runner', ...request }));

/** All answers, and the status of the end. */
function toEnd(stream: Stream): Promise<{ answers: SubmitJobsResponse[]; code: number; details: string }> {
  const answers: SubmitJobsResponse[] = [];
  stream.on('data', (answer: SubmitJobsResponse) => answers.push(answer));
  stream.on('error', () => undefined); // its status comes too
  return new Promise((resolve) =>
    stream.on('status', ({ code, details }: ServiceError) => resolve({ answers, code, details })),
  );
}

const list = { action: 'list' };

describe('SubmitJobs', () => {
  it('answers each request by its number, and one that is refused ends nothing', async () => {
    const stream = open();
    const ended = toEnd(stream);
    send(stream, { number: 1n, data: list });
    send(stream, { number: 2n, data: { action: 'restart', bot_id: 'nobody' } });
    send(stream, { number: 3n, blueprint: 'unknown' });
    send(stream, { number: 4n, data: list });
    stream.end();
    const { answers, code } = await ended;
    expect(code).toBe(status.OK);
    const outcomes = new Map(answers.map(({ number, outcome }) => [number, outcome]));
    expect(outcomes.size).toBe(4);
    for (const number of [1n, 4n]) expect(outcomes.get(number)?.case).toBe('jobId');
    expect(outcomes.get(2n)).toMatchObject({ case: 'refused', value: { code: 'BOT_NOT_FOUND' } });
    expect(outcomes.get(3n)).toMatchObject({ case: 'refused', value: { code: 'INVALID_BLUEPRINT' } });
    const job = outcomes.get(1n)?.value;
    expect((await orchestrator.get(`/jobs/${String(job)}`)).body).toMatchObject({ status: 'completed' });
  });

  it('keeps the order of one bot, also where a source is packed first', async () => {
    const stream = open();
    const ended = toEnd(stream);
    send(stream, {
      number: 1n,
      data: { action: 'start', bot_id: 'order', deployment_mode: 'simple', code: 'print(1)' },
    });
    send(stream, { number: 2n, data: { action: 'stop', bot_id: 'order' } });
    stream.end();
    const { answers } = await ended;
    expect(answers.map(({ number, outcome }) => [number, outcome.case])).toEqual([
      [1n, 'jobId'],
      [2n, 'jobId'],
    ]);
    const start = await orchestrator.get(`/jobs/${String(answers[0]?.outcome.value)}`);
    expect(start.body).toMatchObject({ status: 'cancelled' });
  });

  it('accepts a job once that is sent again with the same key', async () => {
    const ids: unknown[] = [];
    for (let time = 0; time < 2; time++) {
      const stream = open();
      const ended = toEnd(stream);
      send(stream, { number: 9n, data: list, idempotencyKey: 'the-same' });
      send(stream, { number: 10n, data: { action: 'status', bot_id: 'x' }, idempotencyKey: 'the-same' });
      stream.end();
      const [first, second] = (await ended).answers;
      ids.push(first?.outcome.value);
      expect(second?.outcome).toMatchObject({ case: 'refused', value: { code: 'IDEMPOTENCY_CONFLICT' } });
    }
    expect(ids[0]).toBe(ids[1]);
  });

  it('takes 1,500 from a caller that sends all before it reads', async () => {
    const stream = open();
    for (let n = 0; n < 1_500; n++) send(stream, { number: BigInt(n), data: list });
    stream.end();
    const { answers, code } = await toEnd(stream);
    expect(code).toBe(status.OK);
    expect(answers.map(({ number }) => number)).toEqual(Array.from({ length: 1_500 }, (_, n) => BigInt(n)));
  });

  it('refuses a stranger, and a message that is too large or no message', async () => {
    expect(await toEnd(open('a-stranger'))).toMatchObject({ code: status.UNAUTHENTICATED });
    expect(await toEnd(open('test-worker-token'))).toMatchObject({ code: status.PERMISSION_DENIED });
    const large = open();
    send(large, { number: 1n, data: { action: 'list', note: 'x'.repeat(300 * 1024) } });
    expect(await toEnd(large)).toMatchObject({ code: status.RESOURCE_EXHAUSTED });
    const garbled = client.makeBidiStreamRequest(
      '/botrunner.v1.JobService/SubmitJobs',
      () => Buffer.from([0xff, 0xff, 0xff]),
      (bytes) => fromBinary(SubmitJobsResponseSchema, bytes),
      bearer(),
    ) as Stream;
    send(garbled, {});
    expect(await toEnd(garbled)).toMatchObject({ code: status.INVALID_ARGUMENT });
  });

  it('ends with its deadline, and with its caller', async () => {
    const late = open('test-client-token', { deadline: Date.now() + 300 });
    expect(await toEnd(late)).toMatchObject({ code: status.DEADLINE_EXCEEDED });
    const left = open();
    const ended = toEnd(left);
    send(left, { number: 1n, data: list });
    left.once('data', () => left.cancel());
    expect(await ended).toMatchObject({ code: status.CANCELLED });
  });
});

function bearer(): Metadata {
  const metadata = new Metadata();
  metadata.set('authorization', 'Bearer test-client-token');
  return metadata;
}

// Without stubs: the three fields are written and read by hand.
const submit = `
import grpc, sys
from google.protobuf.struct_pb2 import Struct
channel = grpc.insecure_channel(sys.argv[1])
call = channel.stream_stream('/botrunner.v1.JobService/SubmitJobs')
def varint(value):
    out = b''
    while value > 127: out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])
def field(number, data): return bytes([number << 3 | 2]) + varint(len(data)) + data
def requests():
    for number in range(500):
        data = Struct()
        data.update({'action': 'list'} if number % 5 else {'action': 'restart', 'bot_id': 'nobody'})
        yield bytes([8]) + varint(number) + field(2, b'bot_runner') + field(3, data.SerializeToString())
answers = list(call(requests(), metadata=[('authorization', 'Bearer test-client-token')]))
print(len(answers), sum(1 for a in answers if b'BOT_NOT_FOUND' not in a), sum(1 for a in answers if b'BOT_NOT_FOUND' in a))
`;

it('grpcio submits 500 jobs on one stream', { timeout: 180_000 }, async ({ skip }) => {
  const tree = await clientPackages('python').catch((error: unknown) =>
    skip(`Debian's gRPC packages are not to be had: ${error instanceof Error ? error.message : String(error)}`),
  );
  const { stdout } = await promisify(execFile)('python3', ['-c', submit, orchestrator.address], {
    env: {
      ...process.env,
      PATH: [tree.programPath(), process.env['PATH']].join(delimiter),
      LD_LIBRARY_PATH: (await tree.libraryFolders()).join(delimiter),
      PYTHONPATH: join(tree.root, 'usr/lib/python3/dist-packages'),
      PYTHONDONTWRITEBYTECODE: '1',
    },
  });
  expect(stdout.trim()).toBe('500 400 100');
});
