/** A change without a source, over each door, with a worker played over grpc-js. */
import { type Client, createClient } from '@connectrpc/connect';
import { createConnectTransport, createGrpcTransport } from '@connectrpc/connect-node';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BotState } from '#gen/botrunner/v1/bot_pb.js';
import { BotService } from '#gen/botrunner/v1/bot_service_pb.js';
import type { Ensure } from '#gen/botrunner/v1/worker_service_pb.js';
import { eventually } from '../kit/eventually.ts';
import {
  clientToken,
  type JsonBody,
  startTestOrchestrator,
  type TestOrchestrator,
} from '../kit/orchestrator-for-tests.ts';
import { connectScriptedWorker, observed, type ScriptedWorker } from '../kit/scripted-worker.ts';
import { bearer } from '../kit/typed-calls.ts';

let orchestrator: TestOrchestrator;
let worker: ScriptedWorker;
let doors: readonly Client<typeof BotService>[];
beforeEach(async () => {
  orchestrator = await startTestOrchestrator({ env: { MAX_BOTS_PER_USER: '2' } });
  const options = { baseUrl: orchestrator.url, interceptors: [bearer(clientToken)] };
  doors = [
    createClient(BotService, createGrpcTransport(options)),
    createClient(BotService, createConnectTransport({ ...options, httpVersion: '2' })),
  ];
  worker = await connectScriptedWorker(orchestrator.address, {
    labels: { zone: 'eu' },
    capabilities: ['mode.simple', 'mode.custom', 'language.python', 'restart.in_place', 'limits.pids'],
  });
  await worker.take('welcome');
});
afterEach(async () => {
  worker.close();
  await orchestrator[Symbol.asyncDispose]();
});

const token = '123456789:AAconfigure-token-configure-token-01';
const start = (more: object = {}) => ({
  action: 'start',
  bot_id: 'a',
  deployment_mode: 'simple',
  code: 'print(1)',
  ...more,
});
const configure = (more: object) => ({ action: 'configure', bot_id: 'a', ...more });
const jobOf = async (jobId: string): Promise<JsonBody> => (await orchestrator.get(`/jobs/${jobId}`)).body;
const untilFinal = (jobId: string): Promise<JsonBody> =>
  eventually(
    'the job is final',
    () => jobOf(jobId),
    ({ status }) => ['completed', 'failed', 'cancelled'].includes(status),
  );
async function accepted(data: unknown): Promise<string> {
  const { status, body } = await orchestrator.post(data);
  expect({ status, body }).toMatchObject({ status: 202 });
  return body.job_id;
}
async function done(data: unknown): Promise<{ ensure: Ensure; job: JsonBody }> {
  const jobId = await accepted(data);
  const ensure = await worker.take('ensure');
  worker.succeed(ensure);
  return { ensure, job: await untilFinal(jobId) };
}
async function alone(data: unknown): Promise<JsonBody> {
  const job = await untilFinal(await accepted(data));
  return job.data.result ?? job.data.error;
}
const stop = async () => {
  const jobId = await accepted({ action: 'stop', bot_id: 'a' });
  const ensure = await worker.take('ensure');
  const { userId, botId, generation, epoch } = ensure;
  worker.succeed(ensure, { userId, botId, generation, epoch, state: BotState.STOPPED });
  await untilFinal(jobId);
};
const config = () => alone({ action: 'config', bot_id: 'a' });
const refusal = async (data: unknown) => {
  const { status, body } = await orchestrator.post(data);
  return { status, ...body.error };
};

describe('a configure of a bot that runs', () => {
  it('keeps the source and its image, and all that it does not name', async () => {
    await done(start({ env_vars: { A: '1', B: '2' }, resource_limits: { memory_mb: 64 }, on: { zone: 'eu' } }));
    const { ensure, job } = await done(
      configure({ env_vars: { B: null, C: '3' }, resource_limits: { pids: 200, stop_grace_seconds: 30 } }),
    );
    expect(job).toMatchObject({ state: 'completed', data: { result: { status: 'configured', bot_id: 'a' } } });
    expect(ensure).toMatchObject({
      generation: 2n,
      revision: 2n,
      stopGraceMs: 30_000,
      spec: {
        env: { A: '1', C: '3' },
        limits: { memoryBytes: 64n * 1024n * 1024n, pids: 200 },
        on: { zone: 'eu' },
        sourceRevision: 1n,
        envOrigins: {},
      },
    });
    // The image stays that of the revision that brought the source, however often it is configured.
    const again = await done(configure({ resource_limits: { pids: null } }));
    expect(again.ensure.spec).toMatchObject({ sourceRevision: 1n, limits: { pids: 0, stopGraceMs: 30_000 } });
    const updated = await done(start({ action: 'update', code: 'print(2)' }));
    expect(updated.ensure.spec).toMatchObject({
      sourceRevision: 0n,
      env: { A: '1', C: '3' },
      limits: { stopGraceMs: 30_000 },
    });
  });

  it('changes nothing when the bot has all that already', async () => {
    await done(start({ env_vars: { A: '1' } }));
    const before = await config();
    expect(await alone(configure({ env_vars: { A: '1' } }))).toEqual({ status: 'unchanged', bot_id: 'a' });
    expect(await config()).toEqual(before);
  });

  it('goes back when the bot does not stay up', async () => {
    await done(start({ env_vars: { A: '1' } }));
    const jobId = await accepted(configure({ env_vars: { A: '2' } }));
    const ensure = await worker.take('ensure');
    worker.send({
      case: 'result',
      value: {
        taskId: ensure.taskId,
        outcome: { case: 'succeeded', value: { replaced: true, lastLines: [{ text: 'ValueError: 2' }] } },
        observation: observed(ensure, { state: BotState.CRASH_LOOP, exitCode: 1 }),
      },
    });
    const message =
      'With its new settings the bot ended with exit code 1 right after its start; it was started again with the previous ones. ' +
      'Its last line: ValueError: 2';
    expect((await untilFinal(jobId)).data.error).toMatchObject({
      code: 'UPDATE_ROLLED_BACK',
      message,
      hint: "Read the end of the bot's log, and try other settings.",
    });
    expect(await worker.take('ensure')).toMatchObject({ revision: 1n, generation: 3n, spec: { env: { A: '1' } } });
  });

  it('obeys the single flight of Telegram tokens', async () => {
    await done(start({ bot_id: 'holder', env_vars: { BOT_TOKEN: token } }));
    await done(start());
    expect(await refusal(configure({ env_vars: { BOT_TOKEN: token } }))).toMatchObject({
      status: 409,
      code: 'TOKEN_IN_USE',
    });
    expect(await config()).toMatchObject({ env: [] });
  });

  it('has the source looked at again when a fetched one gets no token from the environment any more', async () => {
    const git = { deployment_mode: 'custom', git_repo: 'https://example.com/x.git', code: undefined };
    await done(start({ ...git, env_vars: { BOT_TOKEN: token } }));
    expect((await done(configure({ env_vars: { A: '1' } }))).ensure.spec).toMatchObject({ sourceRevision: 1n });
    expect((await done(configure({ env_vars: { BOT_TOKEN: null } }))).ensure.spec).toMatchObject({
      sourceRevision: 0n,
    });
  });
});

describe('a configure of a bot that does not run', () => {
  it('is stored for its next start, and starts nothing', async () => {
    await done(start({ env_vars: { A: '1' } }));
    await stop();
    expect(await alone(configure({ env_vars: { A: '2' } }))).toEqual({
      status: 'stored',
      bot_id: 'a',
      reason: 'a is stopped: it was not started, and runs with this after its next restart',
    });
    const { ensure } = await done({ action: 'restart', bot_id: 'a' });
    expect(ensure).toMatchObject({ revision: 1n, spec: { env: { A: '2' } } });
  });

  it('takes no place in the quota and no token', async () => {
    await done(start());
    await stop();
    await done(start({ bot_id: 'b', env_vars: { BOT_TOKEN: token } }));
    await done(start({ bot_id: 'c' }));
    expect(await alone(configure({ env_vars: { BOT_TOKEN: token } }))).toMatchObject({ status: 'stored' });
    expect(await refusal({ action: 'restart', bot_id: 'a' })).toMatchObject({ code: 'QUOTA_EXCEEDED' });
  });
});

describe('what is known of the variables', () => {
  it('is when each was set and by which job, and never a value', async () => {
    const first = await done(start({ env_vars: { A: 'canary-one', B: 'canary-two' } }));
    const second = await done(configure({ env_vars: { B: 'canary-three', C: 'canary-four' } }));
    const shown = await config();
    const by = (job: JsonBody) => ({ job_id: job.job_id, set_at: expect.stringMatching(/^\d{4}-.*Z$/) });
    expect(shown).toMatchObject({
      bot_id: 'a',
      env: [
        { name: 'A', ...by(first.job) },
        { name: 'B', ...by(second.job) },
        { name: 'C', ...by(second.job) },
      ],
      read_only: false,
    });
    for (const door of doors) {
      const { config: typed } = await door.getBotConfig({ botId: 'a' });
      expect(typed?.env.map(({ name, jobId }) => [name, jobId])).toEqual(
        shown.env.map(({ name, job_id }: JsonBody) => [name, job_id]),
      );
      expect(JSON.stringify(typed, (_, value) => (typeof value === 'bigint' ? Number(value) : value))).not.toContain(
        'canary',
      );
    }
    expect(JSON.stringify([shown, first.job, second.job])).not.toContain('canary');
  });
});

describe('a configure over gRPC and Connect', () => {
  it('is the one over REST, with the same key the same job', async () => {
    await done(start({ env_vars: { A: '1' } }));
    for (const [n, door] of doors.entries()) {
      const headers = { 'Idempotency-Key': `key-${n}` };
      const request = { botId: 'a', env: { A: `v${n}` }, limits: { cpuMillis: 200 + n }, reset: { memory: true } };
      const { job } = await door.configureBot(request, { headers });
      expect((await door.configureBot(request, { headers })).job?.jobId).toBe(job?.jobId);
      const ensure = await worker.take('ensure');
      expect(ensure.spec).toMatchObject({ env: { A: `v${n}` }, limits: { cpuMillis: 200 + n }, sourceRevision: 1n });
      worker.succeed(ensure);
      expect(await untilFinal(job?.jobId ?? '')).toMatchObject({ status: 'completed' });
    }
  });
});

describe('what cannot be done is refused, and changes nothing', () => {
  it.each<[string, object, string]>([
    ['nothing', {}, 'MISSING_REQUIRED_FIELD'],
    ['an empty change', { env_vars: {}, resource_limits: {} }, 'MISSING_REQUIRED_FIELD'],
    ['a variable that is not there', { env_vars: { NOPE: null } }, 'INVALID_ENV_VARS'],
    ['a label that is not there', { on: { nope: null } }, 'INVALID_LABELS'],
    ['a NUL', { env_vars: { A: 'x\0y' } }, 'INVALID_ENV_VARS'],
    ['a bad name', { env_vars: { 'A B': '1' } }, 'INVALID_ENV_VARS'],
    ['a reserved name', { env_vars: { BOTRUNNER_X: '1' } }, 'INVALID_ENV_VARS'],
    ['a source', { env_vars: { A: '2' }, code: 'print(2)' }, 'CONFLICTING_FIELDS'],
    ['too many processes', { resource_limits: { pids: 513 } }, 'INVALID_RESOURCE_LIMITS'],
    ['no time to end', { resource_limits: { stop_grace_seconds: 0 } }, 'INVALID_RESOURCE_LIMITS'],
    ['too much time to end', { resource_limits: { stop_grace_seconds: 301 } }, 'INVALID_RESOURCE_LIMITS'],
    ['SIGKILL', { resource_limits: { stop_signal: 'SIGKILL' } }, 'INVALID_RESOURCE_LIMITS'],
    ['an unknown limit', { resource_limits: { nice: 1 } }, 'INVALID_RESOURCE_LIMITS'],
    ['a label that nobody has', { on: { zone: 'us' } }, 'NO_WORKER'],
  ])('%s', async (_, more, code) => {
    await done(start({ env_vars: { A: '1' } }));
    const before = await config();
    const refused = await refusal(configure(more));
    expect(refused).toMatchObject({ code, hint: expect.stringMatching(/./), example: expect.anything() });
    expect(await config()).toEqual(before);
  });

  it('a bot that is not there, or was deleted', async () => {
    expect(await refusal(configure({ env_vars: { A: '1' } }))).toMatchObject({ status: 404, code: 'BOT_NOT_FOUND' });
    expect(await refusal({ action: 'config', bot_id: 'a' })).toMatchObject({ status: 404, code: 'BOT_NOT_FOUND' });
    await done(start());
    await accepted({ action: 'delete', bot_id: 'a' });
    expect(await refusal(configure({ env_vars: { A: '1' } }))).toMatchObject({ status: 404, code: 'BOT_NOT_FOUND' });
    await expect(doors[0]?.getBotConfig({ botId: 'a' })).rejects.toThrow('There is no bot named a.');
  });
});
