/** The whole worker but its engine, against an orchestrator that the test plays over real gRPC. */
import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { status } from '@grpc/grpc-js';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '#common/clock.ts';
import { silentLogger } from '#common/log.ts';
import { BotSpecSchema, BotState, DesiredState } from '#gen/botrunner/v1/bot_pb.js';
import { LogStream } from '#gen/botrunner/v1/log_pb.js';
import { EnsureSchema, type TailLogsRequest } from '#gen/botrunner/v1/worker_service_pb.js';
import { readWorkerConfig } from '../../worker/config.ts';
import { type RunningWorker, startWorker } from '../../worker/program.ts';
import { eventually } from '../kit/eventually.ts';
import { echo, makeBotTar } from './kit/registry-for-tests.ts';
import { type ScriptedOrchestrator, startScriptedOrchestrator } from './kit/scripted-orchestrator.ts';
import { createScriptedRuntime, type ScriptedRuntime } from './kit/scripted-runtime.ts';

let dir = '';
let orchestrator: ScriptedOrchestrator;
let runtime: ScriptedRuntime;
let worker: RunningWorker | undefined;
let sha256 = '';

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'worker-'));
  orchestrator = await startScriptedOrchestrator();
  runtime = createScriptedRuntime(systemClock, 'docker');
  const tar = await makeBotTar();
  sha256 = createHash('sha256').update(tar).digest('hex');
  orchestrator.artifacts.set(sha256, tar);
});
afterEach(async () => {
  await worker?.stop();
  worker = undefined;
  orchestrator.kill();
  await rm(dir, { recursive: true, force: true });
});

const start = async (url = orchestrator.url, more: NodeJS.ProcessEnv = {}) => {
  const env = { ORCHESTRATOR_URL: url, DATA_DIR: dir, WORKER_ID: 'w1', ...more };
  worker = await startWorker({
    config: readWorkerConfig(env),
    clock: systemClock,
    logger: silentLogger,
    runtime: () => runtime,
    random: () => 0.5,
  });
  return worker;
};

const ensure = (extra: MessageInitShape<typeof EnsureSchema> = {}) =>
  create(EnsureSchema, {
    ...echo,
    taskId: 't1',
    generation: 1n,
    epoch: 1n,
    revision: 1n,
    desired: DesiredState.RUNNING,
    spec: create(BotSpecSchema, {
      source: { case: 'simple', value: { artifactSha256: sha256, entrypoint: 'bot.py' } },
      env: { API_KEY: 'canary-secret-value' },
    }),
    ...extra,
  });

describe('a session', () => {
  it('begins with Hello, and goes on with heartbeats at the interval it was told', async () => {
    await start();
    const session = await orchestrator.session(0);
    const hello = await session.hear('hello');
    expect(hello).toMatchObject({
      workerId: 'w1',
      protocolMin: 1,
      protocolMax: 1,
      runtime: 'docker',
      ready: true,
      snapshot: [],
      capabilities: ['mode.simple', 'language.python', 'language.node'],
      capacity: { memoryBytes: 8_000_000_000n, cpuMillis: 4000 },
    });
    expect(session.authorization).toBe('Bearer test-worker-token');
    const began = performance.now();
    expect(await session.hear('heartbeat', 5)).toMatchObject({ ready: true, builds: 0 });
    expect(performance.now() - began).toBeGreaterThan(500);
  });

  it('carries a command from Accepted over progress to its result', async () => {
    runtime.buildLines = ['Collecting aiogram', 'leaks canary-secret-value'];
    await start();
    const session = await orchestrator.session(0);
    session.send({ case: 'ensure', value: ensure() });
    expect(await session.hear('accepted')).toMatchObject({ taskId: 't1' });
    const result = await session.hear('result');
    expect(result).toMatchObject({
      taskId: 't1',
      outcome: { case: 'succeeded' },
      observation: { state: BotState.RUNNING, revision: 1n, containerName: runtime.only().name },
    });
    const kinds = session.heard.map(({ body }) => body.case);
    expect(kinds.indexOf('accepted')).toBeLessThan(kinds.indexOf('progress'));
    const output = session.heard.flatMap(({ body }) => (body.case === 'progress' ? body.value.output : []));
    expect(output.map(({ text }) => text)).toEqual(['Collecting aiogram', 'leaks [masked]']);
    expect(output[0]?.cursor).not.toBe('');
    const states = session.heard.flatMap(({ body }) =>
      body.case === 'observations' ? body.value.bots.map(({ state }) => state) : [],
    );
    expect(states.at(-1)).toBe(BotState.RUNNING);
    expect(orchestrator.fetches).toEqual([sha256]);
  });

  it('tells changes as they happen', async () => {
    await start();
    const session = await orchestrator.session(0);
    session.send({ case: 'ensure', value: ensure() });
    await session.hear('result');
    const before = session.heard.length;
    runtime.exit(runtime.only().id, 3);
    const told = await eventually(
      'the crash is told',
      () => session.heard.slice(before).flatMap(({ body }) => (body.case === 'observations' ? body.value.bots : [])),
      (bots) => bots.some(({ state, exitCode }) => state === BotState.CRASH_LOOP && exitCode === 3),
    );
    expect(told.length).toBeGreaterThan(0);
  });

  it('applies the desired set of Welcome', async () => {
    orchestrator.welcome = { heartbeatIntervalMs: 200, desiredSet: { bots: [ensure({ taskId: '' })] } };
    await start();
    await eventually(
      'the bot runs',
      () => runtime.done,
      (done) => done.includes('start echo r1'),
    );
  });

  it('cancels a task', async () => {
    runtime.buildGate = new Promise(() => undefined);
    await start();
    const session = await orchestrator.session(0);
    session.send({ case: 'ensure', value: ensure() });
    await eventually(
      'it builds',
      () => runtime.builds.length,
      (count) => count > 0,
    );
    expect(await session.hear('heartbeat', 3)).toBeDefined();
    session.send({ case: 'cancelTask', value: { $typeName: 'botrunner.v1.CancelTask', taskId: 't1' } });
    expect(await session.hear('result')).toMatchObject({ outcome: { case: 'failed', value: { code: 'CANCELLED' } } });
  });

  it('fails a command whose source the orchestrator does not have', async () => {
    orchestrator.artifacts.clear();
    await start();
    const session = await orchestrator.session(0);
    session.send({ case: 'ensure', value: ensure() });
    expect(await session.hear('result')).toMatchObject({
      outcome: { case: 'failed', value: { code: 'ARTIFACT_NOT_FOUND' } },
    });
  });
});

describe('a connection that breaks', () => {
  it('costs no bot, and the result is sent on every session until it is acknowledged', async () => {
    await start();
    const first = await orchestrator.session(0);
    first.send({ case: 'ensure', value: ensure() });
    await first.hear('result');
    first.end(status.UNAVAILABLE, 'going away');
    orchestrator.welcome = { heartbeatIntervalMs: 200, desiredSet: { bots: [ensure({ taskId: '' })] } };
    const second = await orchestrator.session(1);
    expect((await second.hear('hello')).snapshot).toMatchObject([{ ...echo, state: BotState.RUNNING, revision: 1n }]);
    expect((await second.hear('hello')).bootId).toBe((await first.hear('hello')).bootId);
    expect(await second.hear('result')).toMatchObject({ taskId: 't1' });
    second.send({ case: 'resultAck', value: { $typeName: 'botrunner.v1.ResultAck', taskId: 't1' } });
    await eventually(
      'the result is forgotten',
      () => readdir(join(dir, 'worker', 'results')),
      (names) => names.length === 0,
    );
    second.end(status.UNAVAILABLE, 'going away');
    const third = await orchestrator.session(2);
    await third.hear('heartbeat', 1);
    expect(third.heard.map(({ body }) => body.case)).not.toContain('result');
    // A command that comes again is answered with the same result, and has no second effect.
    third.send({ case: 'ensure', value: ensure() });
    expect(await third.hear('result')).toMatchObject({ taskId: 't1', outcome: { case: 'succeeded' } });
    expect(runtime.done).toEqual(['build echo g1', 'create echo r1', 'start echo r1']);
  });

  it('by the death of the orchestrator is dialled again until it is back', async () => {
    await start();
    const first = await orchestrator.session(0);
    first.send({ case: 'ensure', value: ensure({ taskId: '' }) });
    await eventually(
      'the bot runs',
      () => runtime.done,
      (done) => done.includes('start echo r1'),
    );
    const port = Number(orchestrator.address.split(':')[1]);
    orchestrator.kill();
    await eventually(
      'it is noticed',
      () => worker?.connected(),
      (connected) => connected === false,
    );
    expect(runtime.only().status).toBe('running');
    orchestrator = await startScriptedOrchestrator(port);
    orchestrator.welcome = { heartbeatIntervalMs: 200, desiredSet: { bots: [ensure({ taskId: '' })] } };
    const again = await orchestrator.session(0);
    expect((await again.hear('hello')).snapshot).toHaveLength(1);
    expect(runtime.done).toHaveLength(3);
  });

  it('in the middle of a fetch is made good on the next session', async () => {
    const tar = orchestrator.artifacts.get(sha256);
    orchestrator.artifacts.set(sha256, new Uint8Array([1, 2, 3]));
    await start();
    const session = await orchestrator.session(0);
    session.send({ case: 'ensure', value: ensure() });
    await eventually(
      'it was fetched',
      () => orchestrator.fetches.length,
      (count) => count > 0,
    );
    if (tar) orchestrator.artifacts.set(sha256, tar);
    expect(await session.hear('result')).toMatchObject({ outcome: { case: 'succeeded' } });
  });

  it('is taken to the next orchestrator of the list', async () => {
    const other = await startScriptedOrchestrator();
    try {
      await start(`${other.url},${orchestrator.url}`);
      await other.session(0);
      other.kill();
      await orchestrator.session(0);
    } finally {
      other.kill();
    }
  });
});

describe('an orchestrator', () => {
  it('that takes the session for a newer one is not fought', async () => {
    await start();
    const first = await orchestrator.session(0);
    await first.hear('hello');
    first.end(status.ABORTED, 'a newer session');
    await eventually(
      'the session is over',
      () => worker?.connected(),
      (connected) => connected === false,
    );
    // The next dial is 12 s away with the test's random; that it is not at once is what matters.
    await first.hear('hello');
    expect(orchestrator.sessions).toHaveLength(1);
  });

  it('that refuses the token ends the start with one line and nothing left behind', async () => {
    orchestrator.refusal = { code: status.UNAUTHENTICATED, details: 'unknown token' };
    await expect(start()).rejects.toThrow(/refuses the worker token: set WORKER_TOKEN/);
    expect(await readdir(join(dir, 'worker'))).not.toContain('lock');
  });

  it('that refuses the protocol ends the start with its own words', async () => {
    orchestrator.refusal = { code: status.INVALID_ARGUMENT, details: 'The worker speaks protocol 1.' };
    await expect(start()).rejects.toThrow('The worker speaks protocol 1.');
  });

  it('that is not there is waited for', async () => {
    orchestrator.kill();
    const running = await start();
    expect(running.connected()).toBe(false);
    orchestrator = await startScriptedOrchestrator(Number(orchestrator.address.split(':')[1]));
    await orchestrator.session(0);
  });

  it('that says something else than Welcome first is left', async () => {
    orchestrator.welcome = undefined;
    await Promise.all([
      start(),
      orchestrator
        .session(0)
        .then((session) =>
          session.send({ case: 'resultAck', value: { $typeName: 'botrunner.v1.ResultAck', taskId: 'x' } }),
        ),
    ]);
    await orchestrator.session(1);
  });
});

describe('an engine that is away', () => {
  it('is told in Hello and in heartbeats, and its size once it answers', async () => {
    runtime.away = true;
    await start();
    const first = await orchestrator.session(0);
    expect(await first.hear('hello')).toMatchObject({
      ready: false,
      notReadyReason: 'engine_unavailable: the engine does not answer',
    });
    first.send({ case: 'ensure', value: ensure() });
    await first.hear('accepted');
    runtime.away = false;
    const second = await orchestrator.session(1);
    expect(await second.hear('hello')).toMatchObject({ ready: true, capacity: { cpuMillis: 4000 } });
    expect(await second.hear('result')).toMatchObject({ taskId: 't1' });
  });
});

describe('a log tail', () => {
  const openTail = (extra: object = {}) => ({
    case: 'openTail' as const,
    value: {
      $typeName: 'botrunner.v1.OpenTail' as const,
      tailId: 'tail-1',
      ...echo,
      lines: 10,
      follow: false,
      afterCursor: '',
      ...extra,
    },
  });
  const texts = (heard: readonly TailLogsRequest[]) => heard.flatMap(({ entries }) => entries.map(({ text }) => text));

  const running = async () => {
    await start();
    const session = await orchestrator.session(0);
    session.send({ case: 'ensure', value: ensure() });
    await session.hear('result');
    return session;
  };

  it('names itself first, gives the last lines and ends', async () => {
    const session = await running();
    runtime.print(runtime.only().id, 'hello canary-secret-value');
    await eventually(
      'the line is there',
      async () => {
        const n = orchestrator.tails.length;
        session.send(openTail({ lines: 1 }));
        const tail = await orchestrator.tail(n);
        await eventually('the tail ends', () => tail.over, Boolean);
        return tail.heard;
      },
      (heard) => heard[0]?.tailId === 'tail-1' && texts(heard).join() === 'hello [masked]',
    );
  });

  it('follows, and goes on after a cursor without a line twice', async () => {
    const session = await running();
    const { id } = runtime.only();
    session.send(openTail({ follow: true }));
    const first = await orchestrator.tail(0);
    runtime.print(id, 'one');
    await eventually(
      'one is told',
      () => texts(first.heard),
      (lines) => lines.includes('one'),
    );
    first.end();
    await eventually('the tail ends', () => first.over, Boolean);
    runtime.print(id, 'two');
    const cursor = first.heard.flatMap(({ entries }) => entries).at(-1)?.cursor ?? '';
    session.send(openTail({ follow: true, afterCursor: cursor }));
    const second = await orchestrator.tail(1);
    runtime.print(id, 'three');
    await eventually(
      'three is told',
      () => texts(second.heard),
      (lines) => lines.includes('three'),
    );
    expect(texts(second.heard)).toEqual(['two', 'three']);
  });

  it('ends with an error for a bot that is not here, and for a cursor of nobody', async () => {
    const session = await running();
    session.send(openTail({ botId: 'nobody' }));
    const first = await orchestrator.tail(0);
    await eventually('it ends', () => first.over, Boolean);
    expect(first.heard.at(-1)?.error?.code).toBe('BOT_NOT_FOUND');
    session.send(openTail({ afterCursor: 'x' }));
    const second = await orchestrator.tail(1);
    await eventually('it ends', () => second.over, Boolean);
    expect(second.heard.at(-1)?.error?.code).toBe('INVALID_CURSOR');
  });

  it('that nobody reads holds up neither the bot nor heartbeats nor another tail', async () => {
    const session = await running();
    const { id } = runtime.only();
    orchestrator.tailsPaused = true;
    session.send(openTail({ follow: true }));
    const stalled = await orchestrator.tail(0);
    orchestrator.tailsPaused = false;
    for (let n = 0; n < 9000; n += 1) runtime.print(id, `${n} ${'x'.repeat(1000)}`);
    session.send(openTail({ follow: true }));
    const other = await orchestrator.tail(1);
    await eventually(
      'the other tail has everything',
      () => texts(other.heard).at(-1)?.slice(0, 5) ?? '',
      (last) => last.startsWith('8999'),
      { timeoutMs: 15_000 },
    );
    const beats = session.heard.filter(({ body }) => body.case === 'heartbeat').length;
    await session.hear('heartbeat', beats + 2);
    stalled.resume();
    await eventually(
      'the stalled tail catches up',
      () => texts(stalled.heard).filter((text) => /^\d/.test(text)).length,
      (count) => count === 9000,
      { timeoutMs: 15_000 },
    );
    expect(stalled.heard.flatMap(({ entries }) => entries).some(({ stream }) => stream === LogStream.GAP)).toBe(false);
  });
});

describe('a worker that stops', () => {
  it('leaves Docker bots running and finds them again', async () => {
    const first = await start();
    const session = await orchestrator.session(0);
    session.send({ case: 'ensure', value: ensure() });
    await session.hear('result');
    const { id } = runtime.only();
    await first.stop();
    expect(runtime.only()).toMatchObject({ id, status: 'running' });
    orchestrator.welcome = { heartbeatIntervalMs: 200, desiredSet: { bots: [ensure({ taskId: '' })] } };
    await start();
    const again = await orchestrator.session(1);
    const hello = await again.hear('hello');
    expect(hello.bootId).not.toBe((await session.hear('hello')).bootId);
    await eventually(
      'it is told as running',
      () => again.heard.flatMap(({ body }) => (body.case === 'observations' ? body.value.bots : hello.snapshot)),
      (bots) => bots.some(({ state, containerId }) => state === BotState.RUNNING && containerId === id),
    );
    expect(runtime.done.filter((what) => what.startsWith('start'))).toHaveLength(1);
  });

  it('does so in the middle of a build, at once', async () => {
    runtime.buildGate = new Promise(() => undefined);
    const running = await start();
    const session = await orchestrator.session(0);
    session.send({ case: 'ensure', value: ensure() });
    await eventually(
      'it builds',
      () => runtime.builds.length,
      (count) => count > 0,
    );
    const began = performance.now();
    await running.stop();
    expect(performance.now() - began).toBeLessThan(3000);
  });

  it('has written no secret of a bot to its disk', async () => {
    const running = await start();
    const session = await orchestrator.session(0);
    session.send({ case: 'ensure', value: ensure() });
    await session.hear('result');
    runtime.print(runtime.only().id, 'it is canary-secret-value');
    await eventually(
      'the line is stored',
      () => allFiles(dir),
      (content) => content.includes('it is [masked]'),
    );
    await running.stop();
    expect(await allFiles(dir)).not.toContain('canary-secret');
  });

  it('lets nobody else use its folder meanwhile', async () => {
    await start();
    await expect(
      startWorker({
        config: readWorkerConfig({ ORCHESTRATOR_URL: orchestrator.url, DATA_DIR: dir }),
        clock: systemClock,
        logger: silentLogger,
        runtime: () => runtime,
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
