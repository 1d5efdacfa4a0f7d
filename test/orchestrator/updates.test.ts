/** What an update keeps of the bot it finds, over each door, with a worker played over grpc-js. */
import { type Client, createClient } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { BotSpec } from '#gen/botrunner/v1/bot_pb.js';
import { BotService } from '#gen/botrunner/v1/bot_service_pb.js';
import type { Ensure } from '#gen/botrunner/v1/worker_service_pb.js';
import { eventually } from '../kit/eventually.ts';
import { clientToken, startTestOrchestrator, type TestOrchestrator } from '../kit/orchestrator-for-tests.ts';
import { connectScriptedWorker, type ScriptedWorker } from '../kit/scripted-worker.ts';
import { bearer } from '../kit/typed-calls.ts';

let orchestrator: TestOrchestrator;
let worker: ScriptedWorker;
let bots: Client<typeof BotService>;

beforeEach(async () => {
  orchestrator = await startTestOrchestrator({ env: { MAX_BOTS_PER_USER: '10' } });
  const transport = createGrpcTransport({
    baseUrl: orchestrator.url,
    interceptors: [bearer(clientToken)],
  });
  bots = createClient(BotService, transport);
  worker = await connectScriptedWorker(orchestrator.address, {
    labels: { zone: 'eu', gpu: 'yes' },
    capabilities: [
      'mode.simple',
      'mode.image',
      'language.python',
      'language.node',
      'restart.in_place',
      'container.read_only',
    ],
  });
  await worker.take('welcome');
});
afterEach(async () => {
  worker.close();
  await orchestrator[Symbol.asyncDispose]();
});

const post = (action: string, more: object = {}) =>
  orchestrator.post({ action, bot_id: 'a', deployment_mode: 'simple', code: 'print(1)', ...more });
const completed = (jobId: string) =>
  eventually(
    'the job is completed',
    async () => (await orchestrator.get(`/jobs/${jobId}`)).body,
    ({ status }) => status === 'completed',
  );
/** What the worker is sent for a job, which it then does. */
async function done(accepted: { status: number; body: { job_id: string } }): Promise<BotSpec> {
  expect(accepted).toMatchObject({ status: 202 });
  const ensure: Ensure = await worker.take('ensure');
  worker.succeed(ensure);
  await completed(accepted.body.job_id);
  if (ensure.spec === undefined) throw new Error('the worker was sent no spec');
  return ensure.spec;
}
const everything = {
  env_vars: { A: '1', B: '2' },
  resource_limits: { memory_mb: 512, cpu_cores: 0.25 },
  on: { zone: 'eu', gpu: 'yes' },
  requirements: ['aiogram>=3'],
};
const mib = 1024n * 1024n;
const requirementsOf = ({ source }: BotSpec) => (source.case === 'simple' ? source.value.requirements : undefined);

describe('an update over REST', () => {
  it('keeps all that it does not name', async () => {
    await done(await post('start', everything));
    const spec = await done(await post('update', { env_vars: { A: '9', C: '3' }, on: { gpu: 'yes' } }));
    expect(spec).toMatchObject({
      env: { A: '9', B: '2', C: '3' },
      limits: { memoryBytes: 512n * mib, cpuMillis: 250 },
      on: { zone: 'eu', gpu: 'yes' },
    });
    expect(requirementsOf(spec)).toEqual(['aiogram>=3']);
    expect((await orchestrator.get('/jobs/none')).status).toBe(404);
  });

  it('keeps a read-only file system until an update changes that', async () => {
    const readOnly = async (action: string, more: object) => (await done(await post(action, more))).readOnly;
    expect(await readOnly('start', {})).toBeUndefined();
    expect(await readOnly('update', { read_only: true })).toBe(true);
    expect(await readOnly('update', {})).toBe(true);
    expect(await readOnly('update', { read_only: null })).toBe(true);
    expect(await readOnly('start', {})).toBe(true);
    expect(await readOnly('update', { read_only: false })).toBe(false);
    expect(await readOnly('update', {})).toBe(false);
    for (const read_only of ['true', 1, {}]) {
      const { status, body } = await post('update', { read_only });
      expect([status, body]).toMatchObject([
        400,
        { error: { code: 'MALFORMED_REQUEST', details: { field: 'read_only' } } },
      ]);
    }
  });

  it('takes away what is null, and all variables with replace_env', async () => {
    await done(await post('start', everything));
    const spec = await done(
      await post('update', {
        env_vars: { B: null },
        resource_limits: { memory_mb: null },
        on: { gpu: null },
        requirements: [],
      }),
    );
    expect([spec.env, spec.on, requirementsOf(spec)]).toEqual([{ A: '1' }, { zone: 'eu' }, []]);
    expect(spec.limits).toMatchObject({ memoryBytes: 0n, cpuMillis: 250 });
    expect((await done(await post('update', { env_vars: { Z: '1' }, replace_env: true }))).env).toEqual({ Z: '1' });
    expect((await done(await post('update', { replace_env: true }))).env).toEqual({});
  });

  it('refuses what it would have to guess', async () => {
    await done(await post('start', everything));
    const codeOf = async (more: object, action = 'update') => (await post(action, more)).body.error?.code;
    expect(await codeOf({ replace_env: 'yes' })).toBe('INVALID_ENV_VARS');
    expect(await codeOf({ env_vars: { 'a b': null } })).toBe('INVALID_ENV_VARS');
    expect(await codeOf({ on: { '?': null } })).toBe('INVALID_LABELS');
    expect(await codeOf({ resource_limits: { disk: null } })).toBe('INVALID_RESOURCE_LIMITS');
    // In a start null is a value that its sender does not have.
    expect(await codeOf({ env_vars: { A: null } }, 'start')).toBe('INVALID_ENV_VARS');
    const names = Object.fromEntries(Array.from({ length: 199 }, (_, n) => [`N${n}`, '']));
    expect(await codeOf({ env_vars: names })).toBe('INVALID_ENV_VARS');
  });

  it('is what a start of a bot that runs is, and not what a start of a stopped one is', async () => {
    await done(await post('start', everything));
    expect(await done(await post('start', { env_vars: { A: '9' } }))).toMatchObject({
      env: { A: '9', B: '2' },
      limits: { memoryBytes: 512n * mib },
    });
    const stop = await orchestrator.post({ action: 'stop', bot_id: 'a' });
    const ensure = await worker.take('ensure');
    worker.succeed(ensure, {
      userId: 'dev',
      botId: 'a',
      generation: ensure.generation,
      epoch: ensure.epoch,
      state: 10,
    });
    await completed(stop.body.job_id);
    const spec = await done(await post('start', { env_vars: { A: '1' } }));
    expect([spec.env, spec.limits?.memoryBytes, requirementsOf(spec)]).toEqual([{ A: '1' }, 0n, []]);
  });

  it('adds to those that wait before it, decided at its turn', async () => {
    await done(await post('start', { env_vars: { A: '1' } }));
    const first = await post('update', { env_vars: { B: '2' } });
    const second = await post('update', { env_vars: { C: '3' }, resource_limits: { memory_mb: 64 } });
    const third = await post('update', { env_vars: { A: null } });
    await done(first);
    expect((await done(second)).env).toEqual({ A: '1', B: '2', C: '3' });
    expect(await done(third)).toMatchObject({ env: { B: '2', C: '3' }, limits: { memoryBytes: 64n * mib } });
  });

  it('has the size of its bot by its own limits', async () => {
    await done(await post('start', { resource_limits: { memory_mb: 512 } }));
    await done(await post('update'));
    const admin = await fetch(`${orchestrator.url}/botrunner.v1.AdminService/ListWorkers`, {
      method: 'POST',
      headers: { authorization: 'Bearer test-admin-token', 'content-type': 'application/json' },
      body: '{}',
    });
    expect(await admin.json()).toMatchObject({ workers: [{ reserved: { memoryBytes: String(512n * mib) } }] });
  });
});

describe('an update over gRPC', () => {
  it('keeps, takes away and replaces as over REST', async () => {
    const before = await done(await post('start', everything));
    const source = before.source;
    const call = async (request: Parameters<typeof bots.updateBot>[0]) => {
      const { job } = await bots.updateBot(request);
      return done({ status: 202, body: { job_id: job?.jobId ?? '' } });
    };
    expect(await call({ botId: 'a', spec: { source, env: { A: '9' } } })).toMatchObject({
      env: { A: '9', B: '2' },
      limits: { memoryBytes: 512n * mib, cpuMillis: 250 },
      on: { zone: 'eu', gpu: 'yes' },
    });
    const reset = { memory: true, cpus: true, requirements: true, env: ['B'], on: ['gpu'] };
    const emptied = { ...source, value: { ...source.value, requirements: [] } } as typeof source;
    const after = await call({ botId: 'a', spec: { source: emptied }, reset });
    expect([after.env, after.on, requirementsOf(after)]).toEqual([{ A: '9' }, { zone: 'eu' }, []]);
    expect(after.limits).toMatchObject({ memoryBytes: 0n, cpuMillis: 0 });
    expect((await call({ botId: 'a', spec: { source, env: { Z: '1' } }, replaceEnv: true })).env).toEqual({ Z: '1' });
    const started = await bots.startBot({ botId: 'a', spec: { source }, replaceEnv: true });
    expect((await done({ status: 202, body: { job_id: started.job?.jobId ?? '' } })).env).toEqual({});
  });
});
