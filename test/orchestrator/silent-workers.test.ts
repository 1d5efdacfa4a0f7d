/** What can be decided about bots whose worker is silent, and what becomes of it when the worker is back. */
import { describe, expect, it } from 'vitest';
import { DesiredState } from '#gen/botrunner/v1/bot_pb.js';
import { eventually } from '../kit/eventually.ts';
import { observed } from '../kit/scripted-worker.ts';
import {
  act,
  alive,
  eachWithSoonSilentWorkers,
  list,
  silentWith,
  token,
  untilSilent,
  untilUnknown,
  welcomed,
} from './living-workers.ts';
import {
  accepted,
  bot,
  connect,
  job,
  listed,
  orchestrator,
  run,
  simple,
  stopped,
  untilFinal,
} from './played-workers.ts';

eachWithSoonSilentWorkers(2);

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
    // It keeps its Telegram token; a bot that wants it learns whose silence is in the way, and the cure.
    await alive('one');
    const { body } = await orchestrator.post(simple('c', { env_vars: { BOT_TOKEN: token }, takeover: true }));
    expect(body.error).toMatchObject({ code: 'TOKEN_IN_USE', details: { worker_id: 'two' } });
    expect(body.error.hint).toContain('avtomatika-bot worker forget two');
    // Over a restart of the orchestrator too, when the worker has not been silent for long.
    await orchestrator.restart();
    const again = await orchestrator.post(simple('c', { env_vars: { BOT_TOKEN: token } }));
    expect(again.body.error).toMatchObject({ code: 'TOKEN_IN_USE', details: { worker_id: 'two' } });
    expect(again.body.error.message).not.toContain('runs with');
    const back = await alive('two', { snapshot: [observed(ensure)] });
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
      reason: 'worker two has not yet removed the deleted bot of that name',
    });
    if (ensure === undefined) throw new Error('no bot ran');
    const back = await alive('two', { snapshot: [observed(ensure)] });
    const [removal] = welcomed(back);
    if (removal === undefined) throw new Error('no removal');
    back.succeed(removal, stopped(removal));
    const began = await eventually(
      'the start has begun',
      () => job(id),
      ({ status }) => status === 'running',
    );
    expect(began.state).toBe('start_bot');
    const next = await eventually(
      'a worker was told to start it',
      () =>
        [...one.heard, ...back.heard].find(
          ({ body }) => body.case === 'ensure' && body.value.desired === DesiredState.RUNNING,
        ),
      (ensure) => ensure !== undefined,
    );
    expect(next?.body.value).toMatchObject({ spec: { env: { NEW: '1' } } });
  });

  it('tries again when the worker could not do it', async () => {
    const [ensure] = await silentWith('a');
    await act('delete', 'a');
    if (ensure === undefined) throw new Error('no bot ran');
    const back = await alive('two', { snapshot: [observed(ensure)] });
    const [removal] = welcomed(back);
    if (removal === undefined) throw new Error('no removal');
    back.send({
      case: 'result',
      value: { taskId: removal.taskId, outcome: { case: 'failed', value: { message: 'the engine is away' } } },
    });
    await back.take('resultAck');
    expect(await listed('two')).toMatchObject({ pending: 1 });
    back.close();
    const again = await alive('two', { snapshot: [observed(ensure)] });
    expect(welcomed(again)).toMatchObject([{ botId: 'a', desired: DesiredState.REMOVED }]);
  });
});

describe('a stop of a bot whose worker is silent', () => {
  it('is done as a decision, and the bot is unknown until the worker has stopped it', async () => {
    const [ensure] = await silentWith('tg');
    expect((await act('stop', 'tg')).data.result).toMatchObject({
      status: 'pending_on_worker',
      worker_id: 'two',
      reason: 'tg will be stopped when its worker two is back; until then it may keep running',
    });
    expect(await list()).toMatchObject({ count: 0, bots: [{ bot_id: 'tg', status: 'unknown', desired: 'stopped' }] });
    expect((await bot('tg')).reason).toMatch(
      /^its worker two has not been heard from for \d+ s; it will be stopped when/,
    );
    // Twice is as good as once.
    expect((await act('stop', 'tg')).data.result.status).toBe('pending_on_worker');
    if (ensure === undefined) throw new Error('no bot ran');
    const back = await alive('two', { snapshot: [observed(ensure)] });
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
    const back = await alive('two', { snapshot: [observed(ensure)] });
    const [stop] = welcomed(back);
    expect(stop).toMatchObject({ botId: 'tg', desired: DesiredState.STOPPED, taskId: id });
    if (stop === undefined) throw new Error('no stop');
    back.succeed(stop, stopped(stop));
    await eventually(
      'it is known not to run, and what was called off has not failed',
      () => bot('tg'),
      ({ status }) => status === 'stopped',
    );
    expect((await orchestrator.post(simple('c', { env_vars: { BOT_TOKEN: token } }))).status).toBe(202);
  });
});
