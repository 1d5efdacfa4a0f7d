/** The part of the contract suite about names, and about containers of others. */
import { describe, expect, test } from 'vitest';
import { type BotKey, containerName } from '#common/ids.ts';
import { ProblemError } from '#common/problem.ts';
import { Secret } from '#common/secret.ts';
import { NameInUseError } from '../../worker/runtime/container-runtime.ts';
import { signedLabels } from '../../worker/runtime/labels.ts';
import type { SuiteContext } from './container-runtime.ts';
import { botPlan, patience, second, untilPrinted } from './harness.ts';

export function describeNames(suite: SuiteContext): void {
  describe('a name', () => {
    const planOf = (key: BotKey) => ({
      ...botPlan({ key, workerId: suite.workerId, language: suite.harness.language }),
      image: suite.image,
    });

    test('is given once: of parallel creates exactly one succeeds, and nothing else appears (1)', async () => {
      const key = suite.newKey();
      const results = await Promise.allSettled(
        Array.from({ length: 12 }, () => suite.runtime.create(planOf(key), patience())),
      );
      const made = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
      const refused = results.flatMap((result) => (result.status === 'rejected' ? [result.reason] : []));
      expect(made).toHaveLength(1);
      for (const reason of refused) {
        expect(reason).toBeInstanceOf(NameInUseError);
        expect(reason).toMatchObject({ containerName: containerName(key) });
      }
      expect((await suite.runtime.list(patience())).map(({ id }) => id)).toEqual(made);
    });

    test('in use is refused with the id of the container that has it, which stays as it is (1)', async () => {
      const key = suite.newKey();
      const id = await suite.run({ key });
      const before = await suite.runtime.inspect(id, patience());
      const refusal = await suite.runtime.create(planOf(key), patience()).catch((error: unknown) => error);
      expect(refusal).toBeInstanceOf(NameInUseError);
      expect(refusal).toMatchObject({ id });
      expect(await suite.runtime.inspect(id, patience())).toEqual(before);
    });

    test('can be used again after its container was removed', async () => {
      const key = suite.newKey();
      const first = await suite.run({ key });
      await suite.runtime.remove(first, patience());
      const second = await suite.run({ key });
      expect(second).not.toBe(first);
    });

    test('in use by a container of somebody else is refused without its id (1, 4)', async () => {
      const other = suite.harness.runtime({ workerId: 'worker-2' });
      const key = suite.newKey();
      const id = await other.create({ ...planOf(key), workerId: 'worker-2' }, patience());
      const refusal = await suite.runtime.create(planOf(key), patience()).catch((error: unknown) => error);
      expect(refusal).toBeInstanceOf(NameInUseError);
      expect(refusal).toMatchObject({ id: undefined });
      await other.remove(id, patience());
    });
  });
}

export function describeOwnership(suite: SuiteContext): void {
  describe('a container of somebody else', () => {
    test('with another worker id is not seen and not touched (4)', async () => {
      const id = await suite.run({ steps: [['print', 'ready']] });
      await untilPrinted(suite.runtime, id, 'ready');
      const other = suite.harness.runtime({ workerId: 'worker-2' });
      expect(await other.list(patience())).toEqual([]);
      expect(await other.inspect(id, patience())).toBeUndefined();
      await other.stop(id, second, patience());
      await other.remove(id, patience());
      await expect(other.start(id, patience())).rejects.toBeInstanceOf(ProblemError);
      await expect(other.readOutput(id, undefined, 1000, patience())).rejects.toBeInstanceOf(ProblemError);
      expect(await suite.runtime.inspect(id, patience())).toMatchObject({ status: 'running' });
    });

    test('of the same worker id but signed with another key is not seen (4)', async () => {
      const id = await suite.run();
      const signingKey = new Secret(new Uint8Array(32).fill(99));
      const stranger = suite.harness.runtime({ workerId: suite.workerId, signingKey });
      expect(await stranger.list(patience())).toEqual([]);
      expect(await stranger.inspect(id, patience())).toBeUndefined();
    });

    test('of the same worker, signed with a lost key, is touched by an operator alone, who may take or remove it (4)', async () => {
      const ids = [await suite.run(), await suite.run()].toSorted();
      const signingKey = new Secret(new Uint8Array(32).fill(97));
      const heir = suite.harness.runtime({ workerId: suite.workerId, signingKey });
      const seen = (await heir.strays(patience())).filter(({ id }) => ids.includes(id));
      expect(seen.map(({ id }) => id).toSorted()).toEqual(ids);
      expect(seen[0]).toMatchObject({ workerId: suite.workerId, running: true, key: { userId: expect.any(String) } });
      expect((await suite.runtime.strays(patience())).filter(({ id }) => ids.includes(id))).toEqual([]);
      const [first = '', second = ''] = ids;
      await heir.removeStray(first, patience());
      expect(await suite.runtime.inspect(first, patience())).toBeUndefined();
      await expect(heir.removeStray(first, patience())).rejects.toMatchObject({
        problem: { code: 'CONTAINER_NOT_FOUND' },
      });
      if (suite.runtime.kind === 'process') {
        await expect(heir.takeStray(second, patience())).rejects.toMatchObject({
          problem: { code: 'CONTAINER_ERROR' },
        });
        return;
      }
      await heir.takeStray(second, patience());
      expect(await heir.inspect(second, patience())).toMatchObject({ status: 'running' });
      expect((await heir.list(patience())).map(({ id }) => id)).toEqual([second]);
      await heir.stop(second, 10_000, patience());
      await heir.remove(second, patience());
      expect(await suite.runtime.inspect(second, patience())).toBeUndefined();
    });

    test('hostile 49: with copied or forged labels is not seen and not touched (4)', async () => {
      const key = suite.newKey();
      const genuine = signedLabels(new Secret(new Uint8Array(32).fill(98)), containerName(key), {
        key,
        workerId: suite.workerId,
        revision: 1n,
        epoch: 1n,
        startedAt: '2026-01-01T00:00:00.000Z',
      });
      const forged = [await suite.harness.forge(containerName(key), genuine, suite.image)];
      const { sig: _none, ...unsigned } = genuine;
      forged.push(await suite.harness.forge(`${containerName(key)}_2`, unsigned, suite.image));
      expect(await suite.runtime.list(patience())).toEqual([]);
      for (const id of forged) {
        expect(await suite.runtime.inspect(id, patience())).toBeUndefined();
        await suite.runtime.stop(id, 0, patience());
        await suite.runtime.remove(id, patience());
        expect(await suite.harness.forgedRuns(id)).toBe(true);
      }
    });
  });
}
