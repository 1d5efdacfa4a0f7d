/**
 * Containers, images and volumes as version 0.1.0 asked an engine for them, adopted by today's worker: recorded from that
 * release's own code (scripts/upgrade/record-docker.ts), given to a real engine.
 */
import { createHash } from 'node:crypto';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { pack } from 'tar-stream';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { systemClock } from '#common/clock.ts';
import { silentLogger } from '#common/log.ts';
import { BotState, DesiredState } from '#gen/botrunner/v1/bot_pb.js';
import { readWorkerConfig } from '../../worker/config.ts';
import { type RunningWorker, startWorker } from '../../worker/program.ts';
import { list, record, text } from '../../worker/runtime/docker/answers.ts';
import { createEngineClient } from '../../worker/runtime/docker/engine-client.ts';
import { hasStatus } from '../../worker/runtime/docker/engine-errors.ts';
import { rawEngine, removeAllOf } from '../contract/docker-harness.ts';
import { eventually } from '../kit/eventually.ts';
import { usableDocker } from '../kit/test-docker.ts';
import { type ScriptedOrchestrator, startScriptedOrchestrator } from '../worker/kit/scripted-orchestrator.ts';
import { type FormerState, openFormerState, type RecordedContainer } from './kit.ts';

const docker = inject('docker');
const network = 'bot_runner_network';
const base = 'python:3.11-slim';
const userId = 'upgrade';
const patience = { timeoutMs: 60_000 };

// Counts its starts in /data and says so, twice a second.
const counting = `import os, time
path = '/data/count'
n = int(open(path).read()) + 1 if os.path.exists(path) else 1
open(path, 'w').write(str(n))
while True:
    print('count', n, flush=True)
    time.sleep(0.5)
`;

async function tarOf(files: Readonly<Record<string, string>>, folders: readonly string[] = []): Promise<Buffer> {
  const tar = pack();
  const owner = { uid: 10001, gid: 10001 };
  for (const name of folders) tar.entry({ name: `${name}/`, type: 'directory', mode: 0o755, ...owner });
  for (const [name, content] of Object.entries(files)) tar.entry({ name, mode: 0o644, ...owner }, content);
  tar.finalize();
  return buffer(tar);
}

describe.skipIf('skip' in docker)('containers of version 0.1.0 on a Docker engine', () => {
  const engineHost = usableDocker(docker);
  const engine = rawEngine(engineHost);
  const ids = new Map<string, string>();
  let dir: string;
  let former: FormerState;
  let orchestrator: ScriptedOrchestrator;
  let worker: RunningWorker | undefined;

  const startOf = async (id: string): Promise<string> =>
    text(record(record(await engine.get(`/containers/${id}/json`))['State'])['StartedAt']);

  const archive = (id: string, path: string) => ({ path: `/containers/${id}/archive`, query: { path } }) as const;
  async function putTar(id: string, tar: Buffer): Promise<void> {
    const call = { method: 'PUT', ...archive(id, '/'), upload: Readable.from([tar]) } as const;
    await buffer(await createEngineClient(engineHost.host).stream(call, AbortSignal.timeout(30_000)));
  }
  /** A tar of one small file: its content begins after one block. */
  async function readFile(id: string, path: string): Promise<string> {
    const call = { method: 'GET', ...archive(id, path) } as const;
    const tar = await buffer(await createEngineClient(engineHost.host).stream(call, AbortSignal.timeout(30_000)));
    return tar.subarray(512).toString().replaceAll('\0', '');
  }

  /** The image that the release built, by hand: its layers do not matter here, its name and labels do. */
  async function makeImage({ container: { image, imageLabels } }: RecordedContainer): Promise<void> {
    const made = text(record(await engine.post('/containers/create', {}, { Image: base }))['Id']);
    await putTar(made, await tarOf({ 'app/bot.py': counting }, ['app', 'data']));
    const [repo = '', tag = ''] = image.split(':');
    const body = { Labels: imageLabels, Cmd: ['python', '/app/bot.py'], User: '' };
    await engine.post('/commit', { container: made, repo, tag }, body);
    await engine.remove(`/containers/${made}`, { force: true });
  }

  beforeAll(async () => {
    former = await openFormerState('0.1.0');
    dir = mkdtempSync(join(tmpdir(), 'upgrade-docker-'));
    cpSync(join(former.dir, 'docker'), dir, { recursive: true });
    orchestrator = await startScriptedOrchestrator();
    const body = {
      Name: network,
      Driver: 'bridge',
      CheckDuplicate: true,
      Options: { 'com.docker.network.bridge.enable_icc': 'false' },
      Labels: { bot_runner: 'true' },
    };
    try {
      await engine.post('/networks/create', {}, body);
    } catch (error) {
      // 409: another test file has made it, as every worker does. A second one of that name would make it ambiguous.
      if (!hasStatus(error, 409)) throw error;
    }
    for (const recorded of former.made.docker) {
      await makeImage(recorded);
      const { name, botId, container } = recorded;
      const id = text(record(await engine.post('/containers/create', { name }, container.body))['Id']);
      if (botId === 'image') {
        await putTar(id, await tarOf({}, ['data']));
      }
      await engine.post(`/containers/${id}/start`, {});
      ids.set(botId, id);
    }
  }, 120_000);

  afterAll(async () => {
    await worker?.stop();
    orchestrator.kill();
    await former.close();
    rmSync(dir, { recursive: true, force: true });
    await removeAllOf(engine, userId, network);
  }, 60_000);

  const ensureOf = (botId: string, extra = {}) => ({
    userId,
    botId,
    generation: 2n,
    epoch: 1n,
    revision: 2n,
    desired: DesiredState.RUNNING,
    ...extra,
  });
  const source = (sha256: string) => ({
    source: { case: 'simple' as const, value: { artifactSha256: sha256, entrypoint: 'bot.py' } },
  });
  const imageSource = { source: { case: 'image' as const, value: { image: base } } };

  it('are adopted as they are, and keep running', async () => {
    const tar = await tarOf({ 'bot.py': counting });
    const sha256 = createHash('sha256').update(tar).digest('hex');
    orchestrator.artifacts.set(sha256, tar);
    const before = await Promise.all([...ids.values()].map(startOf));
    orchestrator.welcome = {
      sessionId: 's',
      protocol: 1,
      heartbeatIntervalMs: 500,
      desiredSet: {
        bots: [ensureOf('simple', { spec: source(sha256) }), ensureOf('image', { spec: imageSource })],
      },
    };
    worker = await startWorker({
      config: readWorkerConfig({
        ORCHESTRATOR_URL: orchestrator.url,
        DATA_DIR: dir,
        DOCKER_HOST: engineHost.host,
        PIP_INDEX_URL: engineHost.pipIndexUrl,
      }),
      clock: systemClock,
      logger: silentLogger,
    });
    const session = await orchestrator.session(0);
    const hello = await session.hear('hello');
    expect(hello.workerId).toBe('docker-one');
    expect(hello.snapshot.map(({ botId, containerId, state }) => [botId, containerId, state]).sort()).toEqual([
      ['image', ids.get('image'), BotState.RUNNING],
      ['simple', ids.get('simple'), BotState.RUNNING],
    ]);
    // A set that comes again and again makes no difference.
    session.send({ case: 'desiredSet', value: orchestrator.welcome.desiredSet as never });
    await session.hear('heartbeat', 3);
    expect(await Promise.all([...ids.values()].map(startOf))).toEqual(before);
  }, 60_000);

  it('are stopped and started again, replaced by a new version with their /data, and stopped for good', async () => {
    const session = await orchestrator.session(0);
    const [sha256 = ''] = orchestrator.artifacts.keys();
    const task = (taskId: string, generation: bigint, extra = {}) =>
      session.send({
        case: 'ensure',
        value: ensureOf('simple', { taskId, generation, stopGraceMs: 1000, spec: source(sha256), ...extra }) as never,
      });
    const ended = (taskId: string) =>
      eventually(
        `task ${taskId} has ended`,
        () => session.heard.flatMap(({ body }) => (body.case === 'result' ? [body.value] : [])),
        (results) => results.some((result) => result.taskId === taskId && result.outcome.case === 'succeeded'),
        patience,
      );
    task('t3', 3n, { revision: 3n });
    await ended('t3');
    const [now] = list(await engine.get('/containers/json', { filters: { label: ['bot_id=simple'] } })).map(record);
    expect(text(now?.['Id'])).not.toBe(ids.get('simple'));
    await eventually(
      'the new version counts on',
      () => readFile(text(now?.['Id']), '/data/count'),
      (n) => n === '2',
    );
    task('t4', 4n, { revision: 3n, desired: DesiredState.STOPPED });
    await ended('t4');
    expect(await engine.get('/containers/json', { all: true, filters: { label: ['bot_id=simple'] } })).toEqual([]);
    task('t5', 5n, { revision: 3n, desired: DesiredState.REMOVED, purge: true });
    await ended('t5');
    const volumes = record(await engine.get('/volumes', { filters: { label: ['bot_id=simple'] } }))['Volumes'];
    expect(list(volumes ?? [])).toEqual([]);
  }, 120_000);
});
