/**
 * An engine that is killed and started again while a bot is built and while a new version is watched: nothing fails, and nothing
 * is rolled back. The engine is one of its own, without live-restore: it ends the containers that it finds when it starts.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import { pack } from 'tar-stream';
import { afterEach, describe, expect, it } from 'vitest';
import { systemClock } from '#common/clock.ts';
import { silentLogger } from '#common/log.ts';
import { readWorkerConfig } from '../../worker/config.ts';
import { type RunningWorker, startWorker } from '../../worker/program.ts';
import { baseImageNames, loadBaseImages } from '../kit/base-images/base-images.ts';
import { eventually } from '../kit/eventually.ts';
import { type JsonBody, startTestOrchestrator, type TestOrchestrator } from '../kit/orchestrator-for-tests.ts';
import { callEngine } from '../kit/private-engine/engine-api.ts';
import { type PrivateEngine, startPrivateEngine } from '../kit/private-engine/private-engine.ts';

let dir: string | undefined;
let engine: PrivateEngine | undefined;
let worker: RunningWorker | undefined;
let orchestrator: TestOrchestrator | undefined;

afterEach(async () => {
  await worker?.stop();
  await orchestrator?.[Symbol.asyncDispose]();
  await engine?.stop();
  if (dir !== undefined) rmSync(dir, { recursive: true, force: true });
  worker = orchestrator = engine = dir = undefined;
});

/** An engine, an orchestrator and a worker on it, ended after the test. */
async function startAll(skip: (why: string) => never): Promise<{ own: PrivateEngine; running: TestOrchestrator }> {
  const own = await startPrivateEngine({ liveRestore: false }).catch((error: unknown) =>
    skip(`there is no private engine: ${error instanceof Error ? error.message : String(error)}`),
  );
  engine = own;
  await loadBaseImages(own.dockerHost, own.packages, ['busybox']);
  const running = await startTestOrchestrator();
  orchestrator = running;
  dir = mkdtempSync(join(tmpdir(), 'engine-restarts-'));
  worker = await startWorker({
    config: readWorkerConfig({
      ORCHESTRATOR_URL: running.url,
      DATA_DIR: dir,
      WORKER_ID: 'w1',
      DOCKER_HOST: own.dockerHost,
    }),
    clock: systemClock,
    logger: silentLogger,
  });
  return { own, running };
}

/** A bot in custom mode, as the field `archive`. */
async function archive(dockerfile: string): Promise<string> {
  const tar = pack();
  tar.entry({ name: 'Dockerfile' }, dockerfile);
  tar.finalize();
  return gzipSync(await buffer(tar)).toString('base64');
}

describe('an engine that is killed', () => {
  it('in the middle of a build and of a watch costs a bot neither', { timeout: 240_000 }, async ({ skip }) => {
    const { own, running } = await startAll(skip);
    const job = async (id: string): Promise<JsonBody> => (await running.get(`/jobs/${id}`)).body;
    const untilJob = (id: string, what: string, holds: (seen: JsonBody) => boolean) =>
      eventually(what, () => job(id), holds, { timeoutMs: 90_000 });
    const bot = async () =>
      (await job((await running.post({ action: 'status', bot_id: 'b' })).body.job_id)).data.result;
    const deploy = async (action: string, run: string): Promise<string> => {
      const dockerfile = `FROM ${baseImageNames.busybox}\nRUN ${run}\nCMD ["sleep", "100000"]\n`;
      const data = { action, bot_id: 'b', deployment_mode: 'custom', archive: await archive(dockerfile) };
      const { status, body } = await running.post(data);
      expect({ status, body }).toMatchObject({ status: 202 });
      return body.job_id;
    };
    const restart = async () => {
      await own.kill();
      await own.start();
    };
    const isFinal = ({ status }: JsonBody) => ['completed', 'failed'].includes(status);

    const first = await deploy('start', 'sleep 4');
    await untilJob(first, 'the step runs', ({ reason }) => String(reason).startsWith('the image is being built'));
    // The build has a step that takes its time; it is somewhere in it.
    await eventually(
      'the step has a container',
      async () => (await fetchContainers(own)).length,
      (count) => count > 0,
      { timeoutMs: 30_000 },
    );
    await restart();
    expect(await untilJob(first, 'the start has ended', isFinal)).toMatchObject({ status: 'completed' });
    const before = await bot();

    const update = await deploy('update', 'echo 2 > /version');
    await eventually(
      'the new version is watched',
      bot,
      ({ status, container_id }) =>
        status === 'starting' && container_id !== null && container_id !== before.container_id,
      { timeoutMs: 60_000, everyMs: 5 },
    );
    await restart();
    const ended = await untilJob(update, 'the update has ended', isFinal);
    expect(ended.data.error ?? {}).toEqual({});
    expect(ended).toMatchObject({ status: 'completed' });
    const after = await eventually('it runs', bot, ({ status }) => status === 'running', { timeoutMs: 30_000 });
    expect(after.generation).toBeGreaterThan(before.generation);
  });
});

describe('a build that its engine was killed in, of a bot that is deleted meanwhile', () => {
  it('leaves nothing: what could not be removed at once is removed when the engine is back', {
    timeout: 240_000,
  }, async ({ skip }) => {
    const { own, running } = await startAll(skip);
    const things = async (): Promise<readonly string[]> => {
      const images = JSON.parse((await callEngine(own.dockerHost, '/images/json')).text);
      // The worker makes an image of programs of its own when it first needs them.
      const others = images.filter(({ Labels }: JsonBody) => Labels?.['bot_runner'] !== 'tools');
      const named = others.map(({ Id, RepoTags }: JsonBody) => RepoTags?.[0] ?? Id);
      return [...named, ...(await fetchContainers(own)).map((container) => JSON.stringify(container))];
    };
    const before = await things();
    const dockerfile = `FROM ${baseImageNames.busybox}\nRUN echo 1 > /1\nRUN sleep 600\n`;
    const start = { action: 'start', bot_id: 'b', deployment_mode: 'custom', archive: await archive(dockerfile) };
    expect((await running.post(start)).status).toBe(202);
    await eventually(
      'the step has a container',
      async () => (await fetchContainers(own)).length,
      (count) => count > 0,
      { timeoutMs: 30_000 },
    );
    await own.kill();
    const { body } = await running.post({ action: 'delete', bot_id: 'b', purge: true });
    // The build has noticed, and failed to clean up.
    await eventually(
      'the worker says that its engine is away',
      async () => JSON.stringify((await running.get(`/jobs/${body.job_id}`)).body),
      (text) => text.includes('engine') || text.includes('completed'),
      { timeoutMs: 30_000 },
    );
    await own.start();
    await eventually('nothing is left', things, (seen) => JSON.stringify(seen) === JSON.stringify(before), {
      timeoutMs: 60_000,
    });
  });
});

async function fetchContainers(of: PrivateEngine): Promise<readonly unknown[]> {
  return JSON.parse((await callEngine(of.dockerHost, '/containers/json?all=1')).text);
}
