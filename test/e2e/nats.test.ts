/** Events on a real nats-server, through every way in which it can be away. */
import { fromBinary } from '@bufbuild/protobuf';
import { connect, type NatsConnection } from 'nats';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { type Event, EventSchema } from '#gen/botrunner/v1/event_pb.js';
import { JobStatus } from '#gen/botrunner/v1/job_pb.js';
import { eventually as eventuallyWithin } from '../kit/eventually.ts';
import { createNatsServer, type TestNatsServer } from '../kit/nats/nats-server.ts';
import { type JsonBody, startTestOrchestrator, type TestOrchestrator } from '../kit/orchestrator-for-tests.ts';

vi.setConfig({ testTimeout: 60_000 });

/** Generous: the machine of the tests is a busy one. */
const eventually: typeof eventuallyWithin = (what, read, holds, options = {}) =>
  eventuallyWithin(what, read, holds, { timeoutMs: 30_000, ...options });

interface Heard {
  readonly subject: string;
  readonly id: string;
  readonly seq: number;
  readonly contentType: string;
  readonly event: Event | undefined;
  readonly json: JsonBody;
}

/** A plain subscriber that reconnects on its own, as anybody's would. */
async function subscribe(url: string) {
  const target = new URL(url);
  const connection = await connect({
    servers: target.host,
    ...(target.username ? { user: target.username, pass: decodeURIComponent(target.password) } : {}),
    maxReconnectAttempts: -1,
    reconnectTimeWait: 200,
    pingInterval: 1_000,
  });
  const heard: Heard[] = [];
  const subscription = connection.subscribe('botrunner.v1.>');
  void (async () => {
    for await (const { subject, data, headers } of subscription) {
      const contentType = headers?.get('content-type') ?? '';
      const isJson = contentType === 'application/json';
      heard.push({
        subject,
        id: headers?.get('Nats-Msg-Id') ?? '',
        seq: Number(headers?.get('bot-runner-seq')),
        contentType,
        event: isJson ? undefined : fromBinary(EventSchema, data),
        json: isJson ? JSON.parse(new TextDecoder().decode(data)) : undefined,
      });
    }
  })();
  await connection.flush();
  return { connection, heard };
}

/** What a subscriber knows of the bots: the newest event of each counts. */
function modelOf(heard: readonly Heard[]): Record<string, { status: string; generation: number }> {
  const newest = new Map<string, JsonBody>();
  for (const { json } of heard) {
    if (json && (newest.get(json.bot_id)?.bot_seq ?? 0) <= json.bot_seq) newest.set(json.bot_id, json);
  }
  return Object.fromEntries(
    [...newest].map(([botId, { bot }]) => [botId, { status: bot.status, generation: bot.generation }]),
  );
}

let nats: TestNatsServer;
let orchestrator: TestOrchestrator;
const connections: NatsConnection[] = [];
const listen = async () => {
  const subscriber = await subscribe(nats.url);
  connections.push(subscriber.connection);
  return subscriber;
};
const start = (botId: string) =>
  orchestrator.post({ action: 'start', bot_id: botId, deployment_mode: 'simple', code: 'print(1)' });
/** Changes the bot a few times; without a worker, so that it ends in a state of its own. */
async function stir(botId: string): Promise<void> {
  expect((await start(botId)).status).toBe(202);
  expect((await orchestrator.post({ action: 'stop', bot_id: botId })).status).toBe(202);
}
async function truth(): Promise<Record<string, { status: string; generation: number }>> {
  const { body } = await orchestrator.post({ action: 'list' });
  const { body: job } = await orchestrator.get(`/jobs/${body.job_id}`);
  return Object.fromEntries(
    job.data.result.bots.map((bot: JsonBody) => [bot.bot_id, { status: bot.status, generation: bot.generation }]),
  );
}
/** Waits until a subscriber's picture is true. */
async function untilTrue(heard: readonly Heard[]): Promise<void> {
  const wanted = await truth();
  await eventually(
    'the subscriber knows the truth',
    () => modelOf(heard),
    (model) => {
      for (const [botId, bot] of Object.entries(wanted)) {
        if (model[botId]?.status !== bot.status || model[botId]?.generation !== bot.generation) return false;
      }
      return true;
    },
    { timeoutMs: 40_000 },
  );
}
const botEvents = (heard: readonly Heard[]) =>
  heard.filter(({ subject }) => subject.startsWith('botrunner.v1.events.'));
/** How long a request took that a broken NATS must not hold up. */
async function timed(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await work();
  return performance.now() - began;
}

afterEach(async () => {
  for (const connection of connections.splice(0)) await connection.close();
  await orchestrator[Symbol.asyncDispose]();
});

describe('with a plain server', () => {
  const login = { user: 'runner', pass: 'canary+pass/word' };
  beforeAll(async () => {
    nats = await createNatsServer({ login });
  }, 300_000);
  beforeEach(() => nats.start());
  afterEach(() => nats.kill());
  afterAll(() => nats.remove());
  const begin = async () => {
    orchestrator = await startTestOrchestrator({ env: { NATS_URL: nats.url, MAX_BOTS_PER_USER: '100' } });
  };

  it('publishes every change of bots and jobs with its headers, as a message and as JSON', async () => {
    const { heard } = await listen();
    await begin();
    await stir('echo');
    await untilTrue(heard);
    await eventually(
      'the jobs too',
      () => heard.filter(({ subject }) => subject.includes('.jobs.')),
      (jobs) =>
        jobs.some(({ event }) => event?.subject.case === 'job' && event.subject.value.status === JobStatus.CANCELLED),
    );
    const bots = botEvents(heard);
    // The newest came once more when the publisher had just connected.
    expect([...new Set(bots.map(({ event }) => Number(event?.botSeq)))].slice(0, 4)).toEqual([1, 2, 3, 4]);
    for (const { subject, id, seq, contentType, event } of bots) {
      expect(subject).toBe('botrunner.v1.events.dev.echo');
      expect(contentType).toBe('application/protobuf');
      expect(id).toBe(event?.eventId);
      expect(seq).toBe(Number(event?.seq));
    }
    const twins = heard.filter(({ subject }) => subject === 'botrunner.v1.json.events.dev.echo');
    expect(twins.map(({ json }) => json.event_id)).toEqual(bots.map(({ event }) => event?.eventId));
    expect(twins[0]).toMatchObject({ contentType: 'application/json', seq: bots[0]?.seq });
    const subjects = new Set(heard.map(({ subject }) => subject.split('.').slice(0, 3).join('.')));
    expect([...subjects].sort()).toEqual(['botrunner.v1.events', 'botrunner.v1.jobs', 'botrunner.v1.json']);
    expect(JSON.stringify(heard, (_, value) => (typeof value === 'bigint' ? String(value) : value))).not.toContain(
      'print(1)',
    );
  });

  it('killed with -9, frozen or started later: no request waits, and the truth arrives on its own', async () => {
    await begin();
    const { heard } = await listen();
    await stir('a');
    await untilTrue(heard);

    await nats.kill();
    expect(await timed(() => stir('b'))).toBeLessThan(5_000);
    await nats.start();
    await untilTrue(heard);

    nats.freeze();
    // Longer than the publisher waits for an answer, so that it dials a frozen server too.
    for (const end = performance.now() + 7_000; performance.now() < end; ) {
      expect(await timed(() => stir('c'))).toBeLessThan(5_000);
    }
    nats.thaw();
    await untilTrue(heard);
    // In order per bot, whatever came twice.
    for (const botId of ['a', 'b', 'c']) {
      const first = new Map<string, number>();
      for (const { id, event } of botEvents(heard)) {
        if (event?.botId === botId && !first.has(id)) first.set(id, Number(event.botSeq));
      }
      expect([...first.values()]).toEqual([...first.values()].sort((one, other) => one - other));
    }
  }, 120_000);

  it('a subscriber that comes late gets the latest of every bot at the next reconnect, with the same ids', async () => {
    await begin();
    const early = await listen();
    await Promise.all(['a', 'b', 'c'].map(stir));
    await untilTrue(early.heard);
    await nats.kill();
    await nats.start();
    const late = await listen();
    await untilTrue(late.heard);
    const known = new Set(early.heard.map(({ id }) => id));
    expect(late.heard.length).toBeGreaterThan(0);
    expect(late.heard.filter(({ id }) => !known.has(id)).map(({ subject }) => subject)).toEqual([]);
  }, 120_000);
});

describe('with JetStream', () => {
  beforeAll(async () => {
    nats = await createNatsServer({ jetStream: true });
    await nats.start();
  }, 300_000);
  afterAll(() => nats.remove());

  it('absent from the start, and away over a restart of the orchestrator: a stream gets every event all the same', async () => {
    const before = await listen();
    await (await before.connection.jetstreamManager()).streams.add({
      name: 'all',
      subjects: ['botrunner.v1.events.>'],
    });
    await nats.kill();
    orchestrator = await startTestOrchestrator({ env: { NATS_URL: nats.url, MAX_BOTS_PER_USER: '100' } });
    await stir('a');
    await orchestrator.restart();
    await stir('b');
    await nats.start();
    const { connection, heard } = await listen();
    // Repeated every 30 seconds for those who were not there in time.
    await untilTrue(heard);
    const manager = await connection.jetstreamManager();
    const { messages } = (await manager.streams.info('all')).state;
    const stored: Event[] = [];
    for (let seq = 1; seq <= messages; seq++) {
      stored.push(fromBinary(EventSchema, (await manager.streams.getMessage('all', { seq })).data));
    }
    for (const botId of ['a', 'b']) {
      const numbers = stored.filter((event) => event.botId === botId).map(({ botSeq }) => Number(botSeq));
      expect(numbers.length).toBeGreaterThan(3);
      expect(numbers).toEqual(numbers.map((_, index) => index + 1));
    }
    await manager.streams.delete('all');
  }, 120_000);

  it('a stream over all subjects keeps each event and its twin once, and a wiped one fills again with the latest', async () => {
    const { connection, heard } = await listen();
    const addStream = async (to: NatsConnection) => {
      const manager = await to.jetstreamManager();
      await manager.streams.add({ name: 'bots', subjects: ['botrunner.v1.>'] });
      return manager;
    };
    const manager = await addStream(connection);
    orchestrator = await startTestOrchestrator({ env: { NATS_URL: nats.url } });
    await stir('echo');
    await untilTrue(heard);
    await orchestrator.restart();
    const stored = async () => (await manager.streams.info('bots')).state.messages;
    const ids = () => new Set(heard.map(({ id }) => id)).size;
    await eventually(
      'the stream has each id once',
      async () => [await stored(), ids()],
      ([kept, told]) => kept === told,
    );
    const { subjects = {} } = (await manager.streams.info('bots', { subjects_filter: 'botrunner.v1.>' })).state;
    expect(subjects['botrunner.v1.events.dev.echo']).toBeGreaterThan(3);
    expect(subjects['botrunner.v1.json.events.dev.echo']).toBe(subjects['botrunner.v1.events.dev.echo']);

    await nats.kill();
    await nats.wipe();
    await stir('other');
    await nats.start();
    const after = await listen();
    await addStream(after.connection);
    await untilTrue(after.heard);
  }, 120_000);
});
