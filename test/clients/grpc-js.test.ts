/** A stock grpc-js client, without Connect, against the real port: StartBot, a typed refusal, a stream. */
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { Client, credentials, Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { StartBotRequestSchema, StartBotResponseSchema } from '#gen/botrunner/v1/bot_service_pb.js';
import { ErrorDetailSchema } from '#gen/botrunner/v1/error_pb.js';
import { JobStatus } from '#gen/botrunner/v1/job_pb.js';
import {
  WatchJobRequestSchema,
  type WatchJobResponse,
  WatchJobResponseSchema,
} from '#gen/botrunner/v1/job_service_pb.js';
import { startTestOrchestrator, type TestOrchestrator } from '../kit/orchestrator-for-tests.ts';
import { connectScriptedWorker, type ScriptedWorker } from '../kit/scripted-worker.ts';

let orchestrator: TestOrchestrator;
let worker: ScriptedWorker;
let client: Client;
const metadata = new Metadata();
metadata.set('authorization', 'Bearer test-client-token');

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

const startBot = (request: Parameters<typeof create<typeof StartBotRequestSchema>>[1]) =>
  new Promise<{ jobId: string }>((resolve, reject) => {
    client.makeUnaryRequest(
      '/botrunner.v1.BotService/StartBot',
      (message: Uint8Array) => Buffer.from(message),
      (bytes) => fromBinary(StartBotResponseSchema, bytes),
      toBinary(StartBotRequestSchema, create(StartBotRequestSchema, request)),
      metadata,
      (error, answer) => (error ? reject(error) : resolve({ jobId: answer?.job?.jobId ?? '' })),
    );
  });

describe('a grpc-js client', () => {
  it('starts a bot and watches its job to the end', async () => {
    // REST brings the source in; its artifact is this user's, so the typed call may name it.
    await orchestrator.post({ action: 'start', bot_id: 'first', deployment_mode: 'simple', code: 'print(1)' });
    const first = await worker.take('ensure');
    worker.succeed(first);
    const { jobId } = await startBot({ botId: 'typed', ...(first.spec ? { spec: first.spec } : {}) });
    const watch = client.makeServerStreamRequest(
      '/botrunner.v1.JobService/WatchJob',
      (message: Uint8Array) => Buffer.from(message),
      (bytes): WatchJobResponse => fromBinary(WatchJobResponseSchema, bytes),
      toBinary(WatchJobRequestSchema, create(WatchJobRequestSchema, { jobId })),
      metadata,
    );
    worker.succeed(await worker.take('ensure'));
    const states: string[] = [];
    for await (const message of watch as AsyncIterable<WatchJobResponse>) {
      if (message.update.case === 'job') states.push(JobStatus[message.update.value.status]);
    }
    expect(states.at(-1)).toBe('COMPLETED');
  });

  it('gets a refusal as status, message and typed trailer', async () => {
    const error = await startBot({ botId: 'тест бот!' }).then(
      () => undefined,
      (reason: ServiceError) => reason,
    );
    expect(error).toMatchObject({ code: status.INVALID_ARGUMENT, details: 'The bot id is not valid.' });
    const [trailer] = error?.metadata.get('botrunner-error-bin') ?? [];
    const detail = fromBinary(ErrorDetailSchema, Buffer.isBuffer(trailer) ? trailer : Buffer.alloc(0));
    expect(detail).toMatchObject({ code: 'INVALID_BOT_ID', hint: expect.stringContaining('1 to 64') });
  });
});
