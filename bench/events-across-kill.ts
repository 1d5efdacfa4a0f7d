/**
 * What a plain NATS subscriber, without JetStream, hears across a kill -9 of the nats-server and of the orchestrator, under load:
 *
 *     node bench/events-across-kill.ts
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
import { bearer } from '../test/kit/typed-calls.ts';

const bound = { timeoutMs: 60_000 };
const ms = (value: number): string => `${value.toFixed(1)} ms`;

let made = 0;
/** Starts a bot that waits for a worker: two events of the bot, two of its job. */
const change = (orchestrator: OrchestratorProgram) =>
  orchestrator.post({ action: 'start', bot_id: `bench-${++made}`, deployment_mode: 'simple', code: 'print(1)' });

const botsOf = (url: string) =>
  createClient(BotService, createGrpcTransport({ baseUrl: url, interceptors: [bearer('test-client-token')] }));

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

await acrossKill('nats-server');
await acrossKill('orchestrator');
