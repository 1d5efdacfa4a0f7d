/** A delete that takes the data along, on every worker that has some. */
import { describe, expect, it } from 'vitest';
import { BotState, DesiredState } from '#gen/botrunner/v1/bot_pb.js';
import { eventually } from '../kit/eventually.ts';
import { observed } from '../kit/scripted-worker.ts';
import { alive, eachWithSoonSilentWorkers, list, soonSilent, untilSilent, welcomed } from './living-workers.ts';
import { accepted, admin, job, listed, run, simple, stopped, untilFinal } from './played-workers.ts';

eachWithSoonSilentWorkers(2);

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
      'nothing was heard from it for long enough',
      () => listed('one'),
      (seen) => Number(seen?.lastSeenAt?.seconds ?? 0n) * 1000 < Date.now() - soonSilent.unknownAfterMs - 1_000,
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
