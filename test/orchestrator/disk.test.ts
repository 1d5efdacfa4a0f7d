/** Nothing is answered before it is on disk, by any door; and nothing at all once the disk has failed. */
import { createClient } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { BotService } from '#gen/botrunner/v1/bot_service_pb.js';
import { HeldDisk } from '../../orchestrator/store/testing/held-disk.ts';
import { eventually } from '../kit/eventually.ts';
import { clientToken, startTestOrchestrator, type TestOrchestrator } from '../kit/orchestrator-for-tests.ts';
import { bearer } from '../kit/typed-calls.ts';

const start = { action: 'start', bot_id: 'echo', deployment_mode: 'simple', code: 'print(1)' };
const headers = { authorization: `Bearer ${clientToken}` };

let disk: HeldDisk;
let orchestrator: TestOrchestrator;
const ending = new AbortController();
beforeEach(async () => {
  disk = new HeldDisk();
  orchestrator = await startTestOrchestrator({ store: { disk } });
});
afterEach(async () => {
  ending.abort();
  disk.release();
  await orchestrator[Symbol.asyncDispose]();
});

const bots = () =>
  createClient(BotService, createGrpcTransport({ baseUrl: orchestrator.url, interceptors: [bearer(clientToken)] }));

/** Asks in every way for what a start that is on its way to the disk has made, and says in which order the answers came. */
function askEverywhere(order: string[]): readonly Promise<unknown>[] {
  const note = (name: string) => (answer: unknown) => {
    order.push(name);
    return answer;
  };
  const firstOf = async (path: string) => {
    const { body } = await fetch(`${orchestrator.url}${path}`, { headers, signal: ending.signal });
    let text = '';
    for await (const bytes of body ?? []) {
      text += Buffer.from(bytes).toString();
      if (text.includes('snapshot')) return text;
    }
    return text;
  };
  const snapshot = async () => {
    for await (const { update } of bots().watchBots({}, { signal: ending.signal })) {
      if (update.case === 'snapshot') return update.value;
    }
    return undefined;
  };
  return [
    orchestrator.post({ ...start, bot_id: 'other' }).then(note('REST POST')),
    orchestrator.get('/jobs/unknown').then(note('REST GET')),
    firstOf('/events').then(note('SSE')),
    bots().listBots({}).then(note('ListBots')),
    bots().getBot({ botId: 'echo' }).then(note('GetBot')),
    snapshot().then(note('WatchBots')),
  ];
}

it('answers when what it says is on disk', async () => {
  const before = disk.syncs;
  disk.hold();
  const order: string[] = [];
  const started = orchestrator.post(start).then((answer) => {
    order.push('start');
    return answer;
  });
  await eventually(
    'the start is on its way',
    () => disk.syncs,
    (syncs) => syncs > before,
  );
  const asked = askEverywhere(order);
  // Answered by the same event loop, after all of these have been read.
  for (let n = 0; n < 20; n++) expect((await fetch(`${orchestrator.url}/health`)).status).toBe(200);
  expect(order).toEqual([]);
  disk.release();
  expect(await started).toMatchObject({ status: 202 });
  const [posted, missing, events, listed, got, snapshot] = await Promise.all(asked);
  expect(posted).toMatchObject({ status: 202 });
  expect(missing).toMatchObject({ status: 404 });
  expect(events).toContain('"bot_id":"echo"');
  expect(listed).toMatchObject({ bots: [{ botId: 'echo' }] });
  expect(got).toMatchObject({ bot: { botId: 'echo' } });
  expect(snapshot).toMatchObject({ bots: [{ botId: 'echo' }] });
});

it('refuses everything once the disk has failed, says so to health checks, and has what it answered after a restart', async () => {
  const { body } = await orchestrator.post(start);
  const before = disk.syncs;
  disk.hold();
  const failed = orchestrator.post({ ...start, bot_id: 'failed' });
  await eventually(
    'the start is on its way',
    () => disk.syncs,
    (syncs) => syncs > before,
  );
  disk.fail();
  const refused = { status: 503, body: { error: { code: 'UNAVAILABLE' } } };
  expect(await failed).toMatchObject(refused);
  expect(await orchestrator.post({ ...start, bot_id: 'later' })).toMatchObject(refused);
  expect(await orchestrator.get(`/jobs/${body.job_id}`)).toMatchObject(refused);
  expect(await orchestrator.get('/health')).toEqual({ status: 503, body: { status: 'failing' } });
  await orchestrator.restart();
  expect(await orchestrator.get('/health')).toMatchObject({ status: 200 });
  expect(await orchestrator.get(`/jobs/${body.job_id}`)).toMatchObject({ status: 200 });
  expect(await orchestrator.post({ ...start, bot_id: 'later' })).toMatchObject({ status: 202 });
});
