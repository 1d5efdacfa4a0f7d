/** RUNTIME_CLASS on an engine that has such a runtime, and on one that does not. Real sandboxes are in engines.long.test.ts. */
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { record } from '../../../worker/runtime/docker/answers.ts';
import { dockerRuntime, rawEngine } from '../../contract/docker-harness.ts';
import { botPlan, buildBot, patience } from '../../contract/harness.ts';
import { loadBaseImages } from '../../kit/base-images/base-images.ts';
import { type PrivateEngine, startPrivateEngine } from '../../kit/private-engine/private-engine.ts';
import { asTestDocker, isolationOf, ownEngineReason } from './bots.ts';

const reason = ownEngineReason(inject('docker'));
const workerId = 'worker-rt';

describe.skipIf(reason)('an engine with another runtime', { timeout: 120_000 }, () => {
  let engine: PrivateEngine;
  beforeAll(async () => {
    // Kata needs virtual machines. That its name arrives at the engine can be seen without.
    engine = await startPrivateEngine({ settings: { runtimes: { 'kata-runtime': { path: '/bin/false' } } } });
    await loadBaseImages(engine.dockerHost, engine.packages, ['busybox', 'python']);
  }, 120_000);
  afterAll(() => engine?.stop(), 60_000);
  const runtimeOf = (runtimeClass?: string) =>
    dockerRuntime(asTestDocker(engine), {
      network: 'runtimes_own',
      workerId,
      strangers: true,
      ...(runtimeClass === undefined ? {} : { runtimeClass }),
    });

  it('passes the name of a runtime on, refuses one that the engine does not have, and sees when it has changed', async () => {
    const key = { userId: 'isolated', botId: 'kata' };
    await buildBot(runtimeOf(), 'python', { key, workerId });
    const plan = botPlan({ key, workerId, language: 'python' });
    const kata = runtimeOf('kata-runtime');
    const id = await kata.create(plan, patience());
    const raw = rawEngine(asTestDocker(engine));
    expect(record(record(await raw.get(`/containers/${id}/json`))['HostConfig'])['Runtime']).toBe('kata-runtime');
    expect((await kata.inspect(id, patience()))?.protection).toMatchObject({ runtimeClass: 'kata-runtime' });
    await expect(kata.start(id, patience())).rejects.toMatchObject({ problem: { code: 'CONTAINER_ERROR' } });
    await kata.remove(id, patience());
    expect(await isolationOf(kata)).toMatchObject({
      ok: false,
      message: expect.stringMatching(/was refused by the engine/),
    });

    const none = runtimeOf('kata-none');
    await expect(none.create(plan, patience())).rejects.toMatchObject({
      problem: { code: 'CONTAINER_ERROR', message: expect.stringContaining('RUNTIME_CLASS=kata-none') },
    });
    expect(await none.list(patience())).toEqual([]);
    expect(await isolationOf(none)).toMatchObject({ ok: false, hint: expect.stringContaining('daemon.json') });
    const settings = [undefined, 'kata-runtime', 'kata-none'].map((name) =>
      runtimeOf(name).settingsOf(plan, patience()),
    );
    expect(new Set(await Promise.all(settings)).size).toBe(3);
  });
});
