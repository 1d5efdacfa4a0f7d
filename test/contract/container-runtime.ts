/**
 * The contract of ContainerRuntime as tests. Every implementation runs all of them; the numbers are those of the prose in
 * worker/runtime/container-runtime.ts.
 */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type BotKey, containerName } from '#common/ids.ts';
import { ProblemError } from '#common/problem.ts';
import { Secret } from '#common/secret.ts';
import { type ContainerRuntime, NameInUseError } from '../../worker/runtime/container-runtime.ts';
import { signedLabels } from '../../worker/runtime/labels.ts';
import { eventually } from '../kit/eventually.ts';
import { describeBuilds } from './builds.ts';
import {
  botPlan,
  buildBot,
  type Harness,
  type PlanChoice,
  patience,
  readAll,
  second,
  untilExited,
  untilPrinted,
} from './harness.ts';
import { describeOutput } from './output.ts';

/** What a group of tests of the suite works with. */
export interface SuiteContext {
  readonly harness: Harness;
  readonly runtime: ContainerRuntime;
  readonly workerId: string;
  /** An image with the suite's bot in it. */
  readonly image: string;
  readonly imageKey: BotKey;
  /** A key that no other test has. */
  newKey(): BotKey;
  /** Creates and starts a bot of the suite; it is removed after the test. Returns its id. */
  run(choice?: Partial<PlanChoice>): Promise<string>;
}

const userId = 'contract';

/** Declares the whole suite for one implementation. */
export function describeContainerRuntime(title: string, createHarness: () => Promise<Harness>): void {
  describe(title, { timeout: 120 * second }, () => {
    let harness: Harness;
    let runtime: ContainerRuntime;
    let image: string;
    let count = 0;
    const workerId = 'worker-1';
    const imageKey = { userId, botId: 'image' };

    beforeAll(async () => {
      harness = await createHarness();
      runtime = harness.runtime({ workerId });
      image = await buildBot(runtime, harness.language, { key: imageKey, workerId });
    }, 120 * second);
    afterEach(async () => {
      for (const { id } of await runtime.list(patience())) await runtime.remove(id, patience());
    });
    afterAll(() => harness?.close());

    const context: SuiteContext = {
      get harness() {
        return harness;
      },
      get runtime() {
        return runtime;
      },
      get image() {
        return image;
      },
      workerId,
      imageKey,
      newKey() {
        count += 1;
        return { userId, botId: `bot-${count}` };
      },
      async run(choice = {}) {
        const key = choice.key ?? this.newKey();
        const plan = { ...botPlan({ workerId, language: harness.language, ...choice, key }), image };
        const id = await runtime.create(plan, patience());
        await runtime.start(id, patience());
        return id;
      },
    };

    describeNames(context);
    describeStates(context);
    describeOwnership(context);
    describeFailures(context);
    describeEvents(context);
    describeBuilds(context);
    describeOutput(context);
  });
}

function describeNames(suite: SuiteContext): void {
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

function describeStates(suite: SuiteContext): void {
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
      expect(created).toEqual({
        id,
        name: containerName(key),
        key,
        revision: 7n,
        epoch: 9n,
        image: suite.image,
        status: 'created',
        startedAtMs: undefined,
        finishedAtMs: undefined,
        exitCode: undefined,
        oomKilled: false,
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

    test.each([0, 1, 3, 77])('that ends by itself with %i keeps that exit code', async (code) => {
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

    test('that ignores SIGTERM has its grace, and is killed after it (3)', async () => {
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

function describeOwnership(suite: SuiteContext): void {
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

    test('with copied or forged labels is not seen and not touched (4)', async () => {
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

function describeFailures(suite: SuiteContext): void {
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

    test('tells the bot its environment, and nobody else (7)', async () => {
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

    test('with an environment that cannot be passed on is refused without telling the value (7)', async () => {
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
      expect(info.hostAddress).toMatch(/^\d+\.\d+\.\d+\.\d+$/);
    });
  });
}

function describeEvents(suite: SuiteContext): void {
  describe('events', () => {
    test('tell of starts and ends of own containers, and of no others', async () => {
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
