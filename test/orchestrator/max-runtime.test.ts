/** MAX_RUNTIME_HOURS, seen from both ends, on a clock that the test moves. */

import { createClient } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { DesiredState } from '#gen/botrunner/v1/bot_pb.js';
import { BotService } from '#gen/botrunner/v1/bot_service_pb.js';
import type { Ensure } from '#gen/botrunner/v1/worker_service_pb.js';
import { defaultFleetTimes } from '../../orchestrator/fleet/fleet.ts';
import { eventually } from '../kit/eventually.ts';
import { createManualClock, type ManualClock } from '../kit/manual-clock.ts';
import {
  clientToken,
  type JsonBody,
  startTestOrchestrator,
  type TestOrchestrator,
} from '../kit/orchestrator-for-tests.ts';
import { connectScriptedWorker, observed, type ScriptedWorker } from '../kit/scripted-worker.ts';
import { bearer } from '../kit/typed-calls.ts';

const hour = 3_600_000;
const minute = 60_000;
const born = Date.UTC(2026, 0, 1);

// The played worker sends no heartbeats while the clock is moved.
const heardOfAlways = { ...defaultFleetTimes, suspectAfterMs: 6_000 * minute, unknownAfterMs: 6_000 * minute };

let clock: ManualClock;
let orchestrator: TestOrchestrator;
let worker: ScriptedWorker;
const connect = async () => {
  worker = await connectScriptedWorker(orchestrator.address);
  await worker.take('welcome');
};
beforeEach(async () => {
  clock = createManualClock({ wallMs: born });
  orchestrator = await startTestOrchestrator({ clock, env: { MAX_RUNTIME_HOURS: '1' }, fleetTimes: heardOfAlways });
  await connect();
});
afterEach(async () => {
  worker.close();
  await orchestrator[Symbol.asyncDispose]();
});

const ask = async (data: unknown): Promise<JsonBody> => {
  const { body } = await orchestrator.post(data);
  return (await orchestrator.get(`/jobs/${body.job_id}`)).body;
};
const bot = async () => (await ask({ action: 'status', bot_id: 'old' })).data.result as JsonBody;
const untilBot = (what: string, holds: (seen: JsonBody) => boolean) => eventually(what, bot, holds);
const run = async (data: object): Promise<Ensure> => {
  await orchestrator.post(data);
  const ensure = await worker.take('ensure');
  worker.succeed(ensure);
  await untilBot(
    'it runs',
    ({ status, generation }) => status === 'running' && generation === Number(ensure.generation),
  );
  return ensure;
};
const start = { action: 'start', bot_id: 'old', deployment_mode: 'simple', code: 'print(1)' };
const watching = () =>
  createClient(
    BotService,
    createGrpcTransport({
      baseUrl: orchestrator.url,
      interceptors: [bearer(clientToken)],
    }),
  );
/** The worker sends a heartbeat now and then, or its bots would look unknown. */
const pass = async (ms: number) => {
  await clock.advanceSettled(ms);
  worker.send({ case: 'heartbeat', value: { ready: true } });
};

it('warns ten minutes before, by an event too, and then stops the bot', async () => {
  await run(start);
  expect(await bot()).toMatchObject({ notice: '', stops_at: '2026-01-01T01:00:00.000Z' });
  await pass(50 * minute - 1);
  expect(await bot()).toMatchObject({ notice: '' });
  await pass(1);
  await untilBot('it is warned', ({ notice }) => notice.includes('2026-01-01T01:00:00.000Z'));
  await pass(10 * minute);
  const stop = await worker.take('ensure');
  expect(stop).toMatchObject({ botId: 'old', desired: DesiredState.STOPPED });
  worker.succeed(stop, observed(stop, { state: 10, revision: 0n, containerId: '', containerName: '' }));
  const stopped = await untilBot('it is stopped', ({ status }) => status === 'stopped');
  expect(stopped).toMatchObject({ stops_at: null, notice: expect.stringContaining('had run for 1 h') });
  const notices: string[] = [];
  for await (const { update } of watching().watchBots({ last: 1000, untilNow: true })) {
    if (update.case === 'event' && update.value.notice) notices.push(update.value.notice.code);
  }
  expect(notices).toEqual(['MAX_RUNTIME_SOON', 'MAX_RUNTIME_REACHED']);
});

it('starts over with a restart, and the warning is gone', async () => {
  await run(start);
  await pass(55 * minute);
  await untilBot('it is warned', ({ notice }) => notice !== '');
  await run({ action: 'restart', bot_id: 'old' });
  expect(await bot()).toMatchObject({ notice: '', stops_at: '2026-01-01T01:55:00.000Z' });
  await pass(40 * minute);
  expect(await bot()).toMatchObject({ desired: 'running', notice: '' });
});

it('survives a restart of the orchestrator, which warns first if it could not in time', async () => {
  await run(start);
  worker.close();
  clock.setWall(born + 3 * hour);
  await orchestrator.restart();
  await connect();
  const warned = await untilBot('it is warned', ({ notice }) => notice !== '');
  expect(warned).toMatchObject({ desired: 'running', stops_at: '2026-01-01T03:10:00.000Z' });
  // A warning that was given stands: another restart gives no more time.
  await pass(5 * minute);
  worker.close();
  await orchestrator.restart();
  await connect();
  expect(await bot()).toMatchObject({ stops_at: '2026-01-01T03:10:00.000Z' });
  await pass(5 * minute);
  expect((await worker.take('ensure')).desired).toBe(DesiredState.STOPPED);
});
