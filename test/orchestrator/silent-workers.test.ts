/** What can be decided about bots whose worker is silent, and what becomes of it when the worker is back or forgotten. */

import type { MessageInitShape } from '@bufbuild/protobuf';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FreedBotOutcome } from '#gen/botrunner/v1/admin_service_pb.js';
import { BotState, DesiredState } from '#gen/botrunner/v1/bot_pb.js';
import type { BotObservationSchema, Ensure } from '#gen/botrunner/v1/worker_service_pb.js';
import { eventually } from '../kit/eventually.ts';
import { connectScriptedWorker, observed, type ScriptedWorker } from '../kit/scripted-worker.ts';
import {
  accepted,
  admin,
  begin,
  bot,
  connect,
  detailOf,
  job,
  listed,
  orchestrator,
  run,
  simple,
  stopped,
  untilFinal,
  workers,
} from './played-workers.ts';

// Long enough for a heartbeat under load, short enough for a test.
const fleetTimes = { heartbeatMs: 100, suspectAfterMs: 900, unknownAfterMs: 1_500 };
const token = '123456789:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA';
const beats: NodeJS.Timeout[] = [];

beforeEach(() => begin({ env: { MAX_BOTS_PER_USER: '2' }, fleetTimes }));
afterEach(async () => {
  for (const beat of beats.splice(0)) clearInterval(beat);
  for (const worker of workers.splice(0)) worker.close();
  await orchestrator[Symbol.asyncDispose]();
});

/** A worker that is heard of until it is closed. */
async function alive(workerId: string, snapshot: MessageInitShape<typeof BotObservationSchema>[] = []) {
  const worker = await connect(workerId, { labels: { n: workerId }, snapshot });
  const beat = setInterval(() => worker.send({ case: 'heartbeat', value: { ready: true } }), fleetTimes.heartbeatMs);
  beats.push(beat);
  return {
    ...worker,
    close: () => {
      clearInterval(beat);
      worker.close();
    },
  };
}
const untilSilent = (workerId: string) =>
  eventually(
    'the worker is silent',
    () => listed(workerId),
    (seen) => /not connected|not heard/.test(seen?.reason ?? '') && seen?.state === 4,
    { timeoutMs: 10_000 },
  );
const untilUnknown = (botId: string) =>
  eventually(
    'the state of the bot is unknown',
    () => bot(botId),
    ({ status }) => status === 'unknown',
    { timeoutMs: 10_000 },
  );
const list = async () => (await job(await accepted({ action: 'list' }))).data.result;
const act = async (action: string, botId: string, more = {}) =>
  untilFinal(await accepted({ action, bot_id: botId, ...more }));
/** The first set the worker is welcomed with, by bot. */
const welcomed = (worker: ScriptedWorker): Ensure[] => {
  const welcome = worker.heard.find(({ body }) => body.case === 'welcome')?.body;
  return welcome?.case === 'welcome' ? (welcome.value.desiredSet?.bots ?? []) : [];
};
async function silentWith(...botIds: string[]): Promise<Ensure[]> {
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

describe('a delete of a bot whose worker is silent', () => {
  it('is done as a decision: gone from list and quota, carried out when the worker is back', async () => {
    const [ensure] = await silentWith('tg', 'b');
    if (ensure === undefined) throw new Error('no bot ran');
    expect((await list()).count).toBe(2);
    const ended = await act('delete', 'tg', { purge: true });
    expect(ended).toMatchObject({
      status: 'completed',
      data: { result: { status: 'pending_on_worker', bot_id: 'tg', worker_id: 'two' } },
    });
    expect(await list()).toMatchObject({ count: 1, bots: [{ bot_id: 'b' }] });
    expect(await bot('tg')).toEqual({ exists: false, bot_id: 'tg' });
    expect((await orchestrator.post({ action: 'delete', bot_id: 'tg' })).body.error.code).toBe('BOT_NOT_FOUND');
    expect(await listed('two')).toMatchObject({ pending: 1, bots: 1 });
    // Its Telegram token it keeps; who wants it learns whose silence is in the way, and the cure.
    await alive('one');
    const { body } = await orchestrator.post(simple('c', { env_vars: { BOT_TOKEN: token }, takeover: true }));
    expect(body.error).toMatchObject({ code: 'TOKEN_IN_USE', details: { worker_id: 'two' } });
    expect(body.error.hint).toContain('avtomatika-bot worker forget two');
    // Over a restart of the orchestrator too, when the worker has not been silent for long.
    await orchestrator.restart();
    const again = await orchestrator.post(simple('c', { env_vars: { BOT_TOKEN: token } }));
    expect(again.body.error).toMatchObject({ code: 'TOKEN_IN_USE', details: { worker_id: 'two' } });
    expect(again.body.error.message).not.toContain('runs with');
    const back = await alive('two', [observed(ensure)]);
    const removal = welcomed(back).find(({ botId }) => botId === 'tg');
    expect(removal).toMatchObject({
      desired: DesiredState.REMOVED,
      purge: true,
      taskId: expect.stringMatching(/^\w{26}$/),
    });
    if (removal === undefined) throw new Error('no removal');
    back.succeed(removal, stopped(removal));
    await back.take('resultAck');
    expect((await orchestrator.post(simple('c', { env_vars: { BOT_TOKEN: token } }))).status).toBe(202);
    expect(await listed('two')).toMatchObject({ pending: 0 });
  });

  it('makes a start of the same name wait until it is carried out', async () => {
    const [ensure] = await silentWith('a');
    await act('delete', 'a');
    const one = await alive('one');
    const id = await accepted(simple('a', { env_vars: { NEW: '1' } }));
    expect(await job(id)).toMatchObject({
      status: 'pending',
      reason: 'worker two has yet to remove the deleted bot of that name',
    });
    if (ensure === undefined) throw new Error('no bot ran');
    const back = await alive('two', [observed(ensure)]);
    const [removal] = welcomed(back);
    if (removal === undefined) throw new Error('no removal');
    back.succeed(removal, stopped(removal));
    const began = await eventually(
      'the start has begun',
      () => job(id),
      ({ status }) => status === 'running',
    );
    expect(began.state).toBe('start_bot');
    const next = [...one.heard, ...back.heard].find(
      ({ body }) => body.case === 'ensure' && body.value.desired === DesiredState.RUNNING,
    );
    expect(next?.body.value).toMatchObject({ spec: { env: { NEW: '1' } } });
  });

  it('tries again when the worker could not do it', async () => {
    const [ensure] = await silentWith('a');
    await act('delete', 'a');
    if (ensure === undefined) throw new Error('no bot ran');
    const back = await alive('two', [observed(ensure)]);
    const [removal] = welcomed(back);
    if (removal === undefined) throw new Error('no removal');
    back.send({
      case: 'result',
      value: { taskId: removal.taskId, outcome: { case: 'failed', value: { message: 'the engine is away' } } },
    });
    await back.take('resultAck');
    expect(await listed('two')).toMatchObject({ pending: 1 });
    back.close();
    const again = await alive('two', [observed(ensure)]);
    expect(welcomed(again)).toMatchObject([{ botId: 'a', desired: DesiredState.REMOVED }]);
  });
});

describe('a stop of a bot whose worker is silent', () => {
  it('is done as a decision, and the bot is unknown until the worker has stopped it', async () => {
    const [ensure] = await silentWith('tg');
    expect((await act('stop', 'tg')).data.result).toMatchObject({
      status: 'pending_on_worker',
      worker_id: 'two',
      reason: 'tg will be stopped when its worker two is back; it may run on until then',
    });
    expect(await list()).toMatchObject({ count: 0, bots: [{ bot_id: 'tg', status: 'unknown', desired: 'stopped' }] });
    expect((await bot('tg')).reason).toMatch(
      /^its worker two has not been heard of for \d+ s; it will be stopped when/,
    );
    // Twice is as good as once.
    expect((await act('stop', 'tg')).data.result.status).toBe('pending_on_worker');
    if (ensure === undefined) throw new Error('no bot ran');
    const back = await alive('two', [observed(ensure)]);
    const [stop] = welcomed(back);
    if (stop === undefined) throw new Error('no stop');
    expect(stop).toMatchObject({ desired: DesiredState.STOPPED });
    back.succeed(stop, stopped(stop));
    await eventually(
      'the bot is stopped',
      () => bot('tg'),
      ({ status }) => status === 'stopped',
    );
    expect((await orchestrator.post(simple('c', { env_vars: { BOT_TOKEN: token } }))).status).toBe(202);
  });

  it('waits for a worker that has just gone, and is decided when that is silent', async () => {
    const two = await alive('two');
    await run(two, 'a');
    two.close();
    const id = await accepted({ action: 'stop', bot_id: 'a' });
    expect((await job(id)).status).toMatch(/waiting_for_worker|running/);
    expect((await untilFinal(id)).data.result.status).toBe('pending_on_worker');
  });

  it('is decided too when the worker falls silent in the middle of it', async () => {
    const two = await alive('two');
    await run(two, 'a');
    const id = await accepted({ action: 'delete', bot_id: 'a' });
    await two.take('ensure');
    two.close();
    const ended = await eventually(
      'the job has ended',
      () => job(id),
      ({ status }) => status === 'completed',
      { timeoutMs: 10_000 },
    );
    expect(ended.data.result.status).toBe('pending_on_worker');
  });

  it('of a bot that is known to be stopped has nothing left to do', async () => {
    const two = await alive('two');
    await run(two, 'a');
    const id = await accepted({ action: 'stop', bot_id: 'a' });
    const ensure = await two.take('ensure');
    two.succeed(ensure, stopped(ensure));
    await untilFinal(id);
    two.close();
    await untilSilent('two');
    expect((await act('stop', 'a')).data.result.status).toBe('stopped');
    expect((await act('delete', 'a')).data.result.status).toBe('pending_on_worker');
  });

  it('needs no worker at all for a bot that was never on one', async () => {
    (await connect('away', { labels: { n: 'away' } })).close();
    await accepted(simple('a', { on: { n: 'away' } }));
    expect((await act('stop', 'a')).data.result.status).toBe('stopped');
    expect((await act('delete', 'a')).data.result.status).toBe('deleted');
    expect((await list()).bots).toEqual([]);
  });
});

describe('a start whose worker falls silent', () => {
  it('and that ends then leaves its bot unknown, with its token, until the worker says that it does not run', async () => {
    const two = await alive('two');
    const id = await accepted(simple('tg', { env_vars: { BOT_TOKEN: token } }));
    const ensure = await two.take('ensure');
    two.close();
    await untilUnknown('tg');
    await fetch(`${orchestrator.url}/botrunner.v1.JobService/CancelJob`, {
      method: 'POST',
      headers: { authorization: 'Bearer test-client-token', 'content-type': 'application/json' },
      body: JSON.stringify({ jobId: id }),
    });
    expect((await untilFinal(id)).status).toBe('cancelled');
    expect(await bot('tg')).toMatchObject({ status: 'unknown', desired: 'stopped' });
    const refused = await orchestrator.post(simple('c', { env_vars: { BOT_TOKEN: token } }));
    expect(refused.body.error).toMatchObject({ code: 'TOKEN_IN_USE', details: { worker_id: 'two' } });
    const back = await alive('two', [observed(ensure)]);
    const [stop] = welcomed(back);
    expect(stop).toMatchObject({ botId: 'tg', desired: DesiredState.STOPPED, taskId: id });
    if (stop === undefined) throw new Error('no stop');
    back.succeed(stop, stopped(stop));
    await eventually(
      'it is known not to run',
      () => bot('tg'),
      ({ status }) => status === 'failed',
    );
    expect((await orchestrator.post(simple('c', { env_vars: { BOT_TOKEN: token } }))).status).toBe(202);
  });
});

describe('worker forget', () => {
  const forget = (workerId: string, hostIsOff = true) => admin().forgetWorker({ workerId, hostIsOff });

  it('frees names, tokens and places, and a worker that is back removes its copies before it gets a bot', async () => {
    const ensures = await silentWith('tg', 'b');
    await act('delete', 'tg', { purge: true });
    const { bots } = await forget('two');
    expect(bots.map(({ botId, outcome }) => [botId, outcome])).toEqual([
      ['b', FreedBotOutcome.STOPPED],
      ['tg', FreedBotOutcome.REMOVED],
    ]);
    expect(await listed('two')).toBeUndefined();
    expect(await list()).toMatchObject({ count: 0, bots: [{ bot_id: 'b', status: 'stopped', worker_id: null }] });
    expect((await forget('two')).bots).toEqual([]);
    const onTwo = await orchestrator.post(simple('c', { on: { n: 'two' } }));
    expect(onTwo).toMatchObject({ status: 409, body: { error: { code: 'NO_WORKER' } } });
    const one = await alive('one');
    const restart = await accepted({ action: 'restart', bot_id: 'b' });
    one.succeed(await one.take('ensure'));
    expect((await untilFinal(restart)).status).toBe('completed');
    await run(one, 'tg', { env_vars: { BOT_TOKEN: token } });
    // It comes back with both copies, joins anew, and is told to remove them.
    const refused = await connectScriptedWorker(
      orchestrator.address,
      { workerId: 'two' },
      'test-worker-token',
      'x'.repeat(43),
    );
    refused.close();
    await admin().readmitWorker({ workerId: 'two' });
    const back = await alive(
      'two',
      ensures.map((ensure) => observed(ensure)),
    );
    const removals = welcomed(back);
    expect(removals.map(({ botId, desired, purge }) => [botId, desired, purge])).toEqual([
      ['b', DesiredState.REMOVED, false],
      ['tg', DesiredState.REMOVED, true],
    ]);
    expect(await bot('b')).toMatchObject({ status: 'running', worker_id: 'one' });
  });

  it('gives a returning worker no bot until it has removed its copies', async () => {
    const [ensure] = await silentWith('a');
    await forget('two');
    if (ensure === undefined) throw new Error('no bot ran');
    const back = await alive('two', [observed(ensure)]);
    const id = await accepted(simple('x'));
    expect((await job(id)).reason).toBe(
      'two is not ready (it first removes what it has of bots that were deleted or freed)',
    );
    for (const removal of welcomed(back)) back.succeed(removal, stopped(removal));
    const next = await back.take('ensure');
    expect(next.botId).toBe('x');
  });

  it('is refused for a worker that is there, without a word that its host is off, and for nobody', async () => {
    const one = await alive('one');
    await run(one, 'a');
    expect(await detailOf(forget('one'))).toMatchObject({ code: 'FailedPrecondition' });
    expect(await detailOf(forget('nobody'))).toMatchObject({ code: 'NotFound' });
    one.close();
    await untilSilent('one');
    await untilUnknown('a');
    expect(await detailOf(forget('one', false))).toMatchObject({ code: 'InvalidArgument' });
    expect((await bot('a')).desired).toBe('running');
    expect((await forget('one')).bots).toMatchObject([{ userId: 'dev', botId: 'a' }]);
  });

  it('sends an open start to another worker', async () => {
    const two = await alive('two');
    const id = await accepted(simple('a'));
    await two.take('ensure');
    two.close();
    await untilUnknown('a');
    const one = await alive('one');
    expect((await forget('two')).bots).toMatchObject([{ botId: 'a', outcome: FreedBotOutcome.MOVED }]);
    one.succeed(await one.take('ensure'));
    expect(await untilFinal(id)).toMatchObject({ status: 'completed' });
    expect(await bot('a')).toMatchObject({ worker_id: 'one', status: 'running' });
  });
});

describe('a delete with purge after a move', () => {
  const drained = async () => {
    const one = await alive('one');
    const ensure = await run(one, 'a');
    const two = await alive('two');
    const moving = (async () => {
      for await (const _ of admin().drainWorker({ workerId: 'one', leaveData: true }));
    })();
    const out = await one.take('ensure');
    one.succeed(out, observed(out, { state: BotState.STOPPED, containerId: '', containerName: '', revision: 0n }));
    two.succeed(await two.take('ensure'));
    await moving;
    return { one, two, ensure };
  };

  it('removes the volume on every worker that has one, and is done when all have', async () => {
    const { one, two } = await drained();
    const id = await accepted({ action: 'delete', bot_id: 'a', purge: true });
    const main = await two.take('ensure');
    const other = await one.take('ensure');
    expect([main, other]).toMatchObject([
      { desired: DesiredState.REMOVED, purge: true },
      { desired: DesiredState.REMOVED, purge: true },
    ]);
    two.succeed(main, stopped(main));
    const waits = await eventually(
      'it waits for the other volume',
      () => job(id),
      ({ reason }) => reason !== '',
    );
    expect(waits).toMatchObject({ status: 'running', reason: 'removing its data on one' });
    one.succeed(other, stopped(other));
    expect((await untilFinal(id)).data.result).toMatchObject({ status: 'deleted' });
  });

  it('says so when one of them is away, and has it removed when that is back', async () => {
    const { one, two } = await drained();
    one.close();
    await untilSilent('one');
    await eventually(
      'nothing was heard of it for long enough',
      () => listed('one'),
      (seen) => Number(seen?.lastSeenAt?.seconds ?? 0n) * 1000 < Date.now() - fleetTimes.unknownAfterMs - 1_000,
      { timeoutMs: 10_000 },
    );
    const id = await accepted({ action: 'delete', bot_id: 'a', purge: true });
    const main = await two.take('ensure');
    two.succeed(main, stopped(main));
    expect((await untilFinal(id)).data.result).toMatchObject({
      status: 'pending_on_worker',
      worker_id: 'one',
      reason: 'a is removed; its data on one will be when that worker is back',
    });
    // The name is free elsewhere, but not where the old data is.
    const back = await alive('one');
    const [removal] = welcomed(back);
    expect(removal).toMatchObject({ botId: 'a', desired: DesiredState.REMOVED, purge: true });
    if (removal === undefined) throw new Error('no removal');
    back.succeed(removal, stopped(removal));
    await back.take('resultAck');
    expect(await listed('one')).toMatchObject({ pending: 0 });
  });

  it('also of a bot that has no worker now, but has left data on one', async () => {
    const one = await alive('one');
    await run(one, 'a', { on: { n: 'one' } });
    const first = await accepted({ action: 'delete', bot_id: 'a' });
    const gone = await one.take('ensure');
    one.succeed(gone, stopped(gone));
    await untilFinal(first);
    // Nobody can take it.
    await admin().cordonWorker({ workerId: 'one' });
    await accepted(simple('a'));
    const id = await accepted({ action: 'delete', bot_id: 'a', purge: true });
    const purge = await one.take('ensure');
    expect(purge).toMatchObject({ desired: DesiredState.REMOVED, purge: true });
    expect(await job(id)).toMatchObject({ status: 'running', reason: 'removing its data on one' });
    one.succeed(purge, stopped(purge));
    expect((await untilFinal(id)).data.result.status).toBe('deleted');
    expect((await list()).bots).toEqual([]);
  });

  it('without it is not asked of anybody else', async () => {
    const { two } = await drained();
    const id = await accepted({ action: 'delete', bot_id: 'a' });
    const main = await two.take('ensure');
    two.succeed(main, stopped(main));
    expect((await untilFinal(id)).data.result).toMatchObject({ status: 'deleted' });
    expect(await listed('one')).toMatchObject({ pending: 0 });
  });
});
