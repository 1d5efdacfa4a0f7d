/**
 * The original's Python CLI and its worker SDK work unmodified: their HTTP calls, one after the other as those programs make
 * them, with the headers and all the fields that they send, and the places of the answers where they look.
 */
import { createHash } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { eventually } from '../kit/eventually.ts';
import {
  clientToken,
  type JsonBody,
  startTestOrchestrator,
  type TestOrchestrator,
  workerToken,
} from '../kit/orchestrator-for-tests.ts';

let orchestrator: TestOrchestrator;
beforeEach(async () => {
  orchestrator = await startTestOrchestrator();
});
afterEach(() => orchestrator[Symbol.asyncDispose]());

interface Answer {
  readonly status: number;
  readonly body: JsonBody;
}

async function ask(method: string, path: string, headers: Record<string, string>, body?: unknown): Promise<Answer> {
  const response = await fetch(`${orchestrator.url}${path}`, {
    method,
    headers: { accept: '*/*', 'user-agent': 'python-requests/2.31.0', ...headers, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, body: text === '' ? null : JSON.parse(text) };
}

/** The CLI: who it says it is, its one door, and how it waits. */
const cliUser = (token: string) => `cli_${createHash('sha256').update(token).digest('hex').slice(0, 16)}`;
const cli = (data: object, token = clientToken): Promise<Answer> =>
  ask('POST', '/api/jobs/bot_runner', { 'x-avtomatika-token': token }, { user_id: cliUser(token), ...data });
const poll = async (jobId: string, token = clientToken): Promise<JsonBody> =>
  (await ask('GET', `/api/jobs/${jobId}`, { 'x-avtomatika-token': token })).body;
/** It ends its waiting by `current_state` alone, and takes the result out of `state_history`. */
const finished = (jobId: string): Promise<JsonBody> =>
  eventually(
    `job ${jobId} is over as the CLI sees it`,
    () => poll(jobId),
    ({ current_state }) => ['completed', 'failed', 'error'].includes(current_state),
  );
const accepted = async (data: object): Promise<string> => {
  const { status, body } = await cli(data);
  expect({ status, body }).toMatchObject({ status: 202, body: { status: 'accepted', job_id: expect.any(String) } });
  return body.job_id;
};

/** The worker SDK: five calls, all under /_worker. */
const sdk = { 'x-worker-token': workerToken };
const supportedTasks = ['start_bot', 'stop_bot', 'get_logs', 'list_bots', 'check_status'];
const register = (workerId = 'bot-runner-1') =>
  ask('POST', '/_worker/workers/register', sdk, {
    worker_id: workerId,
    worker_type: 'bot-runner',
    supported_tasks: supportedTasks,
    max_concurrent_tasks: 10,
    installed_software: { python: '3.11.4' },
    installed_models: [],
    resources: { max_concurrent_tasks: 10, cpu_cores: 4, gpu_info: null },
    ip_address: '127.0.0.1',
    hostname: 'bots',
    multi_orchestrator_info: { orchestrators: [{ url: orchestrator.url }] },
  });
const heartbeat = (workerId = 'bot-runner-1') =>
  ask('PATCH', `/_worker/workers/${workerId}`, sdk, {
    load: 0.1,
    current_tasks: [],
    supported_tasks: supportedTasks,
    hot_cache: [],
    status: 'idle',
  });
const nextTask = (workerId = 'bot-runner-1') => ask('GET', `/_worker/workers/${workerId}/tasks/next`, sdk);
const report = (task: JsonBody, result: object, workerId = 'bot-runner-1') =>
  ask('POST', '/_worker/tasks/result', sdk, {
    job_id: task.job_id,
    task_id: task.task_id,
    worker_id: workerId,
    result,
  });

const started = {
  status: 'started',
  container_id: 'c1d2e3',
  container_name: 'bot_dev_my-bot',
  started_at: '2026-01-15T10:00:00Z',
};
const startData = {
  action: 'start',
  bot_id: 'my-bot',
  deployment_mode: 'simple',
  code: 'print("hello")',
  entrypoint: 'bot.py',
  requirements: ['aiogram>=3.0'],
  env_vars: { BOT_TOKEN: '123:ABC' },
};
/** Start by the CLI, done by the SDK. */
async function startBot(data: object = startData): Promise<JsonBody> {
  const jobId = await accepted(data);
  const { body: task } = await nextTask();
  expect(task).toMatchObject({ task_id: expect.any(String), job_id: jobId, type: 'start_bot' });
  expect(await report(task, { status: 'success', data: started })).toEqual({
    status: 200,
    body: { status: 'result_accepted_success' },
  });
  return { task, job: await finished(jobId) };
}

describe('the CLI of the original', () => {
  beforeEach(async () => {
    expect((await register()).status).toBe(200);
  });

  it('starts a bot by POST /api/jobs/bot_runner and finds its result by GET /api/jobs/{id}', async () => {
    const { task, job } = await startBot();
    expect(task.params).toMatchObject({
      user_id: 'dev',
      bot_id: 'my-bot',
      deployment_mode: 'simple',
      entrypoint: 'bot.py',
      requirements: ['aiogram>=3.0'],
      env_vars: { BOT_TOKEN: '123:ABC' },
    });
    expect(job).toMatchObject({
      current_state: 'completed',
      status: 'completed',
      state_history: { status: 'started', container_id: 'c1d2e3', container_name: 'bot_dev_my-bot' },
      data: { result: { status: 'started' } },
    });
    expect(job.state_history).toEqual(job.data.result);
  });

  it('sends several files, and they arrive', async () => {
    const { code: _code, ...rest } = startData;
    const { task } = await startBot({ ...rest, files: { 'bot.py': 'import a', 'a.py': 'x = 1' } });
    expect(task.params.files).toEqual({ 'bot.py': 'import a', 'a.py': 'x = 1' });
  });

  it('lists, asks for the status and stops, by the same door', async () => {
    await startBot();
    const list = await finished(await accepted({ action: 'list' }));
    expect(list.state_history).toMatchObject({
      bots: [{ bot_id: 'my-bot', status: 'running', container_name: 'bot_dev_my-bot', started_at: expect.any(String) }],
      count: 1,
      max_bots: 3,
    });
    const status = await finished(await accepted({ action: 'status', bot_id: 'my-bot' }));
    expect(status.state_history).toMatchObject({ exists: true, status: 'running', bot_id: 'my-bot' });
    const stopJob = await accepted({ action: 'stop', bot_id: 'my-bot' });
    const { body: task } = await nextTask();
    expect(task).toMatchObject({ type: 'stop_bot', params: { user_id: 'dev', bot_id: 'my-bot' } });
    await report(task, { status: 'success', data: { status: 'stopped', container_name: 'bot_dev_my-bot' } });
    expect((await finished(stopJob)).state_history).toMatchObject({ status: 'stopped' });
  });

  it('has its user_id ignored: the token says who asks, whatever the body says', async () => {
    await startBot({ ...startData, user_id: 'somebody-else' });
    const list = await finished(await accepted({ action: 'list', user_id: 'somebody-else' }));
    expect(list.state_history.bots).toHaveLength(1);
    expect(JSON.stringify(list)).not.toContain('somebody-else');
  });

  it('gets a refusal with code, message, details, hint and example', async () => {
    const { bot_id: _botId, ...noBot } = startData;
    const { status, body } = await cli(noBot);
    expect(status).toBe(400);
    expect(body).toEqual({
      error: {
        code: 'MISSING_REQUIRED_FIELD',
        message: expect.stringMatching(/./),
        details: { field: 'bot_id' },
        hint: expect.stringMatching(/./),
        example: expect.objectContaining({ blueprint: 'bot_runner' }),
      },
    });
    expect((await cli({ action: 'logs', bot_id: 'nobody' })).body.error.code).toBe('BOT_NOT_FOUND');
    expect((await cli(startData, 'wrong-token')).status).toBe(401);
    expect((await ask('GET', '/api/jobs/nonsense', { 'x-avtomatika-token': clientToken })).status).toBe(404);
  });

  it('updates a bot that is not there: the stop it begins with fails as a job, after which it starts', async () => {
    const stop = await finished(await accepted({ action: 'stop', bot_id: startData.bot_id }));
    expect(stop).toMatchObject({ current_state: 'failed', data: { error: { code: 'BOT_NOT_FOUND' } } });
    await startBot(startData);
    const strict = await orchestrator.post({ action: 'stop', bot_id: 'nobody' });
    expect(strict).toMatchObject({ status: 404, body: { error: { code: 'BOT_NOT_FOUND' } } });
  });

  it('sees a failed start as failed at once, with its error', async () => {
    const jobId = await accepted(startData);
    const { body: task } = await nextTask();
    await report(task, { status: 'failure', error: { code: 'CONTAINER_ERROR', message: 'no such image' } });
    const job = await finished(jobId);
    expect(job).toMatchObject({ current_state: 'failed', status: 'failed' });
    expect(job.data.error.message).toContain('no such image');
    expect((await nextTask204()).status).toBe(204);
  });

  it('gets QUOTA_EXCEEDED for a fourth bot, with the details it prints', async () => {
    for (const bot_id of ['b1', 'b2', 'b3']) await startBot({ ...startData, bot_id });
    const { status, body } = await cli({ ...startData, bot_id: 'b4' });
    expect(status).toBe(429);
    expect(body.error).toMatchObject({
      code: 'QUOTA_EXCEEDED',
      details: { current_bots: 3, max_bots: 3, active_bots: ['b1', 'b2', 'b3'] },
      example: { data: { action: 'stop', bot_id: 'b1' } },
    });
  });
});

/** Nothing is handed out any more: a failed task is not tried again. Does not wait the whole 30 s. */
async function nextTask204(): Promise<Answer> {
  const { status, body } = await ask('GET', '/workers/bot-runner-1/tasks?wait=0', sdk);
  return { status: status === 200 && body.length === 0 ? 204 : status, body };
}

describe('the worker SDK of the original', () => {
  it('registers, beats, takes a task of its kind and reports it', async () => {
    expect(await register()).toMatchObject({ status: 200 });
    expect(await heartbeat()).toMatchObject({ status: 200 });
    const waiting = nextTask();
    const jobId = await accepted(startData);
    const { status, body: task } = await waiting;
    expect(status).toBe(200);
    expect(Object.keys(task).toSorted()).toEqual(['job_id', 'params', 'task_id', 'type']);
    expect(await heartbeat()).toMatchObject({ status: 200 });
    const result = { status: 'success', data: started };
    expect(await report(task, result)).toEqual({ status: 200, body: { status: 'result_accepted_success' } });
    // It sends a result again when the answer was lost.
    expect((await report(task, result)).status).toBe(200);
    expect(await finished(jobId)).toMatchObject({ current_state: 'completed' });
  });

  it('is registered by its heartbeat with an orchestrator that does not know it: it never registers again itself', async () => {
    expect((await nextTask()).status).toBe(404);
    expect((await heartbeat()).status).toBe(200);
    await startBot();
  });

  it('works on after a restart of the orchestrator, with the task that it had', async () => {
    await register();
    const jobId = await accepted(startData);
    const { body: task } = await nextTask();
    await orchestrator.restart();
    expect((await nextTask204()).status).toBe(204);
    expect((await report(task, { status: 'success', data: started })).status).toBe(200);
    expect(await finished(jobId)).toMatchObject({ current_state: 'completed' });
  });

  it('gets a task again that it could not do in passing, after a pause', async () => {
    await register();
    const jobId = await accepted(startData);
    const { body: task } = await nextTask();
    await report(task, { status: 'failure', error: { code: 'TRANSIENT_ERROR', message: 'the registry is busy' } });
    expect(await poll(jobId)).toMatchObject({
      status: 'running',
      reason: 'try 2 follows; worker bot-runner-1 reported of the last one: the registry is busy',
    });
    expect((await nextTask204()).status).toBe(204);
    const { body: again } = await nextTask();
    expect(again).toMatchObject({ task_id: task.task_id, type: 'start_bot' });
    await report(again, { status: 'success', data: started });
    expect(await finished(jobId)).toMatchObject({ current_state: 'completed' });
  });

  it.each([
    ['PERMANENT_ERROR', 'failed'],
    ['INVALID_INPUT_ERROR', 'failed'],
  ])('ends the job by a failure of class %s', async (code, state) => {
    await register();
    const jobId = await accepted(startData);
    const { body: task } = await nextTask();
    await report(task, { status: 'failure', error: { code, message: 'it broke' } });
    expect(await finished(jobId)).toMatchObject({ current_state: state, status: state });
  });

  it('may not report for another worker, nor with a client’s token', async () => {
    await register();
    await register('bot-runner-2');
    await accepted(startData);
    const { body: task } = await nextTask();
    const foreign = await report(task, { status: 'success', data: started }, 'bot-runner-2');
    expect(foreign).toMatchObject({ status: 403, body: { error: { code: 'PERMISSION_DENIED' } } });
    const wrong = await ask('POST', '/_worker/workers/register', { 'x-worker-token': clientToken }, { worker_id: 'x' });
    expect(wrong.status).toBe(403);
    expect((await ask('POST', '/_worker/workers/register', {}, { worker_id: 'x' })).status).toBe(401);
  });
});
