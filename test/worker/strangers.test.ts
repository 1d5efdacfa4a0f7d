/** STRANGERS=1 over a real session: a real orchestrator, the whole worker but its engine, and the command line in front. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '#common/clock.ts';
import { silentLogger } from '#common/log.ts';
import { openClient } from '../../cli/calls/client.ts';
import { runCli } from '../../cli/testing/run-cli.ts';
import { readWorkerConfig } from '../../worker/config.ts';
import { type RunningWorker, startWorker } from '../../worker/program.ts';
import type { SafetyCheckName } from '../../worker/runtime/safety.ts';
import { eventually } from '../kit/eventually.ts';
import { type JsonBody, startTestOrchestrator, type TestOrchestrator } from '../kit/orchestrator-for-tests.ts';
import { connectScriptedWorker } from '../kit/scripted-worker.ts';
import { createScriptedRuntime, type ScriptedRuntime } from './kit/scripted-runtime.ts';

const tokens = {
  CLIENT_TOKEN: 'client-token-of-our-own-with-more-than-32-characters',
  WORKER_TOKEN: 'worker-token-of-our-own-with-more-than-32-characters',
  ADMIN_TOKEN: 'admin-token-of-our-own-with-more-than-32-characters',
};
const ofRuntime: readonly SafetyCheckName[] = ['runtime', 'isolation', 'egress', 'builder', 'disk'];
const code = { simple: { code: 'print(1)' } };

let orchestrator: TestOrchestrator;
let runtime: ScriptedRuntime;
let worker: RunningWorker;
const dir = mkdtempSync(join(tmpdir(), 'strangers-'));

const startOwn = (env: Readonly<Record<string, string>> = {}): Promise<RunningWorker> => {
  const settings = { ORCHESTRATOR_URL: orchestrator.url, DATA_DIR: dir, WORKER_ID: 'w1', STRANGERS: '1', ...tokens };
  return startWorker({
    config: readWorkerConfig({ ...settings, ...env }),
    clock: systemClock,
    logger: silentLogger,
    runtime: () => runtime,
    random: () => 0.5,
  });
};

beforeAll(async () => {
  const env = { STRANGERS: '1', TRUSTED_PROXIES: '127.0.0.1', MAX_BOTS_PER_USER: '50', ...tokens };
  orchestrator = await startTestOrchestrator({ env });
  runtime = createScriptedRuntime(systemClock, 'docker');
  worker = await startOwn();
});
afterEach(async () => {
  await put();
});
afterAll(async () => {
  await worker.stop();
  await orchestrator[Symbol.asyncDispose]();
  rmSync(dir, { recursive: true });
});

const cli = (...words: readonly string[]) => {
  const env = { AVTOMATIKA_URL: orchestrator.url, AVTOMATIKA_TOKEN: tokens.ADMIN_TOKEN };
  return runCli(words, { openClient, clock: systemClock, env });
};
const workerOf = async (id = 'w1') =>
  JSON.parse((await cli('worker', 'list', '--json')).stdout).workers.find((each: JsonBody) => each.worker_id === id);

/** Makes these fail and no others, and waits until the orchestrator knows. Checked twice: once alone may be a busy machine. */
async function put(...failing: readonly SafetyCheckName[]): Promise<void> {
  runtime.unsafe.clear();
  for (const name of failing) runtime.unsafe.add(name);
  await worker.checkSafety();
  await worker.checkSafety();
  await eventually(
    'the orchestrator knows',
    () => workerOf(),
    ({ safety }) =>
      safety !== null &&
      safety.checks.length === 7 &&
      safety.checks
        .filter(({ ok }: JsonBody) => !ok)
        .map(({ name }: JsonBody) => name)
        .join() === failing.join(),
  );
}

const headers = { authorization: `Bearer ${tokens.CLIENT_TOKEN}` };
const ask = (action: string, botId: string, more: object = {}) =>
  orchestrator.post({ action, bot_id: botId, ...more }, headers);
const deploy = { deployment_mode: 'simple', ...code.simple };
async function done(asked: { status: number; body: JsonBody }): Promise<JsonBody> {
  expect(asked.status).toBe(202);
  return eventually(
    'the job has ended',
    async () => (await orchestrator.get(`/jobs/${asked.body.job_id}`, tokens.CLIENT_TOKEN)).body,
    ({ status }) => ['completed', 'failed', 'cancelled'].includes(status),
    { timeoutMs: 30_000 },
  );
}

describe('with STRANGERS=1', () => {
  it('each failing check alone refuses starts, is named with its cure to the operator and not to the user, and lets go again', async () => {
    const accepted: { status: number; body: JsonBody }[] = [];
    for (const name of ofRuntime) {
      await put(name);
      const refused = await ask('start', `by-${name}`, deploy);
      expect(refused.status).toBe(503);
      expect(refused.body.error).toMatchObject({ code: 'SAFETY_CHECK_FAILED' });
      const { example: _request, ...said } = refused.body.error;
      expect(JSON.stringify(said)).not.toMatch(new RegExp(`host-17|Mend|${name} is`));
      expect((await cli('worker', 'list')).stdout).toContain(
        `w1: ${name}: On host-17 ${name} is broken. Mend ${name}.`,
      );
      const doctor = await cli('doctor');
      expect(doctor).toMatchObject({ exitCode: 1, stderr: '' });
      expect(doctor.stdout.replace(/\s+/g, ' ')).toContain(`FAIL ${name} On host-17 ${name} is broken. Mend ${name}.`);
      await put();
      expect(await cli('doctor')).toMatchObject({ exitCode: 0 });
      accepted.push(await ask('start', `by-${name}`, deploy));
      await eventually(
        'its container runs, which no later check undoes',
        async () => [...runtime.containers.values()].find(({ plan }) => plan.key.botId === `by-${name}`)?.status,
        (status) => status === 'running',
      );
    }
    for (const asked of accepted) expect(await done(asked)).toMatchObject({ status: 'completed' });
  }, 60_000);

  it('what runs is left alone: it runs on, restarts, stops, is deleted, and keeps running beside an update that is refused', async () => {
    await done(await ask('start', 'runs', deploy));
    const container = () => [...runtime.containers.values()].find(({ plan }) => plan.key.botId === 'runs');
    const before = container()?.id;
    await put('egress', 'disk');
    expect(container()).toMatchObject({ id: before, status: 'running' });
    expect((await ask('update', 'runs', deploy)).body.error.code).toBe('SAFETY_CHECK_FAILED');
    expect(container()).toMatchObject({ id: before, status: 'running' });
    expect(await done(await ask('restart', 'runs'))).toMatchObject({ status: 'completed' });
    expect(container()).toMatchObject({ id: before, status: 'running' });
    runtime.exit(before ?? '', 1);
    await eventually(
      'it is started again after a crash',
      async () => container()?.status,
      (status) => status === 'running',
      { timeoutMs: 30_000 },
    );
    expect(await done(await ask('stop', 'runs'))).toMatchObject({ status: 'completed' });
    // Its container is gone: a restart of it is a start.
    expect((await ask('restart', 'runs')).body.error.code).toBe('SAFETY_CHECK_FAILED');
    expect(await done(await ask('delete', 'runs'))).toMatchObject({ status: 'completed' });
  }, 60_000);

  it('a worker that was started without it, or knows nothing of it, gets no bots', async () => {
    const running = () =>
      [...runtime.containers.values()].filter(({ status }) => status === 'running').map(({ id }) => id);
    const before = running();
    expect(before).toHaveLength(ofRuntime.length);
    await worker.stop();
    worker = await startOwn({ STRANGERS: '0' });
    const old = await connectScriptedWorker(orchestrator.address, { workerId: 'old' }, tokens.WORKER_TOKEN);
    await old.take('welcome');
    await eventually(
      'both are there',
      () => Promise.all([workerOf(), workerOf('old')]),
      (all) => all.every((each) => each?.state === 'ready'),
    );
    expect((await ask('start', 'nowhere', deploy)).body.error.code).toBe('SAFETY_CHECK_FAILED');
    expect((await workerOf('old')).reason).toContain('does not run with STRANGERS=1');
    const doctor = await cli('doctor');
    expect(doctor.exitCode).toBe(1);
    expect(doctor.stdout.match(/Set STRANGERS=1 for the worker/g)).toHaveLength(2);
    old.close();
    await worker.stop();
    // With it again, and with a check that fails: the bots from before run on.
    runtime.unsafe.add('isolation');
    worker = await startOwn();
    await put('isolation');
    expect(running()).toEqual(before);
  }, 60_000);

  it('a job that waits is placed when its worker has proved itself', async () => {
    await worker.stop();
    await eventually(
      'it is gone',
      () => workerOf(),
      ({ state }) => state === 'away',
      { timeoutMs: 30_000 },
    );
    expect(JSON.parse((await cli('doctor', '--json')).stdout)).toMatchObject({ ok: false });
    const asked = await ask('start', 'waits', deploy);
    runtime.unsafe.add('egress');
    worker = await startOwn();
    const job = () => orchestrator.get(`/jobs/${asked.body.job_id}`, tokens.CLIENT_TOKEN);
    const waiting = await eventually('it says why', job, ({ body }) => /safety/.test(body.reason), {
      timeoutMs: 30_000,
    });
    expect(waiting.body).toMatchObject({
      status: 'waiting_for_worker',
      reason: 'w1 starts no new bots now, because one of its safety checks fails',
    });
    runtime.unsafe.clear();
    await worker.checkSafety();
    expect(await done(asked)).toMatchObject({ status: 'completed' });
  }, 60_000);
});
