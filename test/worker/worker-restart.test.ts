/** What outlives a restart of the worker, and what the orchestrator then says. On a scripted engine and a clock that the test moves. */
import { create } from '@bufbuild/protobuf';
import { timestampMs } from '@bufbuild/protobuf/wkt';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ProblemError, problem } from '#common/problem.ts';
import { BotState, DesiredState } from '#gen/botrunner/v1/bot_pb.js';
import { DesiredSetSchema, TaskResultSchema } from '#gen/botrunner/v1/worker_service_pb.js';
import {
  createRegistryForTests,
  desiredSet,
  echo,
  failureOf,
  type RegistryForTests,
  spec,
} from './kit/registry-for-tests.ts';

let bots: RegistryForTests;
beforeEach(async () => {
  bots = await createRegistryForTests();
});
afterEach(async () => {
  expect(bots.runtime.overlaps()).toBe(0);
  await bots.close();
});

const starts = () => bots.runtime.done.filter((what) => what.startsWith('start '));

describe('after a restart of the worker', () => {
  const run = async () => {
    bots.run(1, { taskId: 't1' });
    await bots.result('t1');
  };

  it('a running bot is adopted untouched and supervised without a session', async () => {
    await run();
    const { id } = bots.runtime.only();
    await bots.restart();
    await bots.until('it is seen', () => bots.registry.snapshot()[0]?.state === BotState.RUNNING);
    expect(bots.registry.snapshot()).toMatchObject([{ containerId: id, revision: 1n, generation: 1n }]);
    bots.runtime.exit(id, 1);
    bots.registry.happened({ containerId: id, kind: 'ended' });
    await bots.until('it is started again', () => starts().length === 2);
  });

  it('a running bot whose spec does not come any more is left as it is, and supervised', async () => {
    await run();
    const { id } = bots.runtime.only();
    await bots.restart();
    const same = { ...echo, generation: 1n, epoch: 1n, revision: 1n, desired: DesiredState.RUNNING };
    bots.registry.applyDesiredSet(desiredSet(same), true);
    await bots.until('it is seen', () => bots.registry.snapshot()[0]?.state === BotState.RUNNING);
    bots.runtime.exit(id, 1);
    bots.registry.happened({ containerId: id, kind: 'ended' });
    await bots.until('it is started again', () => starts().length === 2);
    expect(bots.runtime.only().id).toBe(id);
  });

  it('a bot that is kept while a restored store is not accepted is left as it is', async () => {
    await run();
    const { id } = bots.runtime.only();
    bots.registry.applyDesiredSet(create(DesiredSetSchema, { kept: [echo] }), true);
    bots.registry.applyDesiredSet(create(DesiredSetSchema, { kept: [echo] }), false);
    await bots.pass(1000);
    expect(bots.runtime.only().id).toBe(id);
    bots.registry.applyDesiredSet(create(DesiredSetSchema), false);
    await bots.until(
      'it goes',
      () => bots.runtime.done.includes(`remove ${id}`) || bots.registry.snapshot().length === 0,
    );
  });

  it('the true exit code of a bot that ended meanwhile is reported', async () => {
    await run();
    const restarting = bots.restart();
    bots.runtime.exit(bots.runtime.only().id, 7);
    await restarting;
    await bots.until('it is reported', () => bots.observation()?.exitCode === 7);
    expect(bots.observation()).toMatchObject({ state: BotState.CRASH_LOOP });
  });

  it('the backoff continues where it was', async () => {
    await run();
    for (let n = 0; n < 4; n += 1) {
      bots.runtime.exit(bots.runtime.only().id, 1);
      bots.registry.happened({ containerId: bots.runtime.only().id, kind: 'ended' });
      const seen = bots.reports.observations.length;
      await bots.until('the crash is seen', () =>
        bots.reports.observations.slice(seen).some(({ nextTryAt }) => nextTryAt !== undefined),
      );
      if (n < 3) await bots.until('it is started again', () => starts().length === n + 2);
    }
    const nextTryAt = bots.observation()?.nextTryAt;
    await bots.pass(2000);
    await bots.restart();
    await bots.until('it is started again', () => starts().length === 5);
    expect(Math.abs(bots.clock.wallMs() - (nextTryAt ? timestampMs(nextTryAt) : 0))).toBeLessThan(500);
    await bots.until('it runs', () => bots.state() === BotState.RUNNING);
    expect(bots.observation()).toMatchObject({ restarts: 4 });
  });

  it('the backoff is no longer than it was, though the clock was set back meanwhile', async () => {
    await run();
    bots.runtime.exit(bots.runtime.only().id, 1);
    bots.registry.happened({ containerId: bots.runtime.only().id, kind: 'ended' });
    await bots.until('the crash is seen', () => bots.observation()?.nextTryAt !== undefined);
    bots.clock.setWall(bots.clock.wallMs() - 3600_000);
    await bots.restart();
    const begun = bots.clock.monotonicMs();
    await bots.until('it is started again', () => starts().length === 2);
    expect(bots.clock.monotonicMs() - begun).toBeLessThan(2000);
  });

  it('a failed build is not tried again', async () => {
    bots.runtime.failNext('buildImage', new ProblemError(problem('BUILD_FAILED', 'no')));
    bots.run(1, { taskId: 't1' });
    await bots.result('t1');
    await bots.restart();
    bots.registry.applyDesiredSet(
      desiredSet({ ...echo, desired: DesiredState.RUNNING, generation: 1n, epoch: 1n, revision: 1n, spec: spec() }),
      true,
    );
    await bots.pass(5000);
    expect(bots.runtime.builds).toEqual([]);
    expect(bots.registry.snapshot()).toMatchObject([{ state: BotState.FAILED, reason: 'no' }]);
  });

  it('a task that was under way is taken up again and takes effect once', async () => {
    bots.run(1, { taskId: 't1' });
    await bots.until('it was started', () => starts().length === 1);
    await bots.restart();
    bots.run(1, { taskId: 't1' });
    await bots.result('t1');
    expect(starts()).toHaveLength(1);
    expect(bots.runtime.builds).toHaveLength(1);
  });

  it('a bot of the process runtime comes back, whatever code it ended with', async () => {
    await bots.close();
    bots = await createRegistryForTests({ kind: 'process' });
    await run();
    await bots.restart(true);
    await bots.until('it is started again', () => starts().length === 2);
    await bots.until('it runs', () => bots.state() === BotState.RUNNING);
  });

  it('lines a bot printed meanwhile are in its log, once, with its secrets masked', async () => {
    bots.run(1, { taskId: 't1', spec: spec({ API_KEY: 'very-secret-value' }) });
    await bots.result('t1');
    const { id } = bots.runtime.only();
    bots.runtime.print(id, 'before');
    await bots.until('the line is stored', async () => (await bots.logText()).includes('before'));
    await bots.registry.close(false);
    bots.runtime.print(id, 'meanwhile very-secret-value');
    await bots.restart();
    bots.runtime.print(id, 'after');
    await bots.until('the line is stored', async () => (await bots.logText()).includes('after'));
    expect(await bots.logText()).toEqual(['starting', 'before', 'meanwhile [masked]', 'after']);
  });
});

describe('the desired set', () => {
  it('ends what it does not name, but only once it was received', async () => {
    bots.run(1, { taskId: 't1' });
    await bots.result('t1');
    await bots.restart();
    await bots.pass(10_000);
    expect(bots.runtime.only().status).toBe('running');
    bots.registry.applyDesiredSet(desiredSet(), true);
    await bots.until('the container is gone', () => bots.runtime.containers.size === 0);
    await bots.until('nobody speaks of it', () => bots.registry.snapshot().length === 0);
    expect((await bots.logText()).at(-1)).toContain('SIGTERM');
  });

  it('finds a stray container that appeared late', async () => {
    bots.run(1, { taskId: 't1' });
    await bots.result('t1');
    const stray = [...bots.runtime.containers.entries()];
    bots.registry.applyDesiredSet(desiredSet(), true);
    await bots.until('the container is gone', () => bots.runtime.containers.size === 0);
    await bots.until('its record is gone', async () => (await bots.recordFiles()).length === 0);
    await bots.restart();
    bots.registry.applyDesiredSet(desiredSet(), true);
    for (const [id, container] of stray) bots.runtime.containers.set(id, container);
    await bots.registry.resync();
    await bots.until('the stray is gone', () => bots.runtime.containers.size === 0);
  });

  it('of a new session is the truth even when its numbers are lower than those seen', async () => {
    bots.run(7, { taskId: 't7' });
    await bots.result('t7');
    const set = desiredSet({
      ...echo,
      desired: DesiredState.RUNNING,
      generation: 1n,
      epoch: 1n,
      revision: 1n,
      spec: spec({}, 'b'),
    });
    bots.registry.applyDesiredSet(set, false);
    await bots.pass(3000);
    expect(bots.runtime.only().revision).toBe(7n);
    bots.registry.applyDesiredSet(set, true);
    await bots.until('the other revision runs', () => bots.runtime.only().revision === 1n);
  });

  it('answers a command it cannot understand with a failure', () => {
    bots.ensure({ taskId: 't1', desired: 77 as DesiredState });
    expect(failureOf(bots.reports.results[0] ?? create(TaskResultSchema, {}))).toMatchObject({
      code: 'INVALID_WORKER',
    });
  });
});
