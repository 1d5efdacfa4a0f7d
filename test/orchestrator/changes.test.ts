/** update, restart, delete and the ownership of Telegram tokens, over the typed door and a worker played over grpc-js. */
import { type Client, createClient } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BotState, DesiredState } from '#gen/botrunner/v1/bot_pb.js';
import { BotService } from '#gen/botrunner/v1/bot_service_pb.js';
import { type Job, JobStatus } from '#gen/botrunner/v1/job_pb.js';
import { JobService } from '#gen/botrunner/v1/job_service_pb.js';
import type { Ensure } from '#gen/botrunner/v1/worker_service_pb.js';
import { eventually } from '../kit/eventually.ts';
import { clientToken, startTestOrchestrator, type TestOrchestrator } from '../kit/orchestrator-for-tests.ts';
import { connectScriptedWorker, observed, type ScriptedWorker } from '../kit/scripted-worker.ts';
import { bearer, refusalOf } from '../kit/typed-calls.ts';

let orchestrator: TestOrchestrator;
let worker: ScriptedWorker;
let bots: Client<typeof BotService>;
let jobs: Client<typeof JobService>;
const token = '123456789:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA';

beforeEach(async () => {
  orchestrator = await startTestOrchestrator({ env: { MAX_BOTS_PER_USER: '10' } });
  const transport = createGrpcTransport({
    baseUrl: orchestrator.url,
    interceptors: [bearer(clientToken)],
  });
  bots = createClient(BotService, transport);
  jobs = createClient(JobService, transport);
  worker = await connectScriptedWorker(orchestrator.address);
  await worker.take('welcome');
});
afterEach(async () => {
  worker.close();
  await orchestrator[Symbol.asyncDispose]();
});

/** Starts through REST, which brings its own files. */
const start = (botId: string, env: Record<string, string> = {}, extra = {}) =>
  orchestrator.post({
    action: 'start',
    bot_id: botId,
    deployment_mode: 'simple',
    code: 'print(1)',
    env_vars: env,
    ...extra,
  });
const gone = (ensure: Ensure) =>
  observed(ensure, { state: BotState.STOPPED, revision: 0n, containerId: '', containerName: '' });
const until = (jobId: string, status: JobStatus): Promise<Job | undefined> =>
  eventually(
    `the job is ${JobStatus[status]}`,
    async () => (await jobs.getJob({ jobId })).job,
    (job) => job?.status === status,
  );
async function started(botId: string, env: Record<string, string> = {}): Promise<Ensure> {
  const { body } = await start(botId, env);
  const ensure = await worker.take('ensure');
  worker.succeed(ensure);
  await until(body.job_id, JobStatus.COMPLETED);
  return ensure;
}
const specOf = (ensure: Ensure) => {
  if (ensure.spec === undefined) throw new Error('the worker was sent no spec');
  return ensure.spec;
};

describe('an update', () => {
  it('keeps the environment when asked to, and takes a new one when given', async () => {
    const spec = specOf(await started('a', { SECRET: 'one' }));
    const kept = await bots.updateBot({ botId: 'a', spec: { ...spec, env: {} }, keepEnv: true });
    const first = await worker.take('ensure');
    expect([first.revision, first.spec?.env]).toEqual([2n, { SECRET: 'one' }]);
    worker.succeed(first);
    await until(kept.job?.jobId ?? '', JobStatus.COMPLETED);
    await bots.updateBot({ botId: 'a', spec: { ...spec, env: { SECRET: 'two' } } });
    expect((await worker.take('ensure')).spec?.env).toEqual({ SECRET: 'two' });
  });

  it('of a bot that is not there is not a start', async () => {
    const spec = specOf(await started('a'));
    expect(await refusalOf(bots.updateBot({ botId: 'b', spec }))).toEqual(['NotFound', 'BOT_NOT_FOUND']);
    expect(await refusalOf(bots.updateBot({ botId: 'a', spec: { ...spec, env: { A: '1' } }, keepEnv: true }))).toEqual([
      'InvalidArgument',
      'CONFLICTING_FIELDS',
    ]);
  });
});

describe('a restart', () => {
  it('is asked for of the same revision, without its source', async () => {
    const ensure = await started('a', { SECRET: 'one' });
    const { job } = await bots.restartBot({ botId: 'a' });
    const again = await worker.take('ensure');
    expect(again).toMatchObject({ generation: 2n, revision: 1n, restart: true, spec: { env: { SECRET: 'one' } } });
    expect(again.spec?.source).toEqual(ensure.spec?.source);
    worker.succeed(again);
    expect((await until(job?.jobId ?? '', JobStatus.COMPLETED))?.result).toMatchObject({ status: 'restarted' });
  });
});

describe('a restart of a worker from before restarts in place', () => {
  it('has a revision of its own while the bot runs, or that worker would do nothing', async () => {
    worker.close();
    worker = await connectScriptedWorker(orchestrator.address, {
      capabilities: ['mode.simple', 'language.python', 'language.node'],
    });
    await worker.take('welcome');
    await started('a');
    await bots.restartBot({ botId: 'a' });
    expect(await worker.take('ensure')).toMatchObject({ generation: 2n, revision: 2n });
  });
});

describe('a stopped bot', () => {
  const stop = async () => {
    const { job } = await bots.stopBot({ botId: 'a' });
    const ensure = await worker.take('ensure');
    worker.succeed(ensure, gone(ensure));
    expect((await until(job?.jobId ?? '', JobStatus.COMPLETED))?.result).not.toHaveProperty('notices');
  };

  it('keeps its revision, and with it its image, in a restart and in a start with the same content', async () => {
    await started('a', { SECRET: 'one' });
    await stop();
    const { job } = await bots.restartBot({ botId: 'a' });
    const again = await worker.take('ensure');
    expect(again).toMatchObject({ generation: 3n, revision: 1n });
    worker.succeed(again);
    await until(job?.jobId ?? '', JobStatus.COMPLETED);
    await stop();
    expect(await started('a', { SECRET: 'one' })).toMatchObject({ generation: 5n, revision: 1n, restart: false });
    await stop();
    expect(await started('a', { SECRET: 'two' })).toMatchObject({ generation: 7n, revision: 7n });
  });

  it('says in the result of its stop what its worker had to do', async () => {
    await started('a');
    const { job } = await bots.stopBot({ botId: 'a' });
    const ensure = await worker.take('ensure');
    worker.send({
      case: 'result',
      value: {
        taskId: ensure.taskId,
        outcome: { case: 'succeeded', value: { notices: ['was killed'] } },
        observation: gone(ensure),
      },
    });
    expect((await until(job?.jobId ?? '', JobStatus.COMPLETED))?.result).toMatchObject({ notices: ['was killed'] });
  });
});

describe('a delete', () => {
  it('removes the bot with all it has, and its name is free again', async () => {
    await started('a');
    const { job } = await bots.deleteBot({ botId: 'a', purge: true });
    const ensure = await worker.take('ensure');
    expect(ensure).toMatchObject({ desired: DesiredState.REMOVED, purge: true });
    expect((await bots.listBots({})).bots).toEqual([]);
    worker.succeed(ensure, gone(ensure));
    await until(job?.jobId ?? '', JobStatus.COMPLETED);
    expect(await refusalOf(bots.getBot({ botId: 'a' }))).toEqual(['NotFound', 'BOT_NOT_FOUND']);
    expect((await started('a')).generation).toBe(1n);
  });
});

describe('a job that waits for its turn', () => {
  it('says for what from its first answer on, in every door, until it begins', async () => {
    const spec = specOf(await started('a'));
    const first = (await bots.updateBot({ botId: 'a', spec })).job;
    const second = (await bots.restartBot({ botId: 'a' })).job;
    const reason = 'waiting for an earlier job of the same bot';
    expect([first?.status, second?.status, second?.reason]).toEqual([JobStatus.RUNNING, JobStatus.PENDING, reason]);
    const jobId = second?.jobId ?? '';
    expect((await jobs.getJob({ jobId })).job?.reason).toBe(reason);
    expect((await orchestrator.get(`/jobs/${jobId}`)).body).toMatchObject({ status: 'pending', reason });
    for await (const { update } of jobs.watchJob({ jobId })) {
      expect(update.value).toMatchObject({ status: JobStatus.PENDING, reason });
      break;
    }
    worker.succeed(await worker.take('ensure'));
    expect((await until(jobId, JobStatus.RUNNING))?.reason).toBe('');
  });

  it('says so as well when it waits for another bot to let go of its token', async () => {
    await started('a', { BOT_TOKEN: token });
    const { body } = await start('b', { BOT_TOKEN: token }, { takeover: true });
    expect((await orchestrator.get(`/jobs/${body.job_id}`)).body).toMatchObject({
      status: 'waiting_for_worker',
      reason: 'waiting for the other bot to release the Telegram token',
    });
  });
});

describe('a Telegram token', () => {
  it('belongs to one running bot; a stop that is done sets it free', async () => {
    await started('a', { BOT_TOKEN: token });
    const refused = await start('b', { TOKEN: token });
    expect([refused.status, refused.body.error]).toMatchObject([
      409,
      { code: 'TOKEN_IN_USE', details: { bot_id: 'a' } },
    ]);
    expect(JSON.stringify(refused.body)).not.toContain(token);
    expect((await bots.listBots({})).bots.map(({ botId }) => botId)).toEqual(['a']);
    const { job } = await bots.stopBot({ botId: 'a' });
    const stop = await worker.take('ensure');
    expect((await start('b', { TOKEN: token })).status).toBe(409);
    worker.succeed(stop, gone(stop));
    await until(job?.jobId ?? '', JobStatus.COMPLETED);
    await started('b', { TOKEN: token });
    expect(await refusalOf(bots.restartBot({ botId: 'a' }))).toEqual(['AlreadyExists', 'TOKEN_IN_USE']);
  });

  it('moves with takeover: for a worker that cannot wait, the other bot is gone before the new one begins', async () => {
    await started('a', { BOT_TOKEN: token });
    const { body } = await start('b', { BOT_TOKEN: token }, { takeover: true });
    const stop = await worker.take('ensure');
    expect(stop).toMatchObject({ botId: 'a', desired: DesiredState.STOPPED });
    expect((await jobs.getJob({ jobId: body.job_id })).job).toMatchObject({
      status: JobStatus.WAITING_FOR_WORKER,
      reason: 'waiting for the other bot to release the Telegram token',
    });
    worker.succeed(stop, gone(stop));
    const begin = await worker.take('ensure');
    expect(begin).toMatchObject({ botId: 'b', desired: DesiredState.RUNNING });
    worker.succeed(begin);
    await until(body.job_id, JobStatus.COMPLETED);
  });

  it('is free again after a start that failed', async () => {
    const { body } = await start('a', { BOT_TOKEN: token });
    const ensure = await worker.take('ensure');
    worker.send({
      case: 'result',
      value: { taskId: ensure.taskId, outcome: { case: 'failed', value: { code: 'BUILD_FAILED', message: 'no' } } },
    });
    await until(body.job_id, JobStatus.FAILED);
    await worker.take('ensure');
    await started('b', { BOT_TOKEN: token });
  });

  it('is not seen in placeholders', async () => {
    await started('a', { BOT_TOKEN: 'your_token' });
    await started('b', { BOT_TOKEN: 'your_token' });
    await started('c', { BOT_TOKEN: '123:ABC' });
    await started('d', { BOT_TOKEN: '123:ABC' });
  });
});
