/** A worker whose clock is not the orchestrator's: what is left of a task is counted, not compared. */
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { ulid } from 'ulid';
import { afterEach, describe, expect, it } from 'vitest';
import { systemClock } from '#common/clock.ts';
import { DesiredState } from '#gen/botrunner/v1/bot_pb.js';
import { createWorkerForTests, type WorkerForTests } from './kit/worker-for-tests.ts';

let world: WorkerForTests | undefined;
afterEach(async () => {
  await world?.close();
  world = undefined;
});

const minute = 60_000;

describe.each([
  ['ahead', 70_000],
  ['an hour ahead', 60 * minute],
  ['an hour behind', -60 * minute],
])('a worker whose clock is %s', (_, skewMs) => {
  it.each([
    ['the time that is left', () => ({ remainingMs: 60_000n })],
    ['an instant of its own clock', () => ({ deadlineAt: timestampFromMs(Date.now() + minute) })],
  ])('stops a bot for an orchestrator that tells %s', async (_how, deadline) => {
    world = await createWorkerForTests({ ...systemClock, wallMs: () => Date.now() + skewMs });
    world.orchestrator.welcome = { heartbeatIntervalMs: 200, sessionId: ulid() };
    // The engine takes its time.
    world.runtime.delay('stop', 300);
    await world.start();
    const session = await world.orchestrator.session(0);
    session.send({ case: 'ensure', value: world.ensure({ ...deadline() }) });
    expect(await session.hear('result')).toMatchObject({ outcome: { case: 'succeeded' } });
    const stop = { taskId: 't2', generation: 2n, desired: DesiredState.STOPPED, ...deadline() };
    session.send({ case: 'ensure', value: world.ensure(stop) });
    expect(await session.hear('result', 1)).toMatchObject({ taskId: 't2', outcome: { case: 'succeeded' } });
  });
});
