/** The part of the contract suite about the life of a container. */
import { describe, expect, test } from 'vitest';
import { containerName } from '#common/ids.ts';
import { Secret } from '#common/secret.ts';
import { eventually } from '../kit/eventually.ts';
import type { SuiteContext } from './container-runtime.ts';
import { botPlan, patience, readAll, second, untilExited, untilPrinted } from './harness.ts';

export function describeStates(suite: SuiteContext): void {
  describe('a container', () => {
    test('is created, runs, ends and is gone, and says so', async () => {
      const key = suite.newKey();
      const plan = {
        ...botPlan({ key, workerId: suite.workerId, language: suite.harness.language }),
        image: suite.image,
      };
      const startedFrom = Date.now() - second;
      const id = await suite.runtime.create({ ...plan, revision: 7n, epoch: 9n }, patience());
      const created = await suite.runtime.inspect(id, patience());
      // How it is kept apart is each runtime's own.
      expect({ ...created, protection: undefined }).toEqual({
        id,
        name: containerName(key),
        key,
        revision: 7n,
        epoch: 9n,
        status: 'created',
        startedAtMs: undefined,
        finishedAtMs: undefined,
        exitCode: undefined,
        oomKilled: false,
        settings: await suite.runtime.settingsOf({ ...plan, revision: 8n, epoch: 10n }, patience()),
      });
      await suite.runtime.start(id, patience());
      const running = await suite.runtime.inspect(id, patience());
      expect(running).toMatchObject({ status: 'running', exitCode: undefined, finishedAtMs: undefined });
      expect(running?.startedAtMs).toBeGreaterThan(startedFrom);
      expect(running?.startedAtMs).toBeLessThan(Date.now() + second);
      expect(await suite.runtime.list(patience())).toEqual([running]);
      await suite.runtime.stop(id, 10 * second, patience());
      const ended = await suite.runtime.inspect(id, patience());
      expect(ended).toMatchObject({ status: 'exited', startedAtMs: running?.startedAtMs });
      expect(ended?.finishedAtMs).toBeGreaterThanOrEqual(running?.startedAtMs ?? Number.NaN);
      await suite.runtime.remove(id, patience());
      expect(await suite.runtime.inspect(id, patience())).toBeUndefined();
      expect(await suite.runtime.list(patience())).toEqual([]);
    });

    test('would be made differently with another environment or program', async () => {
      const plan = {
        ...botPlan({ key: suite.newKey(), workerId: suite.workerId, language: suite.harness.language }),
        image: suite.image,
      };
      const settings = await suite.runtime.settingsOf(plan, patience());
      expect(settings).toMatch(/^[0-9a-f]{64}$/);
      const inOtherOrder = new Secret(Object.fromEntries(Object.entries(plan.env.reveal()).toReversed()));
      expect(await suite.runtime.settingsOf({ ...plan, env: inOtherOrder }, patience())).toBe(settings);
      const more = new Secret({ ...plan.env.reveal(), MORE: '1' });
      expect(await suite.runtime.settingsOf({ ...plan, env: more }, patience())).not.toBe(settings);
    });

    test.each([0, 1, 3, 77])('that ends on its own with %i keeps that exit code', async (code) => {
      const id = await suite.run({ steps: [['exit', code]] });
      expect(await untilExited(suite.runtime, id)).toMatchObject({ exitCode: code, oomKilled: false });
    });

    test('that runs is started again without effect (2)', async () => {
      const id = await suite.run({ steps: [['print', 'begun']] });
      await untilPrinted(suite.runtime, id, 'begun');
      const before = await suite.runtime.inspect(id, patience());
      await suite.runtime.start(id, patience());
      expect(await suite.runtime.inspect(id, patience())).toEqual(before);
      await suite.runtime.stop(id, 10 * second, patience());
      const { lines } = await suite.runtime.readOutput(id, undefined, 1_000_000, patience());
      expect(lines.map(({ text }) => text)).toEqual(['begun', 'got SIGTERM']);
    });

    test('that never ran, has ended or is gone is stopped without effect (2)', async () => {
      const key = suite.newKey();
      const plan = {
        ...botPlan({ key, workerId: suite.workerId, language: suite.harness.language }),
        image: suite.image,
      };
      const id = await suite.runtime.create(plan, patience());
      await suite.runtime.stop(id, second, patience());
      expect(await suite.runtime.inspect(id, patience())).toMatchObject({ status: 'created' });
      const ended = await suite.run({ steps: [['exit', 5]] });
      const before = await untilExited(suite.runtime, ended);
      await suite.runtime.stop(ended, second, patience());
      expect(await suite.runtime.inspect(ended, patience())).toEqual(before);
      await suite.runtime.remove(ended, patience());
      await suite.runtime.stop(ended, second, patience());
      await suite.runtime.remove(ended, patience());
    });

    test('that has ended can be started again, and tells of the last run', async () => {
      const id = await suite.run({
        steps: [
          ['print', 'run'],
          ['exit', 4],
        ],
      });
      const first = await untilExited(suite.runtime, id);
      await suite.runtime.start(id, patience());
      await eventually(
        'it has run twice',
        () => readAll(suite.runtime, id),
        ({ lines }) => lines.length === 2,
        { timeoutMs: 30 * second },
      );
      const last = await untilExited(suite.runtime, id);
      expect(last).toMatchObject({ exitCode: 4 });
      expect(last.startedAtMs).toBeGreaterThanOrEqual(first.finishedAtMs ?? Number.NaN);
    });

    test('gets SIGTERM when it is stopped, and its exit code is kept (3)', async () => {
      const id = await suite.run({ steps: [['print', 'ready']] });
      await untilPrinted(suite.runtime, id, 'ready');
      await suite.runtime.stop(id, 20 * second, patience());
      expect(await suite.runtime.inspect(id, patience())).toMatchObject({ status: 'exited', exitCode: 0 });
      await untilPrinted(suite.runtime, id, 'got SIGTERM');
    });

    test('gets the stop signal of its plan instead', async () => {
      const id = await suite.run({ steps: [['print', 'ready']], stopSignal: 'SIGINT' });
      await untilPrinted(suite.runtime, id, 'ready');
      await suite.runtime.stop(id, 20 * second, patience());
      expect(await suite.runtime.inspect(id, patience())).toMatchObject({ status: 'exited', exitCode: 0 });
      await untilPrinted(suite.runtime, id, 'got SIGINT');
    });

    test('hostile 89: that ignores SIGTERM has its grace, and is killed after it (3)', async () => {
      const id = await suite.run({
        steps: [
          ['ignoreTerm', true],
          ['print', 'deaf'],
        ],
      });
      await untilPrinted(suite.runtime, id, 'deaf');
      const begin = performance.now();
      await suite.runtime.stop(id, 2 * second, patience());
      const tookMs = performance.now() - begin;
      expect(await suite.runtime.inspect(id, patience())).toMatchObject({
        status: 'exited',
        exitCode: 137,
        oomKilled: false,
      });
      expect(tookMs).toBeGreaterThan(1.9 * second);
      expect(tookMs).toBeLessThan(20 * second);
    });

    test('that runs is ended and gone when it was removed (3)', async () => {
      const id = await suite.run({
        steps: [
          ['ignoreTerm', true],
          ['print', 'deaf'],
        ],
      });
      await untilPrinted(suite.runtime, id, 'deaf');
      await suite.runtime.remove(id, patience());
      expect(await suite.runtime.inspect(id, patience())).toBeUndefined();
    });

    test('shows the CPU time it has used, until it has ended', async () => {
      const id = await suite.run({ steps: [['work', 1500]] });
      const samples: number[] = [];
      const bound = AbortSignal.timeout(30 * second);
      const watching = suite.runtime.watchCpu(id, (usedMs) => samples.push(usedMs), bound);
      await eventually(
        'it has used what it was to use',
        () => samples.at(-1) ?? 0,
        (usedMs) => usedMs >= 1400,
        { timeoutMs: 30 * second },
      );
      await suite.runtime.stop(id, 20 * second, patience());
      await watching;
      expect(bound.aborted, 'it ended with the container').toBe(false);
      expect(samples).toEqual(samples.toSorted((one, other) => one - other));
    });

    test('may be stopped and removed by several at once', async () => {
      const id = await suite.run({ steps: [['print', 'ready']] });
      await untilPrinted(suite.runtime, id, 'ready');
      await Promise.all(Array.from({ length: 4 }, () => suite.runtime.stop(id, 10 * second, patience())));
      await Promise.all(Array.from({ length: 4 }, () => suite.runtime.remove(id, patience())));
      expect(await suite.runtime.inspect(id, patience())).toBeUndefined();
    });

    test('is found, with the same id, by a runtime made later, which can stop it', async () => {
      const id = await suite.run({ steps: [['print', 'ready']] });
      await untilPrinted(suite.runtime, id, 'ready');
      const before = await suite.runtime.list(patience());
      const later = suite.harness.runtime({ workerId: suite.workerId });
      expect(await later.list(patience())).toEqual(before);
      await later.stop(id, 10 * second, patience());
      expect(await later.inspect(id, patience())).toMatchObject({ status: 'exited', exitCode: 0 });
    });
  });
}
