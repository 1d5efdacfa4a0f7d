/** Which bots have a place in the quota, with workers that are played. */
import { describe, expect, it } from 'vitest';
import { BotState } from '#gen/botrunner/v1/bot_pb.js';
import type { Ensure } from '#gen/botrunner/v1/worker_service_pb.js';
import { eventually } from '../kit/eventually.ts';
import { observed, type ScriptedWorker } from '../kit/scripted-worker.ts';
import {
  accepted,
  begin,
  bot,
  connect,
  eachWithOrchestrator,
  job,
  listed,
  orchestrator,
  run,
  simple,
  stop,
  untilFinal,
} from './played-workers.ts';

eachWithOrchestrator();

const list = async () => (await job(await accepted({ action: 'list' }))).data.result;
const restart = (botId: string) => orchestrator.post({ action: 'restart', bot_id: botId });
async function ends(worker: ScriptedWorker, ensure: Ensure, state: BotState, exitCode: number): Promise<void> {
  worker.send({ case: 'observations', value: { bots: [observed(ensure, { state, exitCode })] } });
  await eventually(
    'the bot is seen to have ended',
    () => bot(ensure.botId),
    ({ exit_code }) => exit_code === exitCode,
  );
}

describe('the quota', () => {
  it('does not count a bot that ended with 0, which needs a place again when it is started again', async () => {
    await orchestrator[Symbol.asyncDispose]();
    await begin({ env: { MAX_BOTS_PER_USER: '1' } });
    const worker = await connect('w');
    const first = await run(worker, 'a');
    await ends(worker, first, BotState.EXITED, 0);
    expect(await list()).toMatchObject({ count: 0, max_bots: 1, bots: [{ bot_id: 'a', status: 'exited' }] });
    expect(await listed('w')).toMatchObject({ bots: 1, runningBots: 0, reserved: { memoryBytes: 0n } });
    await run(worker, 'b');
    expect((await restart('a')).body.error).toMatchObject({ code: 'QUOTA_EXCEEDED', details: { active_bots: ['b'] } });
    expect((await orchestrator.post(simple('a'))).body.error.code).toBe('QUOTA_EXCEEDED');
    await stop(worker, 'b');
    const { body } = await restart('a');
    // It has its place from the moment it is accepted.
    expect((await orchestrator.post(simple('c'))).body.error.code).toBe('QUOTA_EXCEEDED');
    expect((await bot('a')).status).toBe('pending');
    worker.succeed(await worker.take('ensure'));
    expect(await untilFinal(body.job_id)).toMatchObject({ status: 'completed' });
    expect(await list()).toMatchObject({ count: 1 });
  });

  it('counts a bot that crashes, and one that waits for a worker', async () => {
    await orchestrator[Symbol.asyncDispose]();
    await begin({ env: { MAX_BOTS_PER_USER: '2' } });
    (await connect('away', { labels: { zone: 'mars' } })).close();
    await accepted(simple('waits', { on: { zone: 'mars' } }));
    const worker = await connect('w');
    await ends(worker, await run(worker, 'crashes'), BotState.CRASH_LOOP, 1);
    expect(await list()).toMatchObject({ count: 2 });
    expect((await orchestrator.post(simple('third'))).status).toBe(429);
  });

  it('hostile 111: gives the last place to exactly one of a hundred starts at once', async () => {
    await orchestrator[Symbol.asyncDispose]();
    await begin({ env: { MAX_BOTS_PER_USER: '1' } });
    const worker = await connect('w');
    await ends(worker, await run(worker, 'exited'), BotState.EXITED, 0);
    const answers = await Promise.all(
      Array.from({ length: 100 }, (_, n) => (n === 50 ? restart('exited') : orchestrator.post(simple(`b${n}`)))),
    );
    const statuses = answers.map(({ status }) => status).sort();
    expect(statuses).toEqual([202, ...Array(99).fill(429)]);
    expect(await list()).toMatchObject({ count: 1 });
  });
});
