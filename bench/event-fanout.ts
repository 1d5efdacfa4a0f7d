/**
 * How fast an event reaches 1,000 watchers, and what a plain NATS subscriber sees across kill -9:
 *
 *     npx node bench/event-fanout.ts [WATCHERS] [ROUNDS]
 *
 * The orchestrator is the real program; the watchers are gRPC streams of this process, 100 on each connection. A round is
 * one request that changes a bot; its time ends, for each watcher, when the first event of the change is there, so request,
 * commit with fsync and the decoding of all watchers in this one process are in it.
 */
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

const change = (orchestrator: OrchestratorProgram, n: number) =>
  orchestrator.post(
    n % 2 === 0
      ? { action: 'start', bot_id: 'bench', deployment_mode: 'simple', code: 'print(1)' }
      : { action: 'stop', bot_id: 'bench' },
  );

async function fanOut(): Promise<void> {
  await using orchestrator = await startOrchestratorProgram({ LOG_LEVEL: 'warn' });
  const over = new AbortController();
  const before = orchestrator.rssBytes();
  /** When each watcher heard its newest event; and of how many it heard in all. */
  const heardAt = new Array<number>(watchers).fill(0);
  let ready = 0;
  let events = 0;
  const streams = Array.from({ length: Math.ceil(watchers / perConnection) }, (_, connection) => {
    const transport = createGrpcTransport({
      baseUrl: orchestrator.url,
      interceptors: [
        (next) => (request) => {
          request.header.set('authorization', 'Bearer test-client-token');
          return next(request);
        },
      ],
    });
    const bots = createClient(BotService, transport);
    return Array.from({ length: Math.min(perConnection, watchers - connection * perConnection) }, async (__, n) => {
      const index = connection * perConnection + n;
      try {
        for await (const { update } of bots.watchBots({}, { signal: over.signal })) {
          if (update.case === 'snapshot') ready++;
          if (update.case !== 'event') continue;
          events++;
          if (heardAt[index] === 0) heardAt[index] = performance.now();
        }
      } catch (error) {
        if (!over.signal.aborted) throw error;
      }
    });
  }).flat();
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
    await change(orchestrator, round + 3);
    await eventually(
      'all have heard',
      () => heardAt.filter((at) => at === 0).length,
      (left) => left === 0,
      bound,
    );
    // Until the rest of the change has arrived too: it must not be taken for the next one.
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
  console.log(`${watchers} watchers, ${rounds} changes, ${events} events heard`);
  console.log(
    `  request to event at a watcher: p50 ${ms(quantile(times, 0.5))}, p99 ${ms(quantile(times, 0.99))}, most ${ms(times.at(-1) ?? 0)}`,
  );
  console.log(
    `  first to last watcher of one event: p50 ${ms(quantile(spreads, 0.5))}, most ${ms(spreads.at(-1) ?? 0)}`,
  );
  console.log(`  orchestrator: ${mb(before)} without watchers, ${mb(after)} after`);
}

/** Changes of one bot, evenly, while `fault` happens in the midst; what a subscriber without JetStream heard of it. */
async function acrossKill(what: 'nats-server' | 'orchestrator'): Promise<void> {
  const nats = await createNatsServer();
  await nats.start();
  const orchestrator = await startOrchestratorProgram({ NATS_URL: nats.url, LOG_LEVEL: 'warn' });
  const subscriber = await connect({
    servers: `127.0.0.1:${nats.port}`,
    maxReconnectAttempts: -1,
    reconnectTimeWait: 100,
  });
  const heard: { id: string; botSeq: number; at: number }[] = [];
  const subscription = subscriber.subscribe('botrunner.v1.events.>');
  void (async () => {
    for await (const { data } of subscription) {
      const { eventId, botSeq } = fromBinary(EventSchema, data);
      heard.push({ id: eventId, botSeq: Number(botSeq), at: performance.now() });
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
          await change(orchestrator, n);
          taken++;
          slowest = Math.max(slowest, performance.now() - began);
        } catch {
          refused++; // it is being killed; counted and told
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
    await change(orchestrator, 0);
    await change(orchestrator, 1);

    const bots = createClient(
      BotService,
      createGrpcTransport({
        baseUrl: orchestrator.url,
        interceptors: [
          (next) => (request) => {
            request.header.set('authorization', 'Bearer test-client-token');
            return next(request);
          },
        ],
      }),
    );
    const told: string[] = [];
    for await (const { update } of bots.watchBots({ last: 1000, untilNow: true })) {
      if (update.case === 'event') told.push(update.value.eventId);
    }
    await eventually('it knows the latest', () => heard.some(({ id }) => id === told.at(-1)), Boolean, bound);
    const knewAt = heard.find(({ id }) => id === told.at(-1))?.at ?? Number.NaN;
    const all = new Set(heard.map(({ botSeq }) => botSeq));
    const ids = new Set(heard.map(({ id }) => id));
    const missed = told.filter((id) => !ids.has(id)).length;
    const order = [...new Map(heard.map(({ id, botSeq }) => [id, botSeq])).values()];
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

await fanOut();
await acrossKill('nats-server');
await acrossKill('orchestrator');
