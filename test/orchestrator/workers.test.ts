/** Several workers: where bots are placed, quotas over all of them, and silence. Workers are played. */
import { createClient } from '@connectrpc/connect';
import { describe, expect, it } from 'vitest';
import { WorkerState } from '#gen/botrunner/v1/admin_service_pb.js';
import { DesiredState } from '#gen/botrunner/v1/bot_pb.js';
import { BotService } from '#gen/botrunner/v1/bot_service_pb.js';
import { eventually } from '../kit/eventually.ts';
import { createManualClock } from '../kit/manual-clock.ts';
import type { JsonBody } from '../kit/orchestrator-for-tests.ts';
import { connectScriptedWorker, observed } from '../kit/scripted-worker.ts';
import {
  accepted,
  admin,
  begin,
  bot,
  connect,
  detailOf,
  eachWithOrchestrator,
  image,
  job,
  listed,
  mib,
  orchestrator,
  plain,
  run,
  simple,
  stop,
  transport,
  untilFinal,
  workers,
} from './played-workers.ts';

eachWithOrchestrator();

describe('placement', () => {
  it('never gives a custom bot or an image to a worker of plain processes, however full the others are', async () => {
    const process = await connect('p', { ...plain, capacity: { memoryBytes: 300n * mib, cpuMillis: 1000 } });
    const id = await accepted(image('img'));
    expect(await job(id)).toMatchObject({ status: 'waiting_for_worker', reason: 'p cannot do mode.image' });
    const docker = await connect('d');
    expect((await docker.take('ensure')).botId).toBe('img');
    await run(process, 'small');
    expect(process.heard.filter(({ body }) => body.case === 'ensure')).toHaveLength(1);
  });

  it('gives a bot only to a worker with the labels it asks for, by REST and by gRPC, and an update keeps them', async () => {
    const eu = await connect('eu', { labels: { zone: 'eu' } });
    const us = await connect('us', { labels: { zone: 'us' } });
    await run(us, 'a', { on: { zone: 'us' } });
    await run(eu, 'b', { on: { zone: 'eu' } });
    const bots = createClient(BotService, transport('test-client-token'));
    const source = { case: 'image' as const, value: { image: 'ghcr.io/me/bot:1' } };
    await bots.startBot({ botId: 'c', spec: { source, on: { zone: 'eu' } } });
    const third = await eu.take('ensure');
    eu.succeed(third);
    await bots.updateBot({ botId: 'c', spec: { source }, keepEnv: true });
    const update = await eventually(
      'the update goes out',
      () => eu.heard.flatMap(({ body }) => (body.case === 'ensure' && body.value.botId === 'c' ? [body.value] : [])),
      (found) => found.length === 2,
    );
    expect(update[1]?.spec?.on).toEqual({ zone: 'eu' });
    expect((await orchestrator.post(simple('e', { on: { zone: 'a b' } }))).body.error).toMatchObject({
      code: 'INVALID_LABELS',
      details: { field: 'on' },
    });
  });

  it('refuses at once what no known worker is labelled for, and waits for one that is only away', async () => {
    expect((await orchestrator.post(simple('a', { on: { zone: 'mars' } }))).body.error).toMatchObject({
      code: 'NO_WORKER',
      message: 'No known worker has zone=mars.',
      hint: 'Leave "on" out, or ask the operator for a worker with WORKER_LABELS=zone=mars.',
    });
    const eu = await connect('eu', { labels: { zone: 'eu', gpu: 'yes' } });
    const refused = await orchestrator.post(simple('a', { on: { zone: 'mars' } }));
    expect(refused).toMatchObject({ status: 409, body: { error: { hint: 'Workers have: gpu=yes, zone=eu.' } } });
    const bots = createClient(BotService, transport('test-client-token'));
    const source = { case: 'image' as const, value: { image: 'ghcr.io/me/bot:1' } };
    for (const on of [{ zone: 'mars' }, { zone: 'eu', gpu: 'no' }, { constructor: 'x' }]) {
      expect((await detailOf(bots.startBot({ botId: 'a', spec: { source, on } }))).code).toBe('FailedPrecondition');
    }
    await run(eu, 'b', { on: { zone: 'eu' } });
    expect((await orchestrator.post({ ...simple('b', { on: { zone: 'mars' } }), action: 'update' })).status).toBe(409);
    eu.close();
    const id = await accepted(simple('c', { on: { zone: 'eu', gpu: 'yes' } }));
    expect((await job(id)).status).toBe('waiting_for_worker');
  });

  it('says before an upload what would be refused after it, and changes nothing', async () => {
    await orchestrator[Symbol.asyncDispose]();
    await begin({ env: { MAX_BOTS_PER_USER: '1' } });
    const eu = await connect('eu', { labels: { zone: 'eu' } });
    const bots = createClient(BotService, transport('test-client-token'));
    const source = { case: 'simple' as const, value: { artifactSha256: '0'.repeat(64), entrypoint: 'bot.py' } };
    const check = (botId: string, more: object = {}) =>
      bots.checkDeploy({ request: { case: 'start', value: { botId, spec: { source, ...more } } } });
    await check('a', { on: { zone: 'eu' } });
    expect((await detailOf(check('a', { on: { zone: 'mars' } }))).message).toMatch(/zone=mars/);
    expect((await detailOf(check('a', { limits: { memoryBytes: 1n << 50n } }))).code).toBe('InvalidArgument');
    expect((await detailOf(bots.checkDeploy({}))).code).toBe('InvalidArgument');
    const update = { case: 'update' as const, value: { botId: 'a', spec: { source } } };
    expect((await detailOf(bots.checkDeploy({ request: update }))).code).toBe('NotFound');
    await run(eu, 'only');
    expect((await detailOf(check('a'))).code).toBe('ResourceExhausted');
    await check('only');
    expect((await bots.listBots({})).bots.map(({ botId }) => botId)).toEqual(['only']);
  });

  it('says before the upload which of the files that are left out the bot has', async () => {
    const worker = await connect('eu');
    const files = { 'bot.py': 'print(1)', 'data/a.db': 'x', 'data2/b': 'x', 'config.py': 'x' };
    await accepted(simple('a', { code: undefined, files, entrypoint: 'bot.py' }));
    await worker.take('ensure');
    const bots = createClient(BotService, transport('test-client-token'));
    const source = { case: 'simple' as const, value: { artifactSha256: '0'.repeat(64), entrypoint: 'bot.py' } };
    const sentBefore = async (botId: string, leftOut: string[]) =>
      (await bots.checkDeploy({ request: { case: 'start', value: { botId, spec: { source } } }, leftOut })).sentBefore;
    expect(await sentBefore('a', ['data', 'config.py', 'venv', 'data/b.db', 'b'])).toEqual(['data', 'config.py']);
    expect(await sentBefore('a', [])).toEqual([]);
    expect(await sentBefore('other', ['data'])).toEqual([]);
    expect((await detailOf(sentBefore('a', Array.from({ length: 1001 }, String)))).code).toBe('InvalidArgument');
  });

  it('hostile 80: reckons with what other bots have reserved, and places what waits as soon as there is room', async () => {
    const small = await connect('small', { capacity: { memoryBytes: 600n * mib, cpuMillis: 1000 } });
    await run(small, 'one');
    await run(small, 'two');
    const id = await accepted(simple('three'));
    expect(await job(id)).toMatchObject({
      status: 'waiting_for_worker',
      reason: 'small has 88 of 600 MiB free, 256 are needed',
    });
    await stop(small, 'one');
    expect((await small.take('ensure')).botId).toBe('three');
  });

  it('waits with an update that does not fit, and leaves the old version as it is meanwhile', async () => {
    const small = await connect('small', { capacity: { memoryBytes: 600n * mib, cpuMillis: 1000 } });
    const first = await run(small, 'grows');
    const id = await accepted(simple('grows', { resource_limits: { memory_mb: 1000 } }));
    expect(await job(id)).toMatchObject({ status: 'waiting_for_worker' });
    small.close();
    const again = await connectScriptedWorker(orchestrator.address, {
      workerId: 'small',
      capacity: { memoryBytes: 600n * mib, cpuMillis: 1000 },
      snapshot: [observed(first)],
    });
    workers.push(again);
    const { desiredSet } = await again.take('welcome');
    expect(desiredSet?.bots).toMatchObject([{ generation: 1n, revision: 1n, desired: DesiredState.RUNNING }]);
    expect((await job(id)).status).toBe('waiting_for_worker');
  });

  it('takes a stopped bot back to its data, but not to a cordoned worker, and never while its container may be there', async () => {
    const one = await connect('one', { capacity: { memoryBytes: 1000n * mib, cpuMillis: 1000 } });
    await run(one, 'a');
    const two = await connect('two', { capacity: { memoryBytes: 500n * mib, cpuMillis: 1000 } });
    await stop(one, 'a');
    // Bin-packing alone would choose two.
    await accepted({ action: 'restart', bot_id: 'a' });
    const second = await one.take('ensure');
    one.succeed(second);
    await eventually(
      'it runs',
      () => bot('a'),
      ({ status }) => status === 'running',
    );
    await admin().cordonWorker({ workerId: 'one' });
    // Cordoned, but it runs there: it stays.
    await accepted({ action: 'restart', bot_id: 'a' });
    one.succeed(await one.take('ensure'));
    await stop(one, 'a');
    const moved = await accepted({ action: 'restart', bot_id: 'a' });
    const ensure = await two.take('ensure');
    expect(ensure).toMatchObject({ botId: 'a', epoch: 2n });
    two.succeed(ensure);
    expect(await untilFinal(moved)).toMatchObject({ status: 'completed' });
    expect(await bot('a')).toMatchObject({ worker_id: 'two' });
    // A stop that was never confirmed says nothing about the container.
    two.close();
    await eventually(
      'two is gone',
      () => listed('two'),
      (worker) => worker?.state === WorkerState.AWAY,
    );
    const unconfirmed = await accepted({ action: 'stop', bot_id: 'a' });
    await accepted({ action: 'restart', bot_id: 'a' });
    const waiting = await eventually(
      'it waits',
      () => job(unconfirmed),
      ({ status }) => status !== 'running',
    );
    expect(waiting.reason).toBe('worker two, which has the bot, is not connected');
  });

  it('ends a start that no worker can take with NO_WORKER and the reason, at its deadline', async () => {
    const clock = createManualClock();
    await orchestrator[Symbol.asyncDispose]();
    await begin({ clock });
    await connect('p', plain);
    const id = await accepted(image('img'));
    clock.advance(600_000);
    expect((await untilFinal(id)).data.error).toMatchObject({
      code: 'NO_WORKER',
      message: 'No worker could take the bot within 600 s: p cannot do mode.image.',
    });
  });
});

describe('quota and views', () => {
  it('are those of the user on all workers together, and stop reaches the bot where it is', async () => {
    await orchestrator[Symbol.asyncDispose]();
    await begin();
    const one = await connect('one', { labels: { n: '1' } });
    const two = await connect('two', { labels: { n: '2' } });
    await run(one, 'a', { on: { n: '1' } });
    await run(two, 'b', { on: { n: '2' } });
    await run(one, 'c', { on: { n: '1' } });
    expect((await orchestrator.post(simple('d', { on: { n: '2' } }))).body.error).toMatchObject({
      code: 'QUOTA_EXCEEDED',
      details: { current_bots: 3, max_bots: 3, active_bots: ['a', 'b', 'c'] },
    });
    const list = (await job(await accepted({ action: 'list' }))).data.result;
    expect(list.bots.map((each: JsonBody) => [each.bot_id, each.worker_id])).toEqual([
      ['a', 'one'],
      ['b', 'two'],
      ['c', 'one'],
    ]);
    await stop(two, 'b');
    expect((await orchestrator.post(simple('d', { on: { n: '2' } }))).status).toBe(202);
  });
});

describe('100 starts at once', () => {
  it('on two workers make exactly as many bots as the quota allows', async () => {
    await orchestrator[Symbol.asyncDispose]();
    await begin();
    await connect('one');
    await connect('two');
    const answers = await Promise.all(
      Array.from({ length: 100 }, (_, n) => orchestrator.post(simple(`b${n}`, { resource_limits: { memory_mb: 16 } }))),
    );
    expect(answers.filter(({ status }) => status === 202)).toHaveLength(3);
    expect(answers.filter(({ status }) => status === 429)).toHaveLength(97);
  });
});

describe('a silent worker', () => {
  it('is suspect at 6 s and gets nothing new, its bots are unknown at 10 s, and both are true again with its next word', async () => {
    const clock = createManualClock();
    await orchestrator[Symbol.asyncDispose]();
    await begin({ clock });
    const worker = await connect('w1');
    await run(worker, 'a');
    clock.advance(5_900);
    expect(await listed('w1')).toMatchObject({ state: WorkerState.READY });
    clock.advance(200);
    expect(await listed('w1')).toMatchObject({ state: WorkerState.SUSPECT, reason: 'not heard from for 6 s' });
    expect(await bot('a')).toMatchObject({ status: 'running' });
    const waiting = await accepted(simple('b'));
    expect((await job(waiting)).reason).toBe('w1 has not been heard from for 6 s');
    clock.advance(4_000);
    expect(await listed('w1')).toMatchObject({ state: WorkerState.AWAY });
    expect(await bot('a')).toMatchObject({
      status: 'unknown',
      worker_id: 'w1',
      reason: 'its worker w1 has not been heard from for 10 s; it may keep running',
    });
    const before = worker.heard.filter(({ body }) => body.case === 'ensure' || body.case === 'cancelTask').length;
    worker.send({ case: 'heartbeat', value: { ready: true } });
    expect((await worker.take('ensure')).botId).toBe('b');
    expect(await bot('a')).toMatchObject({ status: 'running', reason: '' });
    expect(await listed('w1')).toMatchObject({ state: WorkerState.READY });
    expect(before).toBe(1);
  });
});
