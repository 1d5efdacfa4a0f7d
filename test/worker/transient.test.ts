/** What breaks off while a bot is made or watched is retried, and nobody is blamed for it. */
import { createHash, randomBytes } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import { create } from '@bufbuild/protobuf';
import { pack } from 'tar-stream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ProblemError, problem } from '#common/problem.ts';
import { BotSpecSchema, BotState } from '#gen/botrunner/v1/bot_pb.js';
import { asFailure } from '../../worker/failures/chances.ts';
import { EngineUnavailableError } from '../../worker/runtime/container-runtime.ts';
import { eventually } from '../kit/eventually.ts';
import { startTcpProxy } from '../kit/tcp-proxy.ts';
import { createRegistryForTests, failureOf, type RegistryForTests, successOf } from './kit/registry-for-tests.ts';
import { createWorkerForTests } from './kit/worker-for-tests.ts';

const systemError = (code: string) => Object.assign(new Error(`it said ${code}`), { code });

describe('making an image', () => {
  let bots: RegistryForTests;
  beforeEach(async () => {
    bots = await createRegistryForTests();
  });
  afterEach(() => bots.close());

  it.each<[string, Error]>([
    ['an engine that was restarted', new EngineUnavailableError('the socket was reset')],
    ['a socket that was reset', systemError('ECONNRESET')],
    ['a stream that broke off', systemError('ERR_STREAM_PREMATURE_CLOSE')],
    ['a disk that was full for a moment', systemError('ENOSPC')],
    ['a resolver that said try again', systemError('EAI_AGAIN')],
    ['a registry that answered 503', asFailure(problem('IMAGE_PULL_FAILED', 'The registry cannot answer.'), 'again')],
  ])('continues after %s', async (_, error) => {
    for (let n = 0; n < 2; n += 1) bots.runtime.failNext('buildImage', error);
    bots.run(1, { taskId: 't1', remainingMs: 600_000n });
    expect(successOf(await bots.result('t1'))).toBeDefined();
    expect(bots.state()).toBe(BotState.RUNNING);
  });

  it('says while it waits what it waits for, and how often that was tried', async () => {
    for (let n = 0; n < 3; n += 1) bots.runtime.failNext('buildImage', systemError('ENOSPC'));
    bots.run(1, { taskId: 't1' });
    await bots.result('t1');
    const told = bots.reports.progress.map(({ message }) => message);
    expect(told).toContain(
      'the image is not ready yet, attempt 2 follows; the last one failed: the disk of the worker is full',
    );
    expect(told).toContain('the image is being built, attempt 4; the last one failed: the disk of the worker is full');
  });

  it('says of a bot that runs why its update takes so long', async () => {
    bots.run(1, { taskId: 't1' });
    await bots.result('t1');
    bots.runtime.buildImage = () => Promise.reject(systemError('ENOSPC'));
    bots.run(2, { taskId: 't2' });
    const reason = await bots.until('it is reported', () => {
      const last = bots.reports.observations.at(-1)?.reason ?? '';
      return last.includes('attempt 3') ? last : undefined;
    });
    expect(reason).toBe(
      'an update is being prepared: the image is not ready yet, attempt 3 follows; the last one failed: the disk of the worker is full',
    );
    expect(bots.state()).toBe(BotState.RUNNING);
  });

  it('waits longer from try to try', async () => {
    const tried: number[] = [];
    const { buildImage } = bots.runtime;
    bots.runtime.buildImage = (...words) => {
      tried.push(bots.clock.monotonicMs());
      return tried.length < 5 ? Promise.reject(systemError('ECONNRESET')) : buildImage(...words);
    };
    bots.run(1, { taskId: 't1' });
    await bots.until('it is made', () => bots.reports.results[0]);
    const pauses = tried.slice(1).map((at, n) => at - (tried[n] ?? 0));
    // Time passes while the worker writes to its disk, so each is a little longer than it is meant to be.
    expect(pauses.map((pause, n) => pause >= 500 * 2 ** n)).toEqual([true, true, true, true]);
  });

  it('ends at the deadline with what kept it, reported as such', async () => {
    const last = problem('FETCH_FAILED', 'The server took too long.');
    const { buildImage } = bots.runtime;
    bots.runtime.buildImage = () => Promise.reject(asFailure(last, 'again'));
    bots.run(1, { taskId: 't1', remainingMs: 5_000n });
    expect(failureOf(await bots.result('t1'))).toMatchObject({
      code: 'FETCH_FAILED',
      message: expect.stringMatching(
        /^The server took too long\. It was attempted \d times until the job's deadline\.$/,
      ),
    });
    bots.runtime.buildImage = () => Promise.reject(systemError('ENOSPC'));
    bots.run(2, { taskId: 't2', remainingMs: 5_000n });
    expect(failureOf(await bots.result('t2'))).toMatchObject({
      code: 'CONTAINER_ERROR',
      message: 'The bot was not started in time. The disk of the worker is full.',
    });
    bots.runtime.buildImage = buildImage;
  });

  it('is given up soon where retrying seldom helps, and at once where it never does', async () => {
    const refused = problem('IMAGE_PULL_FAILED', 'The registry could not be reached.');
    let tries = 0;
    bots.runtime.buildImage = () => {
      tries += 1;
      return Promise.reject(asFailure(refused, 'briefly'));
    };
    bots.run(1, { taskId: 't1' });
    expect(failureOf(await bots.result('t1'))).toMatchObject({ code: 'IMAGE_PULL_FAILED', message: refused.message });
    expect(tries).toBe(4);
    bots.runtime.buildImage = () => {
      tries += 1;
      return Promise.reject(new ProblemError(problem('BUILD_FAILED', 'no')));
    };
    bots.run(2, { taskId: 't2' });
    expect(failureOf(await bots.result('t2'))).toMatchObject({ code: 'BUILD_FAILED' });
    expect(tries).toBe(5);
  });

  it('keeps nothing waiting: the old version is started again meanwhile, and a stop comes through', async () => {
    bots.run(1, { taskId: 't1' });
    await bots.result('t1');
    bots.runtime.buildImage = () => Promise.reject(systemError('ECONNRESET'));
    bots.run(2, { taskId: 't2' });
    await bots.pass(40_000);
    const { id } = bots.runtime.only();
    bots.runtime.exit(id, 1);
    bots.registry.happened({ containerId: id, kind: 'ended' });
    await bots.until(
      'it is started again',
      () => bots.runtime.done.filter((what) => what === 'start echo r1').length === 2,
      3000,
    );
    bots.stop(3, { taskId: 't3' });
    expect(successOf(await bots.result('t3'))).toBeDefined();
  });
});

describe('an update that is watched', () => {
  let bots: RegistryForTests;
  let covered = false;
  beforeEach(async () => {
    covered = false;
    bots = await createRegistryForTests({ interrupted: () => covered });
    bots.run(1, { taskId: 't1' });
    await bots.result('t1');
    bots.run(2, { taskId: 't2' });
    await bots.until('the new version is started', () => bots.runtime.done.includes('start echo r2'));
  });
  afterEach(() => bots.close());
  const starts = () => bots.runtime.done.filter((what) => what === 'start echo r2').length;
  const endedByEngine = (code: number) => {
    const { id } = bots.runtime.only();
    bots.runtime.exit(id, code);
    bots.registry.happened({ containerId: id, kind: 'ended' });
  };

  it.each([0, 137, 143])(
    'is not blamed for an engine that went down, whatever the bot ended with: %i',
    async (code) => {
      bots.runtime.away = true;
      endedByEngine(code);
      await bots.pass(3000);
      covered = true;
      bots.runtime.away = false;
      bots.registry.engineReturned();
      const result = await bots.result('t2');
      expect(successOf(result)).toMatchObject({ replaced: true, lastLines: [] });
      expect(result.observation).toMatchObject({ state: BotState.RUNNING, revision: 2n });
      expect(starts()).toBe(2);
    },
  );

  it('is not blamed either when the end is seen before the engine is seen to go', async () => {
    endedByEngine(143);
    await bots.until('the end is seen', () => bots.state() === BotState.CRASH_LOOP);
    bots.runtime.away = true;
    await bots.pass(3000);
    expect(bots.reports.results.map(({ taskId }) => taskId)).toEqual(['t1']);
    covered = true;
    bots.runtime.away = false;
    bots.registry.engineReturned();
    expect((await bots.result('t2')).observation).toMatchObject({ state: BotState.RUNNING, revision: 2n });
  });

  it('is not blamed for a worker that was restarted, and is watched again', async () => {
    const restarting = bots.restart();
    bots.runtime.exit(bots.runtime.only().id, 1);
    await restarting;
    bots.run(2, { taskId: 't2' });
    expect((await bots.result('t2')).observation).toMatchObject({ state: BotState.RUNNING, revision: 2n });
  });

  it('is blamed for its own end, also right after a restart of the worker', async () => {
    bots.runtime.behaviour = { exits: 1 };
    const restarting = bots.restart();
    bots.runtime.exit(bots.runtime.only().id, 1);
    await restarting;
    bots.run(2, { taskId: 't2' });
    expect((await bots.result('t2')).observation).toMatchObject({ state: BotState.CRASH_LOOP, exitCode: 1 });
  });
});

describe('a connection that is reset while a source is fetched', () => {
  /** 3 MB that nothing makes smaller. */
  async function largeSource(): Promise<{ sha256: string; bytes: Uint8Array }> {
    const tar = pack();
    tar.entry({ name: 'bot.py' }, 'print(1)\n');
    tar.entry({ name: 'data.bin' }, randomBytes(3_000_000));
    tar.finalize();
    const bytes = await buffer(tar);
    return { sha256: createHash('sha256').update(bytes).digest('hex'), bytes };
  }

  it('costs no start', async () => {
    const world = await createWorkerForTests();
    const proxy = await startTcpProxy(() => Number(world.orchestrator.address.split(':')[1]));
    try {
      await world.start(`http://127.0.0.1:${proxy.port}`);
      for (let n = 0; n < 4; n += 1) {
        const { sha256, bytes } = await largeSource();
        world.orchestrator.artifacts.set(sha256, bytes);
        const source = { case: 'simple' as const, value: { artifactSha256: sha256, entrypoint: 'bot.py' } };
        const taskId = `t${n}`;
        const ensure = world.ensure({ botId: `b${n}`, taskId, spec: create(BotSpecSchema, { source }) });
        const fetches = world.orchestrator.fetches.length;
        world.orchestrator.sessions.at(-1)?.send({ case: 'ensure', value: ensure });
        world.orchestrator.welcome = { heartbeatIntervalMs: 200, desiredSet: { bots: [ensure] } };
        await eventually(
          'it is being fetched',
          () => world.orchestrator.fetches.length,
          (count) => count > fetches,
          { everyMs: 1 },
        );
        proxy.cut();
        const results = () =>
          world.orchestrator.sessions
            .flatMap(({ heard }) => heard)
            .flatMap(({ body }) => (body.case === 'result' && body.value.taskId === taskId ? [body.value] : []));
        const [result] = await eventually('the start has ended', results, (found) => found.length > 0, {
          timeoutMs: 20_000,
        });
        expect(result?.outcome).toMatchObject({ case: 'succeeded' });
        await eventually(
          'there is a session again',
          () => world.worker()?.connected(),
          (connected) => connected === true,
          { timeoutMs: 20_000 },
        );
      }
    } finally {
      await world.close();
      await proxy.close();
    }
  }, 60_000);
});
