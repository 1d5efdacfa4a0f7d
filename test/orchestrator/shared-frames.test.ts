/** Events are the same in every protocol, and bytes made once for all who watch. */
import http2 from 'node:http2';
import { Code, ConnectError, createClient, type Transport } from '@connectrpc/connect';
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from '@connectrpc/connect-node';
import { expect, it, onTestFinished, vi } from 'vitest';
import { BotService, type WatchBotsResponse } from '#gen/botrunner/v1/bot_service_pb.js';
import { eventually } from '../kit/eventually.ts';
import { clientToken, startTestOrchestrator } from '../kit/orchestrator-for-tests.ts';
import { bearer } from '../kit/typed-calls.ts';

vi.setConfig({ testTimeout: 60_000 });
const bound = { timeoutMs: 30_000 };
const authorization = `Bearer ${clientToken}`;

function transportsTo(baseUrl: string): Readonly<Record<string, Transport>> {
  const all = {
    baseUrl,
    interceptors: [bearer(clientToken)],
  };
  return {
    gRPC: createGrpcTransport(all),
    'gRPC, JSON': createGrpcTransport({ ...all, useBinaryFormat: false }),
    'gRPC-Web': createGrpcWebTransport({ ...all, httpVersion: '1.1' }),
    'Connect, protobuf': createConnectTransport({ ...all, httpVersion: '2', useBinaryFormat: true }),
    'Connect, JSON': createConnectTransport({ ...all, httpVersion: '1.1', useBinaryFormat: false }),
  };
}

it('every protocol and form tells the same, live and read again, and ends in its own way', async () => {
  await using orchestrator = await startTestOrchestrator();
  const over = new AbortController();
  onTestFinished(() => over.abort());
  const watchers = Object.entries(transportsTo(orchestrator.url)).map(([name, transport]) => {
    const bots = createClient(BotService, transport);
    const heard: WatchBotsResponse[] = [];
    const ended = (async () => {
      for await (const message of bots.watchBots({ includeJobs: true }, { signal: over.signal })) heard.push(message);
    })().catch((error: unknown) => ConnectError.from(error).code);
    return { name, bots, heard, ended };
  });
  for (const { name, heard } of watchers) {
    await eventually(
      name,
      () => heard.length,
      (count) => count === 1,
      bound,
    );
  }
  await orchestrator.post({ action: 'start', bot_id: 'häß', deployment_mode: 'simple', code: 'print(1)' });
  await orchestrator.post({ action: 'start', bot_id: 'b', deployment_mode: 'simple', code: 'print(1)' });
  const [first] = watchers;
  const again = async ({ bots }: (typeof watchers)[number]) => {
    const heard: WatchBotsResponse[] = [];
    const request = { includeJobs: true, last: 1000, untilNow: true };
    for await (const message of bots.watchBots(request)) if (message.update.case === 'event') heard.push(message);
    return heard;
  };
  if (first === undefined) throw new Error('there are transports');
  const expected = await again(first);
  expect(expected.length).toBeGreaterThan(2);
  for (const watcher of watchers) {
    expect(await again(watcher), watcher.name).toEqual(expected);
    await eventually(
      watcher.name,
      () => watcher.heard.length,
      (count) => count > expected.length,
      bound,
    );
    expect(watcher.heard.slice(1), watcher.name).toEqual(expected);
    const refused = again({
      ...watcher,
      bots: { ...watcher.bots, watchBots: () => watcher.bots.watchBots({ last: -1 }) },
    });
    await expect(refused, watcher.name).rejects.toMatchObject({ code: Code.InvalidArgument });
    const late = async () => {
      for await (const _ of watcher.bots.watchBots({}, { timeoutMs: 300 }));
    };
    await expect(late(), watcher.name).rejects.toMatchObject({ code: Code.DeadlineExceeded });
  }
  over.abort();
  for (const { name, ended } of watchers) expect(await ended, name).toBe(Code.Canceled);
});

it('a watcher whose connection breaks leaves those who got the same bytes alone', async () => {
  await using orchestrator = await startTestOrchestrator();
  const sessions = [http2.connect(orchestrator.url), http2.connect(orchestrator.url)] as const;
  onTestFinished(() => {
    for (const session of sessions) session.destroy();
  });
  const received = sessions.map((session) => {
    const stream = session.request({
      ':method': 'POST',
      ':path': '/botrunner.v1.BotService/WatchBots',
      'content-type': 'application/grpc',
      te: 'trailers',
      authorization,
    });
    stream.on('error', () => undefined); // one of them is broken on purpose
    stream.end(Buffer.alloc(5));
    const chunks: Buffer[] = [];
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    return () => Buffer.concat(chunks);
  });
  const [broken, kept] = [received[0], received[1]];
  const size = () => received.map((bytes) => bytes().length);
  await eventually('both watch', size, (sizes) => sizes.every((length) => length > 0), bound);
  const start = (botId: string) =>
    orchestrator.post({ action: 'start', bot_id: botId, deployment_mode: 'simple', code: 'print(1)' });
  await start('a');
  await eventually('both have heard', size, ([one, two]) => one === two && (one ?? 0) > 100, bound);
  expect(broken?.()).toEqual(kept?.());
  const before = kept?.().length ?? 0;
  sessions[0].destroy();
  await start('b');
  await eventually(
    'the other hears',
    () => kept?.().length ?? 0,
    (length) => length > before + 100,
    bound,
  );
});
