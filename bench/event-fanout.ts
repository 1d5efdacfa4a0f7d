/**
 * How fast an event reaches 1,000 watchers, and what a plain NATS subscriber sees across kill -9:
 *
 *     npx node bench/event-fanout.ts [WATCHERS] [ROUNDS]
 *
 * The orchestrator is the real program; the watchers are streams of this process: gRPC, 100 on each connection, then SSE. A round is
 * one request that starts a bot; its time ends, for each watcher, when the first event of the change is there, so request,
 * commit with fsync and the decoding of all watchers in this one process are in it.
 */
import http from 'node:http';
import { fromBinary } from '@bufbuild/protobuf';
import { createClient } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { connect } from 'nats';
import { BotService } from '#gen/botrunner/v1/bot_service_pb.js';
import { EventSchema } from '#gen/botrunner/v1/event_pb.js';
import { eventually } from '../test/kit/eventually.ts';
import { createNatsServer } from '../test/kit/nats/nats-server.ts';
import { type OrchestratorProgram, startOrchestratorProgram } from '../test/kit/orchestrator-program.ts';

const [watchers = 1_000, rounds = 30] = process.argv.slice(2).map(Number);
const perConnection = 100;
const bound = { timeoutMs: 60_000 };

const quantile = (sorted: readonly number[], q: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? Number.NaN;
const ms = (value: number): string => `${value.toFixed(1)} ms`;
const mb = (bytes: number): string => `${(bytes / 1024 / 1024).toFixed(0)} MiB`;

let made = 0;
/** Starts a bot that waits for a worker: two events of the bot, two of its job. */
const change = (orchestrator: OrchestratorProgram) =>
  orchestrator.post({ action: 'start', bot_id: `bench-${++made}`, deployment_mode: 'simple', code: 'print(1)' });

interface Watcher {
  readonly signal: AbortSignal;
  readonly onReady: () => void;
  readonly onEvent: (index: number) => void;
}

const botsOf = (url: string) =>
  createClient(
    BotService,
    createGrpcTransport({
      baseUrl: url,
      interceptors: [
        (next) => (request) => {
          request.header.set('authorization', 'Bearer test-client-token');
          return next(request);
        },
      ],
    }),
  );

/** BotService.WatchBots, many streams on each connection. */
function watchOverGrpc(url: string, { signal, onReady, onEvent }: Watcher): Promise<void>[] {
  const connections = Array.from({ length: Math.ceil(watchers / perConnection) }, () => botsOf(url));
  return Array.from({ length: watchers }, async (_, index) => {
    const bots = connections[Math.floor(index / perConnection)];
    try {
      for await (const { update } of bots?.watchBots({}, { signal }) ?? []) {
        if (update.case === 'snapshot') onReady();
        if (update.case === 'event') onEvent(index);
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  });
}

/** GET /events, a connection each. An event is counted by its first line; nothing is parsed. */
function watchOverSse(url: string, { signal, onReady, onEvent }: Watcher): Promise<void>[] {
  const headers = { authorization: 'Bearer test-client-token' };
  const ask = (index: number) =>
    new Promise<void>((resolve, reject) => {
      const end = (error?: Error) => (error === undefined || signal.aborted ? resolve() : reject(error));
      const request = http.get(`${url}/events?jobs=0`, { headers, agent: false, signal }, (response) => {
        response.setEncoding('utf8').on('data', (text: string) => {
          if (text.includes('event: snapshot')) onReady();
          for (const _ of text.matchAll(/^event: bot$/gm)) onEvent(index);
        });
        response.once('error', end).once('end', () => end());
      });
      request.once('error', end);
    });
  return Array.from({ length: watchers }, (_, index) => ask(index));
}

async function fanOut(way: 'gRPC' | 'SSE'): Promise<void> {
  await using orchestrator = await startOrchestratorProgram({ LOG_LEVEL: 'warn', MAX_BOTS_PER_USER: '10000' });
  const over = new AbortController();
  const before = orchestrator.rssBytes();
  /** When each watcher got its newest event, and how many events arrived in all. */
  const heardAt = new Array<number>(watchers).fill(0);
  let ready = 0;
  let events = 0;
  const watcher: Watcher = {
    signal: over.signal,
    onReady: () => ready++,
    onEvent: (index) => {
      events++;
      if (heardAt[index] === 0) heardAt[index] = performance.now();
    },
  };
  const streams = way === 'gRPC' ? watchOverGrpc(orchestrator.url, watcher) : watchOverSse(orchestrator.url, watcher);
  await eventually(
    'all watch',
    () => ready,
    (count) => count === watchers,
    bound,
  );
  const times: number[] = [];
  const spreads: number[] = [];
  for (let round = -3; round < rounds; round++) {
    const last = events;
    heardAt.fill(0);
    const began = performance.now();
    await change(orchestrator);
    await eventually(
      'all have heard',
      () => heardAt.filter((at) => at === 0).length,
      (left) => left === 0,
      bound,
    );
    // Until the rest of the change has arrived too: it must not be counted as the next one.
    const seen = { count: -1 };
    await eventually(
      'nothing more comes',
      () => {
        const same = seen.count === events;
        seen.count = events;
        return same && events > last && events % watchers === 0;
      },
      Boolean,
      { ...bound, everyMs: 50 },
    );
    if (round < 0) continue;
    times.push(...heardAt.map((at) => at - began));
    spreads.push(Math.max(...heardAt) - Math.min(...heardAt));
  }
  times.sort((a, b) => a - b);
  spreads.sort((a, b) => a - b);
  const after = orchestrator.rssBytes();
  over.abort();
  await Promise.all(streams);
  console.log(`${watchers} watchers over ${way}, ${rounds} changes, ${events} events heard`);
  console.log(
    `  request to event at a watcher: p50 ${ms(quantile(times, 0.5))}, p99 ${ms(quantile(times, 0.99))}, most ${ms(times.at(-1) ?? 0)}`,
  );
  console.log(
    `  first to last watcher of one event: p50 ${ms(quantile(spreads, 0.5))}, most ${ms(spreads.at(-1) ?? 0)}`,
  );
  console.log(`  orchestrator: ${mb(before)} without watchers, ${mb(after)} after`);
}

/** Starts bots one after the other, with a kill in the middle; reports what a subscriber without JetStream received. */
async function acrossKill(what: 'nats-server' | 'orchestrator'): Promise<void> {
  const nats = await createNatsServer();
  await nats.start();
  const orchestrator = await startOrchestratorProgram({
    NATS_URL: nats.url,
    LOG_LEVEL: 'warn',
    MAX_BOTS_PER_USER: '10000',
  });
  const subscriber = await connect({
    servers: `127.0.0.1:${nats.port}`,
    maxReconnectAttempts: -1,
    reconnectTimeWait: 100,
  });
  const heard: { id: string; seq: number; at: number }[] = [];
  const subscription = subscriber.subscribe('botrunner.v1.events.>');
  void (async () => {
    for await (const { data } of subscription) {
      const { eventId, seq } = fromBinary(EventSchema, data);
      heard.push({ id: eventId, seq: Number(seq), at: performance.now() });
    }
  })();
  try {
    await subscriber.flush();
    let slowest = 0;
    let taken = 0;
    let refused = 0;
    const changes = (async () => {
      for (let n = 0; n < 200; n++) {
        const began = performance.now();
        try {
          await change(orchestrator);
          taken++;
          slowest = Math.max(slowest, performance.now() - began);
        } catch {
          refused++; // it is being killed; counted and reported
        }
      }
    })();
    await eventually(
      'it runs',
      () => heard.length,
      (count) => count > 50,
      bound,
    );
    const fault = what === 'nats-server' ? nats : orchestrator;
    await fault.kill();
    await changes;
    await fault.start();
    const backAt = performance.now();
    await change(orchestrator);
    await change(orchestrator);

    const bots = botsOf(orchestrator.url);
    const told: string[] = [];
    for await (const { update } of bots.watchBots({ last: 1000, untilNow: true })) {
      if (update.case === 'event') told.push(update.value.eventId);
    }
    await eventually('it knows the latest', () => heard.some(({ id }) => id === told.at(-1)), Boolean, bound);
    const knewAt = heard.find(({ id }) => id === told.at(-1))?.at ?? Number.NaN;
    const all = new Set(heard.map(({ seq }) => seq));
    const ids = new Set(heard.map(({ id }) => id));
    const missed = told.filter((id) => !ids.has(id)).length;
    const order = [...new Map(heard.map(({ id, seq }) => [id, seq])).values()];
    const inOrder = order.every((seq, index) => index === 0 || seq > (order[index - 1] ?? 0));
    console.log(
      `kill -9 of the ${what} under load: ${taken} requests taken, slowest ${ms(slowest)}, ${refused} not taken`,
    );
    console.log(
      `  a plain subscriber heard ${all.size} different events of ${told.length}, missed ${missed}, ` +
        `${heard.length - ids.size} came twice, ${inOrder ? 'in order' : 'NOT in order'}; it knew the latest ${ms(knewAt - backAt)} after the return`,
    );
  } finally {
    await subscriber.close();
    await orchestrator[Symbol.asyncDispose]();
    await nats.remove();
  }
}

await fanOut('gRPC');
await fanOut('SSE');
await acrossKill('nats-server');
await acrossKill('orchestrator');
