/**
 * However many watch, what they are told is encoded once: all that the orchestrator writes is collected by object, so two buffers with the same
 * bytes are two encodings.
 */
import http from 'node:http';
import { Http2ServerResponse } from 'node:http2';
import { createClient, type Transport } from '@connectrpc/connect';
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from '@connectrpc/connect-node';
import { afterEach, beforeEach, expect, it, onTestFinished, vi } from 'vitest';
import { BotService } from '#gen/botrunner/v1/bot_service_pb.js';
import { JobService } from '#gen/botrunner/v1/job_service_pb.js';
import { eventually } from '../kit/eventually.ts';
import { createManualClock } from '../kit/manual-clock.ts';
import { clientToken, startTestOrchestrator, type TestOrchestrator } from '../kit/orchestrator-for-tests.ts';
import { connectScriptedWorker } from '../kit/scripted-worker.ts';
import { bearer } from '../kit/typed-calls.ts';

vi.setConfig({ testTimeout: 60_000 });
const bound = { timeoutMs: 30_000 };
const watchers = 8;
const headers = { authorization: `Bearer ${clientToken}` };

let orchestrator: TestOrchestrator;
let over: AbortController;
/** What was written to each answer. */
let written: Map<object, Uint8Array[]>;

beforeEach(async () => {
  over = new AbortController();
  written = new Map();
  for (const answer of [Http2ServerResponse.prototype, http.ServerResponse.prototype]) {
    const { write } = answer;
    vi.spyOn(answer, 'write').mockImplementation(function (this: typeof answer, ...args: unknown[]) {
      const [chunk] = args;
      if (chunk instanceof Uint8Array) written.set(this, [...(written.get(this) ?? []), chunk]);
      return Reflect.apply(write, this, args) as boolean;
    });
  }
  // Its clock stands still: what is shared for a moment is shared however slow the machine is.
  orchestrator = await startTestOrchestrator({ clock: createManualClock() });
});
afterEach(async () => {
  over.abort();
  await orchestrator[Symbol.asyncDispose]();
  vi.restoreAllMocks();
});

const textOf = ({ buffer, byteOffset, byteLength }: Uint8Array): string =>
  Buffer.from(buffer, byteOffset, byteLength).toString('latin1');

/** How many buffers, and how often each was written, for all messages that contain the text. */
function encodingsOf(text: string): { readonly buffers: number; readonly writes: number }[] {
  const byContent = new Map<string, Uint8Array[]>();
  for (const chunk of [...written.values()].flat()) {
    const content = textOf(chunk);
    if (content.includes(text)) byContent.set(content, [...(byContent.get(content) ?? []), chunk]);
  }
  return [...byContent.values()].map((chunks) => ({ buffers: new Set(chunks).size, writes: chunks.length }));
}

const forms: readonly (readonly [string, (baseUrl: string) => Transport])[] = [
  ['gRPC', (baseUrl) => createGrpcTransport({ baseUrl, ...withToken })],
  [
    'gRPC-Web with JSON',
    (baseUrl) => createGrpcWebTransport({ baseUrl, httpVersion: '1.1', useBinaryFormat: false, ...withToken }),
  ],
  [
    'Connect with JSON',
    (baseUrl) => createConnectTransport({ baseUrl, httpVersion: '2', useBinaryFormat: false, ...withToken }),
  ],
];
const withToken = {
  interceptors: [bearer(clientToken)],
};

/** Reads a stream until the end of the test; the count of its messages. */
function read(stream: AsyncIterable<unknown>): () => number {
  let count = 0;
  (async () => {
    for await (const _ of stream) count++;
  })().catch((error: unknown) => {
    if (!over.signal.aborted) throw error;
  });
  return () => count;
}

const start = (botId: string) =>
  orchestrator.post({ action: 'start', bot_id: botId, deployment_mode: 'simple', code: 'print(1)' });

const all = (counts: readonly (() => number)[], atLeast: number) =>
  eventually(
    `each has heard ${atLeast}`,
    () => counts.map((count) => count()),
    (heard) => heard.every((count) => count >= atLeast),
    bound,
  );

it.each(forms)('what happens to bots, over %s', async (_name, transport) => {
  await start('before');
  const bots = createClient(BotService, transport(orchestrator.url));
  const watch = (request: object) => read(bots.watchBots(request, { signal: over.signal }));
  await all(
    Array.from({ length: watchers }, () => watch({})),
    1,
  );
  expect(encodingsOf('before'), 'the snapshot').toEqual([{ buffers: 1, writes: watchers }]);
  await start('live');
  await eventually(
    'all have heard',
    () => encodingsOf('live'),
    (found) => found.length === 2 && found.every(({ writes }) => writes === watchers),
    bound,
  );
  expect(encodingsOf('live'), 'live').toEqual(Array(2).fill({ buffers: 1, writes: watchers }));
  // Read again from the log of events, both ways, it is still the same.
  await all(
    Array.from({ length: watchers }, () => watch({ last: 2 })),
    3,
  );
  expect(encodingsOf('live'), 'read again').toEqual(Array(2).fill({ buffers: 1, writes: 2 * watchers }));
});

it('what happens to bots, over GET /events', async () => {
  await start('before');
  const heard = Array.from({ length: watchers }, () => {
    let text = '';
    http
      .get(`${orchestrator.url}/events`, { headers, agent: false, signal: over.signal }, (response) => {
        response.setEncoding('utf8').on('data', (chunk: string) => {
          text += chunk;
        });
        response.on('error', () => undefined);
      })
      .on('error', (error) => {
        if (!over.signal.aborted) throw error;
      });
    return () => text.split('\nevent: ').length - 1;
  });
  await all(heard, 1);
  expect(encodingsOf('before'), 'the snapshot').toEqual([{ buffers: 1, writes: watchers }]);
  await start('live');
  await all(heard, 5);
  const found = encodingsOf('live');
  expect(found.length, 'the bot and its job, each as taken and as it waits').toBe(4);
  for (const each of found) expect(each).toEqual({ buffers: 1, writes: watchers });
});

it.each(forms)('what happens to a job, over %s', async (_name, transport) => {
  const worker = await connectScriptedWorker(orchestrator.address);
  onTestFinished(() => worker.close());
  await worker.take('welcome');
  const { body } = await start('built');
  const ensure = await worker.take('ensure');
  const jobs = createClient(JobService, transport(orchestrator.url));
  const watch = () => read(jobs.watchJob({ jobId: body.job_id }, { signal: over.signal }));
  const early = Array.from({ length: watchers }, watch);
  await all(early, 1);
  worker.send({ case: 'progress', value: { taskId: ensure.taskId, output: [{ text: 'a line of the build' }] } });
  await all(early, 2);
  expect(encodingsOf('a line of the build'), 'live').toEqual([{ buffers: 1, writes: watchers }]);
  const late = Array.from({ length: watchers }, watch);
  await all(late, 2);
  expect(encodingsOf('a line of the build'), 'and so far').toEqual([{ buffers: 2, writes: 2 * watchers }]);
  worker.succeed(ensure);
  await all([...early, ...late], 3);
  const last = [...written.values()].flatMap(
    (chunks) => chunks.findLast((chunk) => textOf(chunk).includes(body.job_id)) ?? [],
  );
  expect({ buffers: new Set(last).size, writes: last.length }, 'the end').toEqual({ buffers: 1, writes: 2 * watchers });
});
