/**
 * Hundreds of each call, and then nothing is left of them: no listener, timer, entry of a map, or object of any kind. Each is
 * counted over the whole heap, so that a new kind of leak needs no new test.
 */
import http from 'node:http';
import { createClient, type Transport } from '@connectrpc/connect';
import { createConnectTransport, createGrpcTransport } from '@connectrpc/connect-node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AdminService } from '#gen/botrunner/v1/admin_service_pb.js';
import { BotService } from '#gen/botrunner/v1/bot_service_pb.js';
import { JobService } from '#gen/botrunner/v1/job_service_pb.js';
import { Health } from '#gen/grpc/health/v1/health_pb.js';
import { ServerReflection } from '#gen/grpc/reflection/v1/reflection_pb.js';
import { countHeap } from '../kit/heap-count.ts';
import {
  clientToken,
  startTestOrchestrator,
  type TestOrchestrator,
  workerToken,
} from '../kit/orchestrator-for-tests.ts';
import { connectScriptedWorker, type ScriptedWorker } from '../kit/scripted-worker.ts';
import { bearer } from '../kit/typed-calls.ts';

const calls = 600;
const warmUp = 100;
// Below one for each call; a heap is never quite still.
const slack = 400;

let orchestrator: TestOrchestrator;
let worker: ScriptedWorker;
let jobId: string;
beforeAll(async () => {
  orchestrator = await startTestOrchestrator();
  worker = await connectScriptedWorker(orchestrator.address);
  await worker.take('welcome');
  await orchestrator.post({ action: 'start', bot_id: 'kept', deployment_mode: 'simple', code: 'print(1)' });
  worker.succeed(await worker.take('ensure'));
  const { body } = await orchestrator.post({
    action: 'start',
    bot_id: 'open',
    deployment_mode: 'simple',
    code: 'print(2)',
  });
  jobId = body.job_id;
});
afterAll(async () => {
  worker.close();
  await orchestrator[Symbol.asyncDispose]();
});

type Call = (n: number) => Promise<unknown>;

/**
 * Makes each call so often that whatever is set up once is there, counts, makes hundreds of each, and counts again. All
 * at one count, which takes longer than the calls of one kind: to find the one at fault, give it alone.
 */
async function leaveNothing(all: readonly Call[], { atOnce = 20, times = calls } = {}): Promise<void> {
  const run = async (times: number) => {
    for (const one of all) {
      let left = times;
      const lane = async () => {
        while (left > 0) await one(left--);
      };
      await Promise.all(Array.from({ length: atOnce }, lane));
    }
  };
  await run(warmUp);
  let before = await countHeap();
  let after = before;
  const hasGrown = () => grown(before, after).some((more) => more >= slack);
  // What is left behind grows with every round; what V8 sets up late, once it finds code hot, grows in one.
  for (let round = 0; round < 2 && (round === 0 || hasGrown()); round += 1) {
    before = after;
    await run(times);
    after = await countHeap();
    // Connections and their timers may take a moment to go.
    for (let tries = 0; tries < 3 && hasGrown(); tries += 1) {
      await new Promise((resolve) => setTimeout(resolve, 500));
      after = await countHeap();
    }
  }
  const [objects, entries, listeners] = grown(before, after);
  const few = expect.toSatisfy((more: number) => more < slack, `fewer than ${slack}`);
  expect({ objects, entries, listeners }, `there are more of: ${moreOf(before, after)}`).toEqual({
    objects: few,
    entries: few,
    listeners: few,
  });
}

/** The classes that have grown most. */
const moreOf = (before: Count, after: Count): string =>
  Object.entries(after.byClass)
    .map(([name, count]) => [name, count - (before.byClass[name] ?? 0)] as const)
    .sort(([, a], [, b]) => b - a)
    .slice(0, 12)
    .map(([name, more]) => `${name} +${more}`)
    .join(', ');

type Count = Awaited<ReturnType<typeof countHeap>>;
const grown = (before: Count, after: Count): readonly number[] => [
  after.objects - before.objects,
  after.entries - before.entries,
  after.listeners - before.listeners,
];

/** Reads the first message of a stream and breaks it off. */
async function readOne(stream: (signal: AbortSignal) => AsyncIterable<unknown>): Promise<void> {
  const over = new AbortController();
  try {
    for await (const _ of stream(over.signal)) over.abort();
  } catch (error) {
    if (!over.signal.aborted) throw error;
  }
}

const ignored = () => undefined;
const streams: readonly ((transport: Transport) => Promise<unknown>)[] = [
  (transport) => readOne((signal) => createClient(Health, transport).watch({}, { signal })),
  (transport) => readOne((signal) => createClient(BotService, transport).watchBots({}, { signal })),
  (transport) => readOne((signal) => createClient(JobService, transport).watchJob({ jobId }, { signal })),
  (transport) => createClient(BotService, transport).listBots({}),
  (transport) => createClient(BotService, transport).getBot({ botId: 'none' }).catch(ignored),
];
const transports: readonly (readonly [string, (token: string) => Transport])[] = [
  ['gRPC', (token) => createGrpcTransport({ baseUrl: orchestrator.url, interceptors: [bearer(token)] })],
  [
    'Connect over HTTP/1.1',
    (token) => createConnectTransport({ baseUrl: orchestrator.url, httpVersion: '1.1', interceptors: [bearer(token)] }),
  ],
];

describe.each(transports)('over %s', (_title, transport) => {
  it('calls, and streams that are broken off or cut by their deadline, leave nothing', {
    timeout: 300_000,
  }, async () => {
    const shared = transport(clientToken);
    const bots = createClient(BotService, shared);
    const late = async () => {
      for await (const _ of bots.watchBots({}, { timeoutMs: 10 })) ignored();
    };
    await leaveNothing([...streams.map((one) => () => one(shared)), () => late().catch(ignored)]);
  });
});

it('reflection, drains and logs leave nothing', { timeout: 300_000 }, async () => {
  const transport = (token: string) =>
    createGrpcTransport({ baseUrl: orchestrator.url, interceptors: [bearer(token)] });
  const reflection = createClient(ServerReflection, transport(clientToken));
  const admin = createClient(AdminService, transport('test-admin-token'));
  const bots = createClient(BotService, transport(clientToken));
  async function* listServices() {
    yield { messageRequest: { case: 'listServices', value: '' } } as const;
  }
  const logs = (follow: boolean) => () =>
    readOne((signal) => bots.streamLogs({ botId: 'kept', lines: 1, follow }, { signal }));
  const stop = answerTails(worker, '0000000000000000-1');
  await leaveNothing([
    () => readOne((signal) => reflection.serverReflectionInfo(listServices(), { signal })),
    () => readOne((signal) => admin.drainWorker({ workerId: 'nobody' }, { signal })).catch(ignored),
    logs(false),
    logs(true),
  ]);
  stop();
});

/** Answers each tail that the orchestrator asks for with one line and, for pages, its end. */
function answerTails(of: ScriptedWorker, cursor: string): () => void {
  let going = true;
  of.onMessage(({ body }) => {
    if (!going || body.case !== 'openTail') return;
    of.heard.length = 0; // what is kept for the test would look like a leak
    const { tailId, follow } = body.value;
    const end = follow ? {} : { end: { cursor, newestCursor: cursor } };
    of.tail([{ tailId, entries: [{ cursor, text: 'x' }], ...end }], { keepOpen: follow });
  });
  return () => {
    going = false;
  };
}

it('worker sessions leave nothing', { timeout: 300_000 }, async () => {
  const session = async () => {
    const other = await connectScriptedWorker(orchestrator.address, { workerId: 'comes-and-goes' });
    await other.take('welcome');
    other.close();
  };
  // Each is a connection of its own, with all that a client sets up for it.
  await leaveNothing([session], { atOnce: 1, times: 500 });
});

describe('over one REST connection kept alive', () => {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  afterAll(() => agent.destroy());
  const ask = (path: string, token: string, until: 'head' | 'end') =>
    new Promise<void>((resolve, reject) => {
      const options = { host: '127.0.0.1', port: orchestrator.port, path, agent: until === 'end' ? agent : false };
      const request = http.get({ ...options, headers: { authorization: `Bearer ${token}` } }, (response) => {
        if (until === 'head') {
          response.destroy();
          resolve();
        } else response.resume().on('end', resolve);
      });
      request.on('error', reject);
    });

  it('answers, long polls and streams of events leave nothing', { timeout: 300_000 }, async () => {
    await fetch(`${orchestrator.url}/workers/register`, {
      method: 'POST',
      headers: { authorization: `Bearer ${workerToken}`, 'content-type': 'application/json' },
      body: JSON.stringify({ worker_id: 'rest', supported_tasks: ['process_data'] }),
    });
    await leaveNothing(
      [
        () => ask('/health', clientToken, 'end'),
        () => ask('/jobs/none', clientToken, 'end'),
        () => ask('/workers/rest/tasks?wait=0', workerToken, 'end'),
        () => ask('/workers/rest/tasks?wait=0.005', workerToken, 'end'),
        () => ask('/events', clientToken, 'head'),
        () => ask('/events', 'test-admin-token', 'head'),
      ],
      { atOnce: 1 },
    );
  });
});
