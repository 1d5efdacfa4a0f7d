/** How many bots one user may keep, running or not: each has a place on a worker's disk. With workers that are played. */
import { describe, expect, it } from 'vitest';
import { DesiredState } from '#gen/botrunner/v1/bot_pb.js';
import type { ScriptedWorker } from '../kit/scripted-worker.ts';
import {
  accepted,
  begin,
  connect,
  eachWithOrchestrator,
  orchestrator,
  run,
  simple,
  stop,
  stopped,
  untilFinal,
} from './played-workers.ts';

eachWithOrchestrator();

const beginWith = async (max: number, running = 200): Promise<ScriptedWorker> => {
  await orchestrator[Symbol.asyncDispose]();
  await begin({ env: { MAX_KEPT_BOTS_PER_USER: String(max), MAX_BOTS_PER_USER: String(running) } });
  return connect('w');
};
const bots = async () => (await orchestrator.get('/usage')).body.bots;
const refusal = async (botId: string) => (await orchestrator.post(simple(botId))).body.error;

async function remove(worker: ScriptedWorker, botId: string, purge: boolean): Promise<void> {
  const id = await accepted({ action: 'delete', bot_id: botId, purge });
  const ensure = await worker.take('ensure');
  expect(ensure).toMatchObject({ botId, desired: DesiredState.REMOVED, purge });
  worker.succeed(ensure, stopped(ensure));
  expect(await untilFinal(id)).toMatchObject({ status: 'completed', data: { result: { status: 'deleted' } } });
}

describe('the bots that a user keeps', () => {
  it('are as many as may be of a hundred that start at once, and none is lost when there are to be fewer', async () => {
    const worker = await beginWith(7);
    const answers = await Promise.all(Array.from({ length: 100 }, (_, n) => orchestrator.post(simple(`b${n}`))));
    expect(answers.map(({ status }) => status).sort()).toEqual([...Array(7).fill(202), ...Array(93).fill(429)]);
    expect(await bots()).toMatchObject({ kept: 7, kept_limit: 7 });
    worker.close();
    await orchestrator.restart(undefined, { MAX_KEPT_BOTS_PER_USER: '2' });
    expect(await bots()).toMatchObject({ kept: 7, kept_limit: 2 });
    const names = answers.flatMap(({ status }, n) => (status === 202 ? [`b${n}`] : []));
    // Those that are there may be started, however many there are.
    for (const name of names) expect((await orchestrator.post(simple(name))).status).toBe(202);
    expect(await refusal('one-more')).toMatchObject({ code: 'QUOTA_EXCEEDED', details: { used: 7, limit: 2 } });
  });

  it('count when they are stopped, and when they are deleted without their data', async () => {
    const worker = await beginWith(2, 1);
    for (const botId of ['a', 'b']) {
      await run(worker, botId);
      await stop(worker, botId);
    }
    expect(await refusal('c')).toEqual({
      code: 'QUOTA_EXCEEDED',
      message: 'You keep 2 of 2 bots, running or not.',
      hint: 'Delete one that you do not need any more, with its data (purge), for example a.',
      example: { blueprint: 'bot_runner', data: { action: 'delete', bot_id: 'a', purge: true } },
      details: { quota: 'kept_bots', used: 2, limit: 2, deleted_with_data: [] },
    });
    await remove(worker, 'b', false);
    expect(await bots()).toMatchObject({ kept: 1, deleted_with_data: 1, deleted_names: ['b'] });
    expect(await refusal('c')).toMatchObject({
      message: 'You keep 2 of 2 bots, running or not, 1 of them deleted bots whose data is kept.',
      example: { data: { bot_id: 'b' } },
    });
    // Its data waits for it: the name is not one more.
    await run(worker, 'b');
    await stop(worker, 'b');
    await remove(worker, 'b', true);
    await run(worker, 'c');
  });

  it('no longer count when their data is removed after them', async () => {
    const worker = await beginWith(1);
    await run(worker, 'a');
    await remove(worker, 'a', false);
    const gone = async (purge: boolean) => (await orchestrator.post({ action: 'delete', bot_id: 'a', purge })).body;
    expect((await gone(false)).error.code).toBe('BOT_NOT_FOUND');
    await remove(worker, 'a', true);
    expect((await gone(true)).error.code).toBe('BOT_NOT_FOUND');
    expect(await bots()).toMatchObject({ kept: 0, deleted_with_data: 0 });
    await run(worker, 'c');
  });
});
