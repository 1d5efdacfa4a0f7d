/** A worker that stops, and what it leaves. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '#common/clock.ts';
import { silentLogger } from '#common/log.ts';
import { BotState } from '#gen/botrunner/v1/bot_pb.js';
import { readWorkerConfig } from '../../worker/config.ts';
import { startWorker } from '../../worker/program.ts';
import { eventually } from '../kit/eventually.ts';
import { createWorkerForTests, type WorkerForTests } from './kit/worker-for-tests.ts';

let world: WorkerForTests;
beforeEach(async () => {
  world = await createWorkerForTests();
});
afterEach(() => world.close());

describe('a worker that stops', () => {
  it('leaves Docker bots running and finds them again', async () => {
    const first = await world.start();
    const session = await world.orchestrator.session(0);
    session.send({ case: 'ensure', value: world.ensure() });
    await session.hear('result');
    const { id } = world.runtime.only();
    await first.stop();
    expect(world.runtime.only()).toMatchObject({ id, status: 'running' });
    world.orchestrator.welcome = { heartbeatIntervalMs: 200, desiredSet: { bots: [world.ensure({ taskId: '' })] } };
    await world.start();
    const hello = await (await world.orchestrator.session(1)).hear('hello');
    expect(hello.bootId).not.toBe((await session.hear('hello')).bootId);
    // Looked at before the first message, so that nobody sees it as unknown in between.
    expect(hello.snapshot).toMatchObject([{ state: BotState.RUNNING, containerId: id }]);
    expect(world.runtime.done.filter((what) => what.startsWith('start'))).toHaveLength(1);
  });

  it('does so in the middle of a build, at once', async () => {
    world.runtime.buildGate = new Promise(() => undefined);
    const running = await world.start();
    const session = await world.orchestrator.session(0);
    session.send({ case: 'ensure', value: world.ensure() });
    await eventually(
      'it builds',
      () => world.runtime.builds.length,
      (count) => count > 0,
    );
    const began = performance.now();
    await running.stop();
    expect(performance.now() - began).toBeLessThan(3000);
  });

  it('has written no secret of a bot to its disk', async () => {
    const running = await world.start();
    const session = await world.orchestrator.session(0);
    session.send({ case: 'ensure', value: world.ensure() });
    await session.hear('result');
    world.runtime.print(world.runtime.only().id, 'it is canary-secret-value');
    await eventually(
      'the line is stored',
      () => allFiles(world.dir),
      (content) => content.includes('it is [masked]'),
    );
    await running.stop();
    expect(await allFiles(world.dir)).not.toContain('canary-secret');
  });

  it('lets nobody else use its folder meanwhile', async () => {
    await world.start();
    await expect(
      startWorker({
        config: readWorkerConfig({ ORCHESTRATOR_URL: world.orchestrator.url, DATA_DIR: world.dir }),
        clock: systemClock,
        logger: silentLogger,
        runtime: () => world.runtime,
      }),
    ).rejects.toThrow('is held by the running process');
  });
});

async function allFiles(folder: string): Promise<string> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  // A file may go between the listing and the reading.
  const contents = await Promise.all(files.map((file) => readFile(file, 'latin1').catch(() => '')));
  return contents.join('\n');
}
