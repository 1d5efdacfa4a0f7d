/** A worker in session with an orchestrator that the test plays over real gRPC. */
import { createHash } from 'node:crypto';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { status } from '@grpc/grpc-js';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentLogger } from '#common/log.ts';
import { BotState } from '#gen/botrunner/v1/bot_pb.js';
import { eventually } from '../kit/eventually.ts';
import { echo } from './kit/registry-for-tests.ts';
import { startScriptedOrchestrator } from './kit/scripted-orchestrator.ts';
import { createWorkerForTests, type WorkerForTests } from './kit/worker-for-tests.ts';

let world: WorkerForTests;
beforeEach(async () => {
  world = await createWorkerForTests();
});
afterEach(() => world.close());

describe('a session', () => {
  it('begins with Hello, and continues with heartbeats at the interval it was given', async () => {
    await world.start();
    const session = await world.orchestrator.session(0);
    const hello = await session.hear('hello');
    expect(hello).toMatchObject({
      workerId: 'w1',
      protocolMin: 1,
      protocolMax: 1,
      runtime: 'docker',
      ready: true,
      snapshot: [],
      capabilities: [
        'mode.simple',
        'mode.custom',
        'mode.image',
        'language.python',
        'language.node',
        'deadline.remaining',
        'restart.in_place',
        'takeover.claim',
        'adopt',
        'desired.changes',
        'requirements.files',
        'run.command',
        'container.read_only',
        'build.options',
        'limits.pids',
        'stop.signal',
      ],
      capacity: { memoryBytes: 8_000_000_000n, cpuMillis: 4000 },
    });
    expect(session.authorization).toMatch(/^Bearer [A-Za-z0-9_-]{43}$/);
    const began = performance.now();
    expect(await session.hear('heartbeat', 5)).toMatchObject({ ready: true, builds: 0 });
    expect(performance.now() - began).toBeGreaterThan(500);
  });

  it('carries a command from Accepted over progress to its result', async () => {
    world.runtime.buildLines = ['Collecting aiogram', 'leaks canary-secret-value'];
    await world.start();
    const session = await world.orchestrator.session(0);
    session.send({ case: 'ensure', value: world.ensure() });
    expect(await session.hear('accepted')).toMatchObject({ taskId: 't1' });
    const result = await session.hear('result');
    expect(result).toMatchObject({
      taskId: 't1',
      outcome: { case: 'succeeded' },
      observation: { state: BotState.RUNNING, revision: 1n, containerName: world.runtime.only().name },
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
    expect(world.orchestrator.fetches).toEqual([world.sha256]);
  });

  it('reports changes as they happen', async () => {
    await world.start();
    const session = await world.orchestrator.session(0);
    session.send({ case: 'ensure', value: world.ensure() });
    await session.hear('result');
    const before = session.heard.length;
    world.runtime.exit(world.runtime.only().id, 3);
    const told = await eventually(
      'the crash is reported',
      () => session.heard.slice(before).flatMap(({ body }) => (body.case === 'observations' ? body.value.bots : [])),
      (bots) => bots.some(({ state, exitCode }) => state === BotState.CRASH_LOOP && exitCode === 3),
    );
    expect(told.length).toBeGreaterThan(0);
  });

  it('applies the desired set of Welcome', async () => {
    world.orchestrator.welcome = { heartbeatIntervalMs: 200, desiredSet: { bots: [world.ensure({ taskId: '' })] } };
    await world.start();
    await eventually(
      'the bot runs',
      () => world.runtime.done,
      (done) => done.includes('start echo r1'),
    );
  });

  it('cancels a task', async () => {
    world.runtime.buildGate = new Promise(() => undefined);
    await world.start();
    const session = await world.orchestrator.session(0);
    session.send({ case: 'ensure', value: world.ensure() });
    await eventually(
      'it builds',
      () => world.runtime.builds.length,
      (count) => count > 0,
    );
    expect(await session.hear('heartbeat', 3)).toBeDefined();
    session.send({ case: 'cancelTask', value: { $typeName: 'botrunner.v1.CancelTask', taskId: 't1' } });
    expect(await session.hear('result')).toMatchObject({ outcome: { case: 'failed', value: { code: 'CANCELLED' } } });
  });

  it('fails a command whose source the orchestrator does not have', async () => {
    world.orchestrator.artifacts.clear();
    await world.start();
    const session = await world.orchestrator.session(0);
    session.send({ case: 'ensure', value: world.ensure() });
    expect(await session.hear('result')).toMatchObject({
      outcome: { case: 'failed', value: { code: 'ARTIFACT_NOT_FOUND' } },
    });
  });
});

describe('a connection that breaks', () => {
  it('costs no bot, and the result is sent on every session until it is acknowledged', async () => {
    await world.start();
    const first = await world.orchestrator.session(0);
    first.send({ case: 'ensure', value: world.ensure() });
    await first.hear('result');
    first.end(status.UNAVAILABLE, 'going away');
    world.orchestrator.welcome = { heartbeatIntervalMs: 200, desiredSet: { bots: [world.ensure({ taskId: '' })] } };
    const second = await world.orchestrator.session(1);
    expect((await second.hear('hello')).snapshot).toMatchObject([{ ...echo, state: BotState.RUNNING, revision: 1n }]);
    expect((await second.hear('hello')).bootId).toBe((await first.hear('hello')).bootId);
    expect(await second.hear('result')).toMatchObject({ taskId: 't1' });
    second.send({ case: 'resultAck', value: { $typeName: 'botrunner.v1.ResultAck', taskId: 't1' } });
    await eventually(
      'the result is forgotten',
      () => readdir(join(world.dir, 'worker', 'results')),
      (names) => names.length === 0,
    );
    second.end(status.UNAVAILABLE, 'going away');
    const third = await world.orchestrator.session(2);
    await third.hear('heartbeat', 1);
    expect(third.heard.map(({ body }) => body.case)).not.toContain('result');
    // A command that comes again is answered with the same result, and has no second effect.
    third.send({ case: 'ensure', value: world.ensure() });
    expect(await third.hear('result')).toMatchObject({ taskId: 't1', outcome: { case: 'succeeded' } });
    expect(world.runtime.done).toEqual(['build echo g1', 'create echo r1', 'start echo r1']);
  });

  it('by the death of the orchestrator is dialled again until it is back', async () => {
    await world.start();
    const first = await world.orchestrator.session(0);
    first.send({ case: 'ensure', value: world.ensure({ taskId: '' }) });
    await eventually(
      'the bot runs',
      () => world.runtime.done,
      (done) => done.includes('start echo r1'),
    );
    const port = Number(world.orchestrator.address.split(':')[1]);
    world.orchestrator.kill();
    await eventually(
      'it is noticed',
      () => world.worker()?.connected(),
      (connected) => connected === false,
    );
    expect(world.runtime.only().status).toBe('running');
    world.orchestrator = await startScriptedOrchestrator(port);
    world.orchestrator.welcome = { heartbeatIntervalMs: 200, desiredSet: { bots: [world.ensure({ taskId: '' })] } };
    const again = await world.orchestrator.session(0);
    expect((await again.hear('hello')).snapshot).toHaveLength(1);
    expect(world.runtime.done).toHaveLength(3);
  });

  it('in the middle of a fetch is made good on the next session', async () => {
    const tar = world.orchestrator.artifacts.get(world.sha256);
    world.orchestrator.artifacts.set(world.sha256, new Uint8Array([1, 2, 3]));
    await world.start();
    const session = await world.orchestrator.session(0);
    session.send({ case: 'ensure', value: world.ensure() });
    await eventually(
      'it was fetched',
      () => world.orchestrator.fetches.length,
      (count) => count > 0,
    );
    if (tar) world.orchestrator.artifacts.set(world.sha256, tar);
    expect(await session.hear('result')).toMatchObject({ outcome: { case: 'succeeded' } });
  });

  it('is taken to the next orchestrator of the list', async () => {
    const other = await startScriptedOrchestrator();
    try {
      await world.start(`${other.url},${world.orchestrator.url}`);
      await other.session(0);
      other.kill();
      await world.orchestrator.session(0);
    } finally {
      other.kill();
    }
  });
});

const untilConnected = () =>
  eventually(
    'the worker is back',
    () => world.worker()?.connected(),
    (connected) => connected === true,
    { timeoutMs: 15_000 },
  );

describe('an orchestrator', () => {
  it('that takes the session for a newer one is not fought', async () => {
    await world.start();
    const first = await world.orchestrator.session(0);
    await first.hear('hello');
    first.end(status.ABORTED, 'another process has connected');
    await eventually(
      'the session is over',
      () => world.worker()?.connected(),
      (connected) => connected === false,
    );
    // The next dial is 12 s away with the test's random; that it is not at once is what matters.
    await first.hear('hello');
    expect(world.orchestrator.sessions).toHaveLength(1);
  });

  it('that refuses the token ends the start with one line and nothing left behind', async () => {
    world.orchestrator.joinRefusal = { code: status.UNAUTHENTICATED, details: 'unknown token' };
    await expect(world.start()).rejects.toThrow(/refuses the worker token: set WORKER_TOKEN/);
    expect(await readdir(join(world.dir, 'worker'))).not.toContain('lock');
  });

  it('is joined once with the join token, and from then on is shown a credential that only this worker has', async () => {
    const running = await world.start();
    const session = await world.orchestrator.session(0);
    const credential = session.authorization.replace('Bearer ', '');
    const sha256 = createHash('sha256').update(credential).digest('hex');
    expect(world.orchestrator.joins).toEqual([
      { workerId: 'w1', credentialSha256: sha256, authorization: 'Bearer test-worker-token' },
    ]);
    const path = join(world.dir, 'worker', 'credential');
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(await readFile(path, 'utf8')).toBe(`w1 ${credential}\n`);
    await running.stop();
    await world.start();
    expect((await world.orchestrator.session(1)).authorization).toBe(session.authorization);
    expect(world.orchestrator.joins).toHaveLength(1);
  });

  it('that does not know the credential any more is joined again', async () => {
    await world.start();
    const first = await world.orchestrator.session(0);
    await first.hear('hello');
    first.end(status.UNAUTHENTICATED, 'the credential is unknown');
    expect((await world.orchestrator.session(1)).authorization).toBe(first.authorization);
    expect(world.orchestrator.joins).toHaveLength(2);
  });

  it.each([
    ['revoked it, until it is readmitted', 'join', status.PERMISSION_DENIED, 'The worker w1 was revoked.'],
    [
      'gave its id to another credential, until that is forgotten',
      'join',
      status.PERMISSION_DENIED,
      'The worker id w1 belongs to a worker with another credential.',
    ],
    [
      'speaks another protocol, until it is upgraded',
      'session',
      status.INVALID_ARGUMENT,
      'The worker speaks session protocol 1 to 1, the orchestrator 2 to 2.',
    ],
  ])('that %s, is waited for and told of in its own words', async (_, where, code, details) => {
    if (where === 'join') world.orchestrator.joinRefusal = { code, details };
    else world.orchestrator.refusal = { code, details };
    const running = await world.start();
    expect(running.connected()).toBe(false);
    expect(running.complaint()).toContain(`refuses this worker: ${details}`);
    world.orchestrator.joinRefusal = undefined;
    world.orchestrator.refusal = undefined;
    await untilConnected();
    expect(running.complaint()).toBe('');
  });

  it('that had an empty store and another token for a while gets the worker back as soon as it has the right one', async () => {
    const running = await world.start();
    await (await world.orchestrator.session(0)).hear('hello');
    // Another DATA_DIR, and a join token that is not the worker's.
    world.orchestrator.refusal = { code: status.UNAUTHENTICATED, details: 'The token is not valid.' };
    world.orchestrator.joinRefusal = { code: status.UNAUTHENTICATED, details: 'The token is not valid.' };
    world.orchestrator.sessions[0]?.end(status.UNAVAILABLE, 'going away');
    await eventually(
      'it is refused',
      () => running.complaint(),
      (complaint) => complaint.includes('refuses the worker token'),
    );
    // Its own store again, which knows the credential; the join token stays as it is.
    world.orchestrator.refusal = undefined;
    await untilConnected();
  });

  it('whose refusals last is reported once for each change', async () => {
    const said: string[] = [];
    const note = (text: unknown) => said.push(String(text));
    const logger = { ...silentLogger, error: note, warn: note, info: () => undefined, debug: () => undefined };
    const refuse = (details: string) => {
      world.orchestrator.joinRefusal = { code: status.PERMISSION_DENIED, details };
    };
    world.orchestrator.refusal = { code: status.UNAUTHENTICATED, details: 'The token is not valid.' };
    refuse('one');
    await world.start(undefined, logger as unknown as typeof silentLogger);
    await eventually(
      'it has tried twice',
      () => world.orchestrator.joins.length,
      (count) => count >= 2,
      { timeoutMs: 15_000 },
    );
    refuse('two');
    const before = world.orchestrator.joins.length;
    await eventually(
      'it has tried twice more',
      () => world.orchestrator.joins.length,
      (count) => count >= before + 2,
      { timeoutMs: 20_000 },
    );
    expect(said.filter((text) => text.includes('refuses this worker')).map((text) => text.slice(-3))).toEqual([
      'one',
      'two',
    ]);
  }, 40_000);

  it('that is not there is waited for', async () => {
    world.orchestrator.kill();
    const running = await world.start();
    expect(running.connected()).toBe(false);
    world.orchestrator = await startScriptedOrchestrator(Number(world.orchestrator.address.split(':')[1]));
    await world.orchestrator.session(0);
  });

  it('that says something else than Welcome first is left', async () => {
    world.orchestrator.welcome = undefined;
    await Promise.all([
      world.start(),
      world.orchestrator
        .session(0)
        .then((session) =>
          session.send({ case: 'resultAck', value: { $typeName: 'botrunner.v1.ResultAck', taskId: 'x' } }),
        ),
    ]);
    await world.orchestrator.session(1);
  });
});

describe('an engine that is away', () => {
  it('is reported in Hello and in heartbeats, and its size once it answers', async () => {
    world.runtime.away = true;
    await world.start();
    const first = await world.orchestrator.session(0);
    expect(await first.hear('hello')).toMatchObject({
      ready: false,
      notReadyReason: 'engine_unavailable: the container engine does not answer',
    });
    first.send({ case: 'ensure', value: world.ensure() });
    await first.hear('accepted');
    world.runtime.away = false;
    const second = await world.orchestrator.session(1);
    expect(await second.hear('hello')).toMatchObject({ ready: true, capacity: { cpuMillis: 4000 } });
    expect(await second.hear('result')).toMatchObject({ taskId: 't1' });
  });
});
