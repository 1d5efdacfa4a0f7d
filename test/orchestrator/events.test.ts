/** Events: every change, nothing missed or doubled across broken connections and restarts, and only one's own. */
import { type Client, Code, ConnectError, createClient } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { BotState } from '#gen/botrunner/v1/bot_pb.js';
import { BotService, type WatchBotsRequest, type WatchBotsResponse } from '#gen/botrunner/v1/bot_service_pb.js';
import type { Event } from '#gen/botrunner/v1/event_pb.js';
import { JobStatus } from '#gen/botrunner/v1/job_pb.js';
import { JobService } from '#gen/botrunner/v1/job_service_pb.js';
import { defaultFleetTimes } from '../../orchestrator/fleet/fleet.ts';
import { type EventReader, readEvents } from '../kit/event-reader.ts';
import { eventually as eventuallyWithin } from '../kit/eventually.ts';
import {
  clientToken,
  type JsonBody,
  startTestOrchestrator,
  type TestOrchestrator,
} from '../kit/orchestrator-for-tests.ts';
import { connectScriptedWorker, observed } from '../kit/scripted-worker.ts';
import { bearer } from '../kit/typed-calls.ts';

vi.setConfig({ testTimeout: 60_000 });

/** Generous: the machine of the tests is a busy one. */
const eventually: typeof eventuallyWithin = (what, read, holds, options = {}) =>
  eventuallyWithin(what, read, holds, { timeoutMs: 30_000, ...options });

let orchestrator: TestOrchestrator;
let bots: Client<typeof BotService>;
let jobs: Client<typeof JobService>;
let over: AbortController;

function clientsOf(token: string) {
  const transport = createGrpcTransport({
    baseUrl: orchestrator.url,
    interceptors: [bearer(token)],
  });
  return { bots: createClient(BotService, transport), jobs: createClient(JobService, transport) };
}

beforeEach(async () => {
  orchestrator = await startTestOrchestrator({ env: { MAX_BOTS_PER_USER: '100' } });
  ({ bots, jobs } = clientsOf(clientToken));
  over = new AbortController();
});
afterEach(async () => {
  over.abort();
  await orchestrator[Symbol.asyncDispose]();
});

const start = (botId: string) =>
  orchestrator.post({ action: 'start', bot_id: botId, deployment_mode: 'simple', code: 'print(1)' });
const stop = (botId: string) => orchestrator.post({ action: 'stop', bot_id: botId });
/** Start and stop: without a worker both wait, and each changes the bot and its jobs several times. */
async function stir(botId: string): Promise<void> {
  await start(botId);
  await stop(botId);
}

/** Watches until the signal; `heard` grows meanwhile. */
function watch(request: Partial<Omit<WatchBotsRequest, '$typeName' | '$unknown'>>, signal = over.signal) {
  const heard: WatchBotsResponse[] = [];
  const ended = (async () => {
    for await (const message of bots.watchBots(request, { signal })) heard.push(message);
  })().catch((error: unknown) => ConnectError.from(error));
  return { heard, ended, events: () => eventsOf(heard) };
}
const eventsOf = (heard: readonly WatchBotsResponse[]): Event[] =>
  heard.flatMap(({ update }) => (update.case === 'event' ? [update.value] : []));
const seqsOf = (events: readonly Event[]): number[] => events.map(({ seq }) => Number(seq));

/** Everything in the outbox of the caller, by a fresh reading. */
async function all(): Promise<Event[]> {
  const heard: WatchBotsResponse[] = [];
  for await (const message of bots.watchBots({ last: 1000, includeJobs: true, untilNow: true })) heard.push(message);
  return eventsOf(heard);
}

describe('the events of a user', () => {
  it('report every change of bots and jobs in order, numbered per bot without a hole', async () => {
    const { heard, events } = watch({ includeJobs: true });
    await eventually(
      'the snapshot',
      () => heard.length,
      (count) => count > 0,
    );
    expect(heard[0]?.update.case).toBe('snapshot');
    await Promise.all(['a', 'b', 'c'].map(stir));
    const expected = await all();
    await eventually(
      'all events',
      () => events().length,
      (count) => count >= expected.length,
    );
    expect(seqsOf(events())).toEqual(seqsOf(expected));
    for (const botId of ['a', 'b', 'c']) {
      const own = events().filter((event) => event.botId === botId && event.subject.case === 'bot');
      expect(own.map(({ botSeq }) => Number(botSeq))).toEqual(own.map((_, index) => index + 1));
      const { bot } = await bots.getBot({ botId });
      expect(own.at(-1)?.subject.value).toMatchObject({ state: bot?.state, generation: bot?.generation });
    }
    expect(events().filter(({ subject }) => subject.case === 'job').length).toBeGreaterThan(0);
  });

  it('reach nobody else', async () => {
    const admin = await fetch(`${orchestrator.url}/botrunner.v1.AdminService/CreateToken`, {
      method: 'POST',
      headers: { authorization: 'Bearer test-admin-token', 'content-type': 'application/json' },
      body: JSON.stringify({ userId: 'ann', name: 'laptop', scope: 'TOKEN_SCOPE_CLIENT' }),
    });
    const token = ((await admin.json()) as { value: string }).value;
    const ann = await readEvents(orchestrator.url, { token });
    const dev = await readEvents(orchestrator.url);
    await stir('secret');
    await eventually(
      'dev sees them',
      () => dev.frames.length,
      (count) => count > 5,
    );
    expect(ann.frames.map(({ event }) => event)).toEqual(['snapshot']);
    const place = dev.lastId();
    // A place of somebody else's event shows nothing of it either.
    const resumed = await readEvents(orchestrator.url, { token, lastEventId: place.replace(/\d+$/, '0') });
    await eventually(
      'a mark or nothing',
      () => resumed.frames.length,
      () => true,
    );
    expect(resumed.frames).toEqual([]);
    await expect(readEvents(orchestrator.url, { token, query: '?bot=secret' })).rejects.toThrow('BOT_NOT_FOUND');
    for (const reader of [ann, dev, resumed]) reader.close();
  });

  it('hostile 15: are refused for a wrong token, place, number or parameter, with the status of the refusal', async () => {
    const refused = (options: Parameters<typeof readEvents>[1]) => readEvents(orchestrator.url, options);
    await expect(refused({ token: 'wrong-token-1' })).rejects.toThrow(/^401 .*UNAUTHENTICATED/);
    await expect(refused({ token: 'test-worker-token' })).rejects.toThrow(/^403 .*PERMISSION_DENIED/);
    await expect(refused({ lastEventId: 'x' })).rejects.toThrow(/^400 .*INVALID_CURSOR/);
    await expect(refused({ query: '?last=1001' })).rejects.toThrow(/^400 .*INVALID_LINES/);
    await expect(refused({ query: '?bott=a' })).rejects.toThrow(/^400 .*MALFORMED_REQUEST/);
    await expect(refused({ query: '?bot=a%20b' })).rejects.toThrow(/^400 .*INVALID_BOT_ID/);
    const error = await watch({ resumeFrom: 'x' }).ended;
    expect(error).toMatchObject({ code: Code.InvalidArgument });
  });

  it('continue counting for a bot that was deleted and made again, and say that it was deleted', async () => {
    const worker = await connectScriptedWorker(orchestrator.address);
    await start('again');
    worker.succeed(await worker.take('ensure'));
    const { job } = await bots.deleteBot({ botId: 'again' });
    const removal = await worker.take('ensure');
    worker.succeed(removal, observed(removal, { state: BotState.STOPPED, containerId: '' }));
    await eventually(
      'the bot is deleted',
      async () => (await jobs.getJob({ jobId: job?.jobId ?? '' })).job?.status,
      (status) => status === JobStatus.COMPLETED,
    );
    await start('again');
    worker.close();
    const own = (await all()).filter(({ subject }) => subject.case === 'bot');
    expect(own.map(({ botSeq }) => Number(botSeq))).toEqual(own.map((_, index) => index + 1));
    const told = own.map(({ deleted }) => deleted);
    expect(told.filter(Boolean)).toHaveLength(1);
    expect(told.indexOf(true)).toBeLessThan(told.length - 1);
  });

  it('leave out what a reading answered, which only its caller gets', async () => {
    const { job } = await jobs.createJob({ blueprint: 'bot_runner', data: { action: 'list' } });
    const told = (await all()).flatMap(({ subject }) => (subject.case === 'job' ? [subject.value] : []));
    expect(told.at(-1)).toMatchObject({ jobId: job?.jobId, status: JobStatus.COMPLETED });
    expect(told.at(-1)?.result).toBeUndefined();
    expect((await jobs.getJob({ jobId: job?.jobId ?? '' })).job?.result).toMatchObject({ count: 0 });
  });
});

describe('resuming', () => {
  it('gives what came meanwhile, by the header as well as by the parameter, the header first', async () => {
    await stir('a');
    const reader = await readEvents(orchestrator.url, { query: '?last=1000' });
    await eventually(
      'the past',
      () => reader.frames.length,
      (count) => count > 5,
    );
    reader.close();
    const before = reader.frames.length;
    await stir('b');
    const expected = (await all()).length - before;
    for (const options of [
      { lastEventId: reader.lastId() },
      { query: `?resume_from=${reader.lastId()}` },
      { lastEventId: reader.lastId(), query: `?resume_from=${reader.frames[0]?.id}` },
    ]) {
      const resumed = await readEvents(orchestrator.url, options);
      await eventually(
        'what came',
        () => resumed.frames.length,
        (count) => count >= expected,
      );
      expect(resumed.frames.map(({ data }) => data.seq)).toEqual(
        Array.from({ length: expected }, (_, index) => before + index + 1),
      );
      resumed.close();
    }
  });

  it('loses and doubles nothing, wherever connections break', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ bot: fc.integer({ min: 0, max: 3 }), breakAfter: fc.integer({ min: 0, max: 12 }) }), {
          minLength: 3,
          maxLength: 8,
        }),
        async (rounds) => {
          const from = (await all()).at(-1);
          const seen: number[] = [];
          let place = '';
          let reader: EventReader = await readEvents(orchestrator.url);
          const take = () => {
            reader.close();
            for (const { event, data } of reader.frames) if (event !== 'snapshot') seen.push(data.seq);
            place = reader.lastId() || place;
          };
          await eventually(
            'the snapshot',
            () => reader.frames.length,
            (count) => count > 0,
          );
          for (const { bot, breakAfter } of rounds) {
            const stirring = stir(`p${bot}`);
            await eventually(
              'some events',
              () => reader.frames.length,
              (count) => count >= breakAfter % 4,
            );
            take();
            if (breakAfter % 2 === 0) await stirring;
            reader = await readEvents(orchestrator.url, { lastEventId: place });
            await stirring;
          }
          const expected = seqsOf(await all()).filter((seq) => seq > Number(from?.seq ?? 0));
          await eventually(
            'the rest',
            () => [...seen, ...reader.frames.map(({ data }) => data.seq)],
            (seqs) => seqs.includes(expected.at(-1)),
          );
          take();
          expect(seen).toEqual(expected);
        },
      ),
      // The smallest counterexample would take minutes; the seed is printed.
      { numRuns: 8, endOnFailure: true },
    );
  }, 120_000);

  it('from another store or the future begins with a snapshot and the reason', async () => {
    await Promise.all(['a', 'b'].map(stir));
    const { heard } = watch({ last: 1, untilNow: true });
    await eventually(
      'an event',
      () => heard.length,
      (count) => count > 0,
    );
    const place = heard[0]?.resumeFrom ?? '';
    for (const other of [place.replace(/^.{8}/, 'AAAAAAAA'), place.replace(/\d+$/, '999999')]) {
      const reader = await readEvents(orchestrator.url, { lastEventId: other });
      await eventually(
        'a snapshot',
        () => reader.frames,
        (frames) => frames.length > 0,
      );
      expect(reader.frames[0]).toMatchObject({ event: 'snapshot', data: { bots: [{ bot_id: 'a' }, {}] } });
      expect(reader.frames[0]?.data.reason).toMatch(/no longer kept/);
      // From here on it continues as always.
      await stir('b');
      await eventually(
        'what comes',
        () => reader.frames.length,
        (count) => count > 5,
      );
      expect(reader.frames.slice(1).map(({ data }) => data.seq)).toEqual(
        reader.frames.slice(1).map((_, index) => reader.frames[1]?.data.seq + index),
      );
      reader.close();
    }
  });

  it('works for a job: every state since the place, and the result at the end', async () => {
    const created = await jobs.createJob({ blueprint: 'test_workflow', data: { input: 'x'.repeat(20_000) } });
    const jobId = created.job?.jobId ?? '';
    const first = new AbortController();
    let place = '';
    for await (const message of jobs.watchJob({ jobId }, { signal: first.signal })) {
      place = message.resumeFrom;
      break;
    }
    first.abort();
    expect(place).not.toBe('');
    const call = (path: string, body: JsonBody) =>
      fetch(`${orchestrator.url}${path}`, {
        method: 'POST',
        headers: { authorization: 'Bearer test-worker-token', 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
    await call('/workers/register', { worker_id: 'r1', worker_type: 'x', supported_tasks: ['process_data'] });
    const tasks = await fetch(`${orchestrator.url}/workers/r1/tasks?wait=5`, {
      headers: { authorization: 'Bearer test-worker-token' },
    });
    const [task] = (await tasks.json()) as JsonBody;
    const result = { status: 'success', data: { output: 'X'.repeat(20_000) } };
    await call('/tasks/result', { job_id: jobId, task_id: task.task_id, worker_id: 'r1', result });
    const states: string[] = [];
    let output = '';
    for await (const { update } of jobs.watchJob({ jobId, resumeFrom: place })) {
      if (update.case !== 'job') continue;
      states.push(JobStatus[update.value.status]);
      output = String(update.value.result?.['output'] ?? '');
    }
    expect(states).toEqual(['RUNNING', 'COMPLETED']);
    // Too large for an event, so it was read from the store.
    expect(output).toHaveLength(20_000);
  });
});

it('a worker that joins, falls silent and comes back is an event for the admin, and its bots turn unknown and back', async () => {
  await orchestrator[Symbol.asyncDispose]();
  orchestrator = await startTestOrchestrator({ fleetTimes: { ...defaultFleetTimes, unknownAfterMs: 1_500 } });
  const admin = await readEvents(orchestrator.url, { token: 'test-admin-token' });
  const user = await readEvents(orchestrator.url, { query: '?jobs=0' });
  const worker = await connectScriptedWorker(orchestrator.address);
  await worker.take('welcome');
  await start('echo');
  worker.succeed(await worker.take('ensure'));
  const bot = () => user.frames.at(-1)?.data.bot;
  const condition = () => admin.frames.at(-1)?.data.worker?.condition;
  const bound = { timeoutMs: 15_000 };
  // It says nothing more for a while.
  await eventually(
    'the bot is unknown',
    () => bot()?.status,
    (status) => status === 'unknown',
    bound,
  );
  expect(bot().reason).toMatch(/worker w1 has not been heard from/);
  await eventually('so the worker is silent', condition, (seen) => seen === 'silent', bound);
  await eventually(
    'both are back',
    () => {
      worker.send({ case: 'heartbeat', value: { ready: true } });
      return [bot()?.status, condition()];
    },
    ([status, seen]) => status === 'running' && seen === 'ready',
    bound,
  );
  expect(admin.frames[0]).toMatchObject({ event: 'snapshot', data: { workers: [] } });
  const numbers = user.frames.slice(1).map(({ data }) => data.bot_seq);
  expect(numbers).toEqual(numbers.map((_, index) => index + 1));
  for (const open of [admin, user, worker]) open.close();
});
