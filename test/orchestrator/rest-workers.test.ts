/** Workers in any language over REST: the guide's routes, and those of the original's worker SDK. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { eventually } from '../kit/eventually.ts';
import { createManualClock } from '../kit/manual-clock.ts';
import { type JsonBody, startTestOrchestrator, type TestOrchestrator } from '../kit/orchestrator-for-tests.ts';

let orchestrator: TestOrchestrator;
beforeEach(async () => {
  orchestrator = await startTestOrchestrator();
});
afterEach(() => orchestrator[Symbol.asyncDispose]());

async function ask(
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = { authorization: 'Bearer test-worker-token' },
): Promise<{ status: number; body: JsonBody }> {
  const response = await fetch(`${orchestrator.url}${path}`, {
    method,
    headers: { ...headers, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, body: text === '' ? null : JSON.parse(text) };
}
const register = (workerId: string, tasks: readonly string[]) =>
  ask('POST', '/workers/register', {
    worker_id: workerId,
    worker_type: 'test',
    supported_tasks: tasks,
    max_concurrent_tasks: 5,
  });
const workflow = (input: unknown) => orchestrator.post(JSON.stringify({ blueprint: 'test_workflow', data: { input } }));
const done = (jobId: string) =>
  eventually(
    'the job is final',
    async () => (await orchestrator.get(`/jobs/${jobId}`)).body,
    ({ status }) => status === 'completed' || status === 'failed',
  );

describe('test_workflow', () => {
  it('is done by a worker that knows its task', async () => {
    const { status, body } = await workflow('hello');
    expect([status, body.state]).toEqual([202, 'init']);
    expect((await register('w1', ['process_data'])).status).toBe(200);
    const tasks = await ask('GET', '/workers/w1/tasks?wait=5');
    expect(tasks).toEqual({
      status: 200,
      body: [
        {
          task_id: expect.any(String),
          job_id: body.job_id,
          type: 'process_data',
          params: { job_id: body.job_id, payload: 'hello' },
        },
      ],
    });
    const [task] = tasks.body;
    const result = {
      job_id: task.job_id,
      task_id: task.task_id,
      worker_id: 'w1',
      result: { status: 'success', data: { result: task.params.payload.toUpperCase() } },
    };
    expect(await ask('POST', '/tasks/result', result)).toEqual({
      status: 200,
      body: { status: 'result_accepted_success' },
    });
    expect(await done(body.job_id)).toMatchObject({
      state: 'completed',
      data: { result: { result: 'HELLO' } },
      state_history: { result: 'HELLO' },
    });
    expect((await ask('POST', '/tasks/result', result)).status).toBe(200);
  });

  it('reaches a worker that is waiting already, at once', async () => {
    await register('w1', ['process_data']);
    const waiting = ask('GET', '/_worker/workers/w1/tasks/next', undefined, { 'x-worker-token': 'test-worker-token' });
    await workflow(1);
    expect((await waiting).body).toMatchObject({ type: 'process_data', params: { payload: 1 } });
  });

  it('reaches the waiting workers, one task each, whatever others wait or have left', async () => {
    const headers = { 'x-worker-token': 'test-worker-token' };
    const next = (workerId: string, signal?: AbortSignal) =>
      fetch(`${orchestrator.url}/_worker/workers/${workerId}/tasks/next`, { headers, ...(signal ? { signal } : {}) });
    for (const workerId of ['w1', 'w2', 'w3']) await register(workerId, ['process_data']);
    await register('other', ['something_else']);
    const going = new AbortController();
    const first = next('w1', going.signal);
    const others = ['other', 'w2', 'w3'].map((workerId) => next(workerId, going.signal));
    const left = new AbortController();
    const leaving = next('w1', left.signal).catch(() => undefined);
    left.abort();
    await leaving;
    for (const n of [1, 2, 3]) await workflow(n);
    const tasks = await Promise.all(
      [first, ...others.slice(1)].map(async (answer) => (await (await answer).json()) as JsonBody),
    );
    expect(tasks.map((task) => task.params.payload).sort()).toEqual([1, 2, 3]);
    going.abort();
    await Promise.allSettled(others);
  });

  it('fails when its worker says so', async () => {
    await register('w1', ['process_data']);
    const { body } = await workflow('x');
    const [task] = (await ask('GET', '/workers/w1/tasks')).body;
    const failure = { status: 'failure', error: { code: 'PERMANENT_ERROR', message: 'broken' } };
    await ask('POST', '/_worker/tasks/result', { task_id: task.task_id, worker_id: 'w1', result: failure });
    expect(await done(body.job_id)).toMatchObject({
      status: 'failed',
      data: { error: { message: 'PERMANENT_ERROR: broken' } },
    });
  });

  const report = (task: JsonBody, result: unknown, workerId = 'w1') =>
    ask('POST', '/tasks/result', { job_id: task.job_id, task_id: task.task_id, worker_id: workerId, result });

  it.each([
    ['another status', { status: 'retry', data: {} }, 'the status "retry"'],
    ['the status of another system', { status: 'ok' }, 'the status "ok"'],
    ['a status that is no text', { status: 1 }, 'no status'],
    ['none', { data: {} }, 'no status'],
    ['no result at all', undefined, 'no status'],
    ['a result that is no object', 'done', 'no status'],
  ])('fails at once when its worker reports %s', async (_, result, said) => {
    await register('w1', ['process_data']);
    const { body } = await workflow('x');
    const [task] = (await ask('GET', '/workers/w1/tasks')).body;
    const answer = await report(task, result);
    expect([answer.status, answer.body.error.code]).toEqual([400, 'MALFORMED_REQUEST']);
    expect(await done(body.job_id)).toMatchObject({
      status: 'failed',
      data: {
        error: {
          code: 'CONTAINER_ERROR',
          message: `Worker w1 reported ${said}; it must be success, failure or cancelled.`,
        },
      },
    });
  });

  it('is not failed by a bad report of a worker that does not have it', async () => {
    await register('w1', ['process_data']);
    await register('w2', ['process_data']);
    const { body } = await workflow('x');
    const [task] = (await ask('GET', '/workers/w1/tasks')).body;
    expect((await report(task, { status: 'retry' }, 'w2')).status).toBe(403);
    expect((await report(task, { status: 'success', data: { result: 'X' } })).status).toBe(200);
    expect(await done(body.job_id)).toMatchObject({ status: 'completed' });
  });

  it('is retried when its worker says that it may pass', async () => {
    await register('w1', ['process_data']);
    const { body } = await workflow('x');
    const [task] = (await ask('GET', '/workers/w1/tasks')).body;
    const transient = { status: 'failure', error: { code: 'TRANSIENT_ERROR', message: 'busy' } };
    expect((await report(task, transient)).status).toBe(200);
    expect((await orchestrator.get(`/jobs/${body.job_id}`)).body).toMatchObject({
      status: 'waiting_for_worker',
      reason: 'try 2 follows; worker w1 reported of the last one: busy',
    });
    expect((await ask('GET', '/workers/w1/tasks')).body).toEqual([]);
    const [again] = (await ask('GET', '/workers/w1/tasks?wait=10')).body;
    expect(again).toEqual(task);
    await report(again, { status: 'success', data: { result: 'X' } });
    expect(await done(body.job_id)).toMatchObject({ status: 'completed' });
  });

  it('is handed out again when its worker starts over', async () => {
    await register('w1', ['process_data']);
    const { body } = await workflow('x');
    const [task] = (await ask('GET', '/workers/w1/tasks')).body;
    await register('w1', ['process_data']);
    expect((await ask('GET', '/workers/w1/tasks')).body).toEqual([task]);
    await report(task, { status: 'success', data: { result: 'X' } });
    expect(await done(body.job_id)).toMatchObject({ status: 'completed' });
  });

  it('stays with its worker over a restart of the orchestrator, which knows the worker still', async () => {
    await register('w1', ['process_data']);
    const { body } = await workflow('x');
    const [task] = (await ask('GET', '/workers/w1/tasks')).body;
    await orchestrator.restart();
    expect(await ask('GET', '/workers/w1/tasks')).toEqual({ status: 200, body: [] });
    expect((await report(task, { status: 'success', data: { result: 'X' } })).status).toBe(200);
    expect(await done(body.job_id)).toMatchObject({ status: 'completed' });
    await workflow('y');
    expect((await ask('GET', '/workers/w1/tasks')).body).toMatchObject([{ params: { payload: 'y' } }]);
  });

  it('ends by its deadline when its worker falls silent, also over a restart', async () => {
    const clock = createManualClock();
    await using slow = await startTestOrchestrator({ clock });
    const call = (method: string, path: string, body?: object) =>
      fetch(`${slow.url}${path}`, {
        method,
        headers: { 'x-worker-token': 'test-worker-token', 'content-type': 'application/json' },
        ...(body ? { body: JSON.stringify(body) } : {}),
      });
    const enter = (worker_id: string) =>
      call('POST', '/workers/register', { worker_id, supported_tasks: ['process_data'] });
    const tasksOf = async (workerId: string) => (await call('GET', `/workers/${workerId}/tasks`)).json();
    for (const restarts of [false, true]) {
      await enter('w1');
      const { body } = await slow.post(JSON.stringify({ blueprint: 'test_workflow', data: { input: 'x' } }));
      expect(await tasksOf('w1')).toHaveLength(1);
      if (restarts) await slow.restart();
      clock.advance(60_000);
      const ended = await eventually(
        'the job has ended by its deadline',
        async () => (await slow.get(`/jobs/${body.job_id}`)).body,
        ({ status }) => status === 'failed',
      );
      expect(ended.data.error.code).toBe('DEADLINE_EXCEEDED');
    }
  });

  it('is not handed to a worker of another kind, nor twice', async () => {
    await register('other', ['something_else']);
    await register('w1', ['process_data']);
    await register('w2', ['process_data']);
    await workflow('x');
    expect((await ask('GET', '/workers/other/tasks')).body).toEqual([]);
    const [one, two] = await Promise.all([ask('GET', '/workers/w1/tasks'), ask('GET', '/workers/w2/tasks')]);
    expect(one.body.length + two.body.length).toBe(1);
  });

  it('needs an input', async () => {
    const { status, body } = await orchestrator.post(JSON.stringify({ blueprint: 'test_workflow', data: {} }));
    expect([status, body.error.code]).toEqual([400, 'MISSING_REQUIRED_FIELD']);
  });
});

describe('a bot on a REST worker', () => {
  it('is started with its files and stopped again', async () => {
    await register('w1', ['start_bot', 'stop_bot']);
    const { body } = await orchestrator.post({
      action: 'start',
      bot_id: 'echo',
      deployment_mode: 'simple',
      files: { 'bot.py': 'import a', 'a.py': 'x = 1' },
      requirements: ['aiogram>=3.0'],
      env_vars: { BOT_TOKEN: '123:ABC' },
    });
    const [task] = (await ask('GET', '/workers/w1/tasks?wait=5')).body;
    expect(task).toMatchObject({
      type: 'start_bot',
      params: {
        user_id: 'dev',
        bot_id: 'echo',
        deployment_mode: 'simple',
        files: { 'bot.py': 'import a', 'a.py': 'x = 1' },
        entrypoint: 'bot.py',
        requirements: ['aiogram>=3.0'],
        env_vars: { BOT_TOKEN: '123:ABC' },
      },
    });
    const report = (taskId: string, data: object) =>
      ask('POST', '/tasks/result', { task_id: taskId, worker_id: 'w1', result: { status: 'success', data } });
    await report(task.task_id, { status: 'started', container_id: 'c1', container_name: 'bot_dev_echo' });
    expect(await done(body.job_id)).toMatchObject({
      state: 'completed',
      data: { result: { status: 'started', container_id: 'c1' } },
    });
    const list = await orchestrator.post({ action: 'list' });
    expect((await done(list.body.job_id)).data.result).toMatchObject({
      bots: [{ bot_id: 'echo', status: 'running', worker_id: 'w1', runtime: 'rest' }],
      count: 1,
    });
    const stop = await orchestrator.post({ action: 'stop', bot_id: 'echo' });
    const [stopTask] = (await ask('GET', '/workers/w1/tasks?wait=5')).body;
    expect(stopTask).toMatchObject({ type: 'stop_bot', params: { user_id: 'dev', bot_id: 'echo' } });
    await report(stopTask.task_id, {});
    expect(await done(stop.body.job_id)).toMatchObject({ data: { result: { status: 'stopped' } } });
  });
});

describe('a REST worker', () => {
  it.each<[string, string, string, unknown, Record<string, string>, number, string]>([
    ['without a token', 'POST', '/workers/register', { worker_id: 'a' }, {}, 401, 'UNAUTHENTICATED'],
    [
      'with a client’s token',
      'POST',
      '/workers/register',
      { worker_id: 'a' },
      { authorization: 'Bearer test-client-token' },
      403,
      'PERMISSION_DENIED',
    ],
    [
      'without an id',
      'POST',
      '/workers/register',
      {},
      { 'x-worker-token': 'test-worker-token' },
      400,
      'MISSING_REQUIRED_FIELD',
    ],
    [
      'with a bad id',
      'POST',
      '/workers/register',
      { worker_id: 'a b' },
      { 'x-worker-token': 'test-worker-token' },
      400,
      'INVALID_WORKER',
    ],
    [
      'that is not registered',
      'GET',
      '/workers/nobody/tasks',
      undefined,
      { 'x-worker-token': 'test-worker-token' },
      404,
      'WORKER_NOT_FOUND',
    ],
    [
      'that is not registered and beats',
      'PATCH',
      '/_worker/workers/nobody',
      { load: 0 },
      { 'x-worker-token': 'test-worker-token' },
      404,
      'WORKER_NOT_FOUND',
    ],
  ])('%s is refused', async (_name, method, path, body, headers, status, code) => {
    const answer = await ask(method, path, body, headers);
    expect([answer.status, answer.body.error.code]).toEqual([status, code]);
  });

  it('may not report on another worker’s task', async () => {
    await register('w1', ['process_data']);
    await register('w2', ['process_data']);
    await workflow('x');
    const [task] = (await ask('GET', '/workers/w1/tasks')).body;
    const answer = await ask('POST', '/tasks/result', {
      task_id: task.task_id,
      worker_id: 'w2',
      result: { status: 'success', data: {} },
    });
    expect([answer.status, answer.body.error.code]).toEqual([403, 'PERMISSION_DENIED']);
  });

  it('is answered 204 when nothing came for 30 s, and forgotten after two minutes of silence', async () => {
    const clock = createManualClock();
    await using slow = await startTestOrchestrator({ clock });
    const call = (method: string, path: string, body?: object) =>
      fetch(`${slow.url}${path}`, {
        method,
        headers: { 'x-worker-token': 'test-worker-token', 'content-type': 'application/json' },
        ...(body ? { body: JSON.stringify(body) } : {}),
      });
    await call('POST', '/_worker/workers/register', { worker_id: 'w1', supported_tasks: ['process_data'] });
    const timers = clock.pendingTimers();
    const poll = call('GET', '/_worker/workers/w1/tasks/next');
    await eventually(
      'the poll waits',
      () => clock.pendingTimers(),
      (count) => count > timers,
    );
    await clock.advanceSettled(30_000);
    expect((await poll).status).toBe(204);
    expect((await call('PATCH', '/_worker/workers/w1', { load: 0 })).status).toBe(200);
    clock.advance(120_000);
    expect((await call('PATCH', '/_worker/workers/w1', { load: 0 })).status).toBe(404);
  });
});
