/** The part of the contract suite about calls that fail, what they may reveal, and events. */
import { describe, expect, test } from 'vitest';
import type { BotKey } from '#common/ids.ts';
import { ProblemError } from '#common/problem.ts';
import { Secret } from '#common/secret.ts';
import { eventually } from '../kit/eventually.ts';
import type { SuiteContext } from './container-runtime.ts';
import { botPlan, patience, second, untilExited, untilPrinted } from './harness.ts';

export function describeFailures(suite: SuiteContext): void {
  describe('a call', () => {
    const planOf = (key: BotKey) => ({
      ...botPlan({ key, workerId: suite.workerId, language: suite.harness.language }),
      image: suite.image,
    });
    const codeOf = async (work: Promise<unknown>): Promise<string> => {
      const error = await work.catch((reason: unknown) => reason);
      if (error instanceof ProblemError) return error.problem.code;
      throw new Error('not a ProblemError', { cause: error });
    };

    test('that was aborted before it began has no effect (5)', async () => {
      const aborted = AbortSignal.abort(new Error('changed my mind'));
      await expect(suite.runtime.create(planOf(suite.newKey()), aborted)).rejects.toThrow('changed my mind');
      expect(await suite.runtime.list(patience())).toEqual([]);
    });

    test('that is aborted on its way ends at once, and the container can be looked at and ended (5)', async () => {
      const id = await suite.run({
        steps: [
          ['ignoreTerm', true],
          ['print', 'deaf'],
        ],
      });
      await untilPrinted(suite.runtime, id, 'deaf');
      const abort = new AbortController();
      const stopping = suite.runtime.stop(id, 20 * second, abort.signal).catch((error: unknown) => error);
      const begin = performance.now();
      abort.abort(new Error('no more time'));
      expect(await stopping).toMatchObject({ message: 'no more time' });
      expect(performance.now() - begin).toBeLessThan(5 * second);
      await suite.runtime.remove(id, patience());
      expect(await suite.runtime.inspect(id, patience())).toBeUndefined();
    });

    test('for an image that is not there is refused as IMAGE_NOT_FOUND (6)', async () => {
      const plan = { ...planOf(suite.newKey()), image: 'bot_image_aaaaaaaaaaaaaaaa:g1' };
      expect(await codeOf(suite.runtime.create(plan, patience()))).toBe('IMAGE_NOT_FOUND');
    });

    test('for a container that is gone is refused as CONTAINER_ERROR (6)', async () => {
      const id = await suite.run();
      await suite.runtime.remove(id, patience());
      expect(await codeOf(suite.runtime.start(id, patience()))).toBe('CONTAINER_ERROR');
      expect(await codeOf(suite.runtime.readOutput(id, undefined, 1000, patience()))).toBe('CONTAINER_ERROR');
      await suite.runtime.watchOutput(id, () => {}, patience());
    });

    test('hostile 26: gives its environment to the bot, and to nobody else (7)', async () => {
      const canary = 'canary-4e5f"\n$(x)\'%';
      const id = await suite.run({
        env: { CANARY: canary, EMPTY: '' },
        steps: [
          ['printEnv', 'EMPTY'],
          ['printEnv', 'CANARY'],
        ],
      });
      await untilPrinted(suite.runtime, id, "$(x)'%");
      const { lines } = await suite.runtime.readOutput(id, undefined, 1_000_000, patience());
      expect(lines.map(({ text }) => text)).toEqual(['EMPTY=', 'CANARY=canary-4e5f"', "$(x)'%"]);
      expect(await suite.harness.readable()).toContain(id);
      expect(await suite.harness.readable()).not.toContain('canary-4e5f');
      expect(JSON.stringify(await suite.runtime.list(patience()), (_key, value) => String(value))).not.toContain(
        'canary',
      );
    });

    test('hostile 24: with an environment that cannot be passed on is refused without showing the value (7)', async () => {
      for (const env of [
        { TOKEN: 'canary-1\0rest' },
        { 'A B': 'canary-1' },
        { 'A=B': 'canary-1' },
        { '': 'canary-1' },
      ]) {
        const plan = { ...planOf(suite.newKey()), env: new Secret<Readonly<Record<string, string>>>(env) };
        const error = await suite.runtime.create(plan, patience()).catch((reason: unknown) => reason);
        expect(error).toBeInstanceOf(ProblemError);
        expect(error).toMatchObject({ problem: { code: 'INVALID_ENV_VARS' } });
        expect(String(error) + JSON.stringify(error)).not.toContain('canary');
      }
      expect(await suite.runtime.list(patience())).toEqual([]);
    });

    test('for facts of the engine gives plausible ones', async () => {
      const info = await suite.runtime.info(patience());
      expect(info.version).not.toBe('');
      expect(info.memoryBytes).toBeGreaterThan(64 * 1024 * 1024);
      expect(info.cpuMillis).toBeGreaterThanOrEqual(1000);
    });
  });
}

export function describeEvents(suite: SuiteContext): void {
  describe('events', () => {
    test('report starts and ends of own containers, and of no others', async () => {
      const seen: string[] = [];
      const watch = new AbortController();
      const watching = suite.runtime.watchEvents(
        ({ containerId, kind }) => seen.push(`${kind} ${containerId}`),
        watch.signal,
      );
      // The stream may take a moment to open: the first bots are there to see that it has.
      await eventually(
        'an event came',
        async () => {
          const id = await suite.run({ steps: [['exit', 0]] });
          await untilExited(suite.runtime, id);
          return seen.length;
        },
        (count) => count > 0,
        { timeoutMs: 30 * second },
      );
      const other = suite.harness.runtime({ workerId: 'worker-2' });
      const plan = botPlan({ key: suite.newKey(), workerId: 'worker-2', language: suite.harness.language });
      const foreign = await other.create({ ...plan, image: suite.image }, patience());
      await other.start(foreign, patience());
      const id = await suite.run({ steps: [['print', 'ready']] });
      await untilPrinted(suite.runtime, id, 'ready');
      await suite.runtime.stop(id, 10 * second, patience());
      await eventually(
        'start and end were told in order',
        () => seen.filter((event) => event.endsWith(id)),
        (events) => events.join() === `started ${id},ended ${id}`,
      );
      await other.remove(foreign, patience());
      expect(seen.filter((event) => event.endsWith(foreign))).toEqual([]);
      watch.abort();
      await watching;
    });
  });
}
