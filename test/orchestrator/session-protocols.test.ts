/** A worker's session is the same over every protocol: plain gRPC is read and written past the library, all else by it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { Code, ConnectError, createClient, type Transport } from '@connectrpc/connect';
import {
  compressionGzip,
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from '@connectrpc/connect-node';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ErrorDetailSchema } from '#gen/botrunner/v1/error_pb.js';
import { type SessionRequestSchema, WorkerService } from '#gen/botrunner/v1/worker_service_pb.js';
import { eventually } from '../kit/eventually.ts';
import { startTestOrchestrator, type TestOrchestrator } from '../kit/orchestrator-for-tests.ts';
import { connectScriptedWorker, credentialOf, joinScriptedWorker } from '../kit/scripted-worker.ts';
import { start } from './job-bench.ts';

let orchestrator: TestOrchestrator;
beforeAll(async () => {
  orchestrator = await startTestOrchestrator();
});
afterAll(() => orchestrator[Symbol.asyncDispose]());

type Request = MessageInitShape<typeof SessionRequestSchema>;

const transports: Readonly<Record<string, (baseUrl: string) => Transport>> = {
  'plain gRPC': (baseUrl) => createGrpcTransport({ baseUrl }),
  'gRPC with gzip': (baseUrl) =>
    createGrpcTransport({ baseUrl, sendCompression: compressionGzip, compressMinBytes: 0 }),
  'gRPC with JSON': (baseUrl) => createGrpcTransport({ baseUrl, useBinaryFormat: false }),
  'gRPC with a deadline': (baseUrl) => createGrpcTransport({ baseUrl, defaultTimeoutMs: 60_000 }),
  'gRPC-Web': (baseUrl) => createGrpcWebTransport({ baseUrl, httpVersion: '2' }),
  Connect: (baseUrl) => createConnectTransport({ baseUrl, httpVersion: '2' }),
};

const hello = (workerId: string): Request => ({
  body: { case: 'hello', value: { workerId, bootId: 'b', protocolMin: 1, protocolMax: 1, ready: true } },
});

/** A session that says these messages, each after the answer to the one before, and then stays open; what it heard, and how it ended. */
async function talk(transport: Transport, credential: string, requests: readonly Request[], closes = false) {
  const open = Promise.withResolvers<void>();
  async function* say() {
    yield* requests;
    if (!closes) await open.promise;
  }
  const heard: string[] = [];
  let end: ConnectError | undefined;
  const headers = { authorization: `Bearer ${credential}` };
  try {
    for await (const { body } of createClient(WorkerService, transport).session(say(), { headers })) {
      heard.push(body.case ?? '');
    }
  } catch (error) {
    end = ConnectError.from(error);
  } finally {
    open.resolve();
  }
  const [detail] = end?.findDetails(ErrorDetailSchema) ?? [];
  return { heard, code: end && Code[end.code], reason: detail?.code, message: end?.rawMessage };
}

it.each(Object.keys(transports))('over %s it is welcomed, refused and ended alike', async (name) => {
  const transport = transports[name]?.(orchestrator.url);
  if (transport === undefined) throw new Error('there is no such transport');
  const workerId = `w-${name.replaceAll(/[^A-Za-z]/g, '-')}`;
  const credential = credentialOf(workerId);
  expect(await joinScriptedWorker(orchestrator.address, workerId)).toBeUndefined();
  // Ended by the worker.
  expect(await talk(transport, credential, [hello(workerId)], true)).toMatchObject({
    heard: ['welcome'],
    code: undefined,
  });
  // Refused before and after its Welcome, and at the door.
  expect(await talk(transport, credential, [hello('another')])).toMatchObject({
    heard: [],
    code: 'PermissionDenied',
    reason: 'PERMISSION_DENIED',
    message: `The credential belongs to worker ${workerId}.`,
  });
  expect(await talk(transport, credential, [hello(workerId), hello(workerId)])).toMatchObject({
    code: 'InvalidArgument',
    reason: 'INVALID_WORKER',
    message: 'A session has one Hello.',
  });
  expect(await talk(transport, 'unknown', [hello(workerId)])).toMatchObject({
    heard: [],
    code: 'Unauthenticated',
    reason: 'UNAUTHENTICATED',
  });
  expect(await talk(transport, 'test-client-token', [hello(workerId)])).toMatchObject({
    heard: [],
    code: 'PermissionDenied',
    message: 'This call needs a worker token; this is a client token.',
  });
});

it('heartbeats write nothing to the store', async () => {
  const worker = await connectScriptedWorker(orchestrator.address, { workerId: 'beating' });
  await worker.take('welcome');
  const log = () => readFileSync(join(orchestrator.dir, 'orchestrator', 'store.sqlite-wal'));
  let acks = 0;
  /** Messages are handled in order: when this one is, those before it are. */
  const settled = async () => {
    worker.send({ case: 'result', value: { taskId: `none-${acks++}` } });
    await worker.take('resultAck');
  };
  // Others write now and then: that a worker has joined, or is silent, is an event within a second.
  const before = await eventually(
    '200 heartbeats, and the log as it was before them',
    async () => {
      const before = log();
      for (let n = 0; n < 200; n++) worker.send({ case: 'heartbeat', value: { ready: true } });
      await settled();
      // What they would have left to be written is on disk before what comes after them.
      await settled();
      return before.equals(log()) ? before : undefined;
    },
    (unchanged) => unchanged !== undefined,
  );
  await orchestrator.post(start('a'));
  expect(log().equals(before ?? log())).toBe(false);
  worker.close();
});
