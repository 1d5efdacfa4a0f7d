/**
 * Played workers that send heartbeats until they are closed, at an orchestrator that soon calls the others silent. Beside
 * played-workers.ts, whose workers send nothing on their own.
 */
import { afterEach, beforeEach } from 'vitest';
import type { Ensure } from '#gen/botrunner/v1/worker_service_pb.js';
import { eventually } from '../kit/eventually.ts';
import type { ScriptedWorker } from '../kit/scripted-worker.ts';
import {
  accepted,
  begin,
  bot,
  connect,
  type HelloInit,
  job,
  listed,
  orchestrator,
  run,
  untilFinal,
  workers,
} from './played-workers.ts';

/** A Telegram token by its form; no bot has it. */
export const token = '123456789:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA';
// Long enough for a heartbeat under load, short enough for a test.
const heartbeatMs = 100;
export const soonSilent = { heartbeatMs, suspectAfterMs: 900, unknownAfterMs: 1_500 };
const beats: NodeJS.Timeout[] = [];

/** Gives each test of the file an orchestrator of its own; no worker sends anything after the test. */
export function eachWithSoonSilentWorkers(maxBots: number, fleetTimes = soonSilent): void {
  beforeEach(() => begin({ env: { MAX_BOTS_PER_USER: String(maxBots) }, fleetTimes }));
  afterEach(async () => {
    for (const beat of beats.splice(0)) clearInterval(beat);
    for (const worker of workers.splice(0)) worker.close();
    await orchestrator[Symbol.asyncDispose]();
  });
}

/** A worker that sends heartbeats until it is closed, labelled n=NAME. */
export async function alive(workerId: string, hello: HelloInit = {}): Promise<ScriptedWorker> {
  const worker = await connect(workerId, { labels: { n: workerId }, ...hello });
  const beat = setInterval(() => worker.send({ case: 'heartbeat', value: { ready: true } }), heartbeatMs);
  beats.push(beat);
  return {
    ...worker,
    close: () => {
      clearInterval(beat);
      worker.close();
    },
  };
}

export const untilSilent = (workerId: string) =>
  eventually(
    'the worker is silent',
    () => listed(workerId),
    (seen) => /not connected|not heard/.test(seen?.reason ?? '') && seen?.state === 4,
    { timeoutMs: 10_000 },
  );
export const untilUnknown = (botId: string) =>
  eventually(
    'the state of the bot is unknown',
    () => bot(botId),
    ({ status }) => status === 'unknown',
    { timeoutMs: 10_000 },
  );
export const list = async () => (await job(await accepted({ action: 'list' }))).data.result;
export const act = async (action: string, botId: string, more = {}) =>
  untilFinal(await accepted({ action, bot_id: botId, ...more }));
/** The first set the worker is welcomed with, by bot. */
export const welcomed = (worker: ScriptedWorker): Ensure[] => {
  const welcome = worker.heard.find(({ body }) => body.case === 'welcome')?.body;
  return welcome?.case === 'welcome' ? (welcome.value.desiredSet?.bots ?? []) : [];
};
export async function silentWith(...botIds: string[]): Promise<Ensure[]> {
  const two = await alive('two');
  const ensures: Ensure[] = [];
  for (const botId of botIds) {
    const env_vars = botId === 'tg' ? { BOT_TOKEN: token } : {};
    ensures.push(await run(two, botId, { env_vars }));
  }
  two.close();
  for (const botId of botIds) await untilUnknown(botId);
  return ensures;
}
