/** A worker that is forgotten: what its bots get back, and what it does when it returns after all. */
import { describe, expect, it } from 'vitest';
import { FreedBotOutcome } from '#gen/botrunner/v1/admin_service_pb.js';
import { DesiredState } from '#gen/botrunner/v1/bot_pb.js';
import { connectScriptedWorker, observed } from '../kit/scripted-worker.ts';
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
  admin,
  bot,
  detailOf,
  job,
  listed,
  orchestrator,
  run,
  simple,
  stopped,
  untilFinal,
} from './played-workers.ts';

eachWithSoonSilentWorkers(2);

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
    // It comes back with both copies, joins again, and is instructed to remove them.
    const refused = await connectScriptedWorker(
      orchestrator.address,
      { workerId: 'two' },
      'test-worker-token',
      'x'.repeat(43),
    );
    refused.close();
    await admin().readmitWorker({ workerId: 'two' });
    const back = await alive('two', { snapshot: ensures.map((ensure) => observed(ensure)) });
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
    const back = await alive('two', { snapshot: [observed(ensure)] });
    const id = await accepted(simple('x'));
    expect((await job(id)).reason).toBe('two is not ready (it is still removing bots that were deleted or freed)');
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
