/** Chapter 7 of the testing guide on a real engine: its tables of commands, of endpoints and of error codes, row by row. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import type { JsonBody } from '../../kit/orchestrator-for-tests.ts';
import { usableDocker } from '../../kit/test-docker.ts';
import { type SeedPlatform, startSeedPlatform } from './seed-platform.ts';

const docker = inject('docker');
const longMs = 120_000;
const forever = 'import time\nprint("up", flush=True)\nwhile True: time.sleep(60)\n';

describe.skipIf('skip' in docker)('chapter 7 of the testing guide', { timeout: longMs }, () => {
  let seed: SeedPlatform;
  beforeAll(async () => {
    seed = await startSeedPlatform(usableDocker(docker), { MAX_BOTS_PER_USER: '1' });
    writeFileSync(join(seed.dir, 'bot.py'), forever);
  }, longMs);
  afterAll(async () => {
    await seed?.deleteAll();
    await seed?.close();
  }, longMs);

  // One bot for the whole table: each row finds it as the row before left it.
  describe('CLI commands', () => {
    it('command start: avtomatika-bot start my-bot --simple bot.py', async () => {
      const end = await seed.run('cd /tmp/ && avtomatika-bot start my-bot --simple bot.py');
      expect(end).toMatchObject({ code: 0, stdout: expect.stringContaining('my-bot is running.') });
    });

    it('command status: avtomatika-bot status my-bot', async () => {
      const end = await seed.run('avtomatika-bot status my-bot');
      expect(end).toMatchObject({
        code: 0,
        stdout: expect.stringMatching(/my-bot[\s\S]*running[\s\S]*bot_dev_my-bot_/),
      });
    });

    it('command list: avtomatika-bot list', async () => {
      const end = await seed.run('avtomatika-bot list');
      expect(end).toMatchObject({ code: 0, stdout: expect.stringMatching(/\(1\/1\)[\s\S]*my-bot +running/) });
    });

    it('command logs: avtomatika-bot logs my-bot -n 50', async () => {
      await seed.untilLogged('my-bot', 'up');
      const end = await seed.run('avtomatika-bot logs my-bot -n 50');
      expect(end).toMatchObject({ code: 0, stdout: expect.stringMatching(/^up$/m) });
    });

    it('command stop: avtomatika-bot stop my-bot', async () => {
      const end = await seed.run('avtomatika-bot stop my-bot');
      expect(end).toMatchObject({ code: 0, stdout: expect.stringContaining('my-bot is stopped.') });
      expect(await seed.platform.status('my-bot')).toMatchObject({ status: 'stopped' });
    });
  });

  describe('API endpoints', () => {
    const ask = async (method: string, path: string, token: string, body?: object) => {
      const response = await fetch(`${seed.platform.url}${path}`, {
        method,
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      return { status: response.status, body: (await response.json()) as JsonBody };
    };

    it('endpoint POST /jobs: start, list, logs and stop', async () => {
      const start = { action: 'start', bot_id: 'rest-bot', deployment_mode: 'simple', code: forever };
      const { data } = await seed.job(start);
      expect(data.result).toMatchObject({
        status: 'started',
        bot_id: 'rest-bot',
        container_id: expect.stringMatching(/^[0-9a-f]{64}$/),
        container_name: expect.stringMatching(/^bot_dev_rest-bot_/),
        started_at: expect.stringMatching(/Z$/),
      });
      const list = await seed.job({ action: 'list' });
      expect(list.data.result.bots).toContainEqual(expect.objectContaining({ bot_id: 'rest-bot', status: 'running' }));
      await seed.untilLogged('rest-bot', 'up');
      const logs = await seed.job({ action: 'logs', bot_id: 'rest-bot', lines: 50 });
      expect(logs.data.result).toMatchObject({
        status: 'success',
        logs: expect.stringMatching(/Z up$/m),
        container_status: 'running',
      });
      const stop = await seed.job({ action: 'stop', bot_id: 'rest-bot' });
      expect(stop.data.result).toMatchObject({ status: 'stopped', container_name: data.result.container_name });
    });

    it('endpoint GET /jobs/{id}: the state of a job', async () => {
      const { body } = await seed.post({ action: 'status', bot_id: 'rest-bot' });
      const job = await ask('GET', `/jobs/${body.job_id}`, 'test-client-token');
      expect(job.status).toBe(200);
      expect(job.body).toMatchObject({ job_id: body.job_id, state: 'completed', current_state: 'completed' });
    });

    it('endpoints POST /workers/register, GET /workers/{id}/tasks and POST /tasks/result: a worker in any language', async () => {
      const registered = await ask('POST', '/workers/register', 'test-worker-token', {
        worker_id: 'seed-worker',
        supported_tasks: ['process_data'],
      });
      expect(registered.status).toBe(200);
      const workflow = { blueprint: 'test_workflow', data: { input: 'hello' } };
      const accepted = await ask('POST', '/jobs', 'test-client-token', workflow);
      const tasks = await ask('GET', '/workers/seed-worker/tasks?wait=10', 'test-worker-token');
      expect(tasks).toMatchObject({ status: 200, body: [{ job_id: accepted.body.job_id, type: 'process_data' }] });
      const [task] = tasks.body;
      const result = await ask('POST', '/tasks/result', 'test-worker-token', {
        job_id: task.job_id,
        task_id: task.task_id,
        worker_id: 'seed-worker',
        result: { status: 'success', data: { result: 'HELLO' } },
      });
      expect(result).toEqual({ status: 200, body: { status: 'result_accepted_success' } });
      const job = await ask('GET', `/jobs/${task.job_id}`, 'test-client-token');
      expect(job.body).toMatchObject({ status: 'completed', data: { result: { result: 'HELLO' } } });
    });
  });

  describe('error codes', () => {
    const start = { action: 'start', bot_id: 'coded' };
    it.each<[string, object]>([
      ['MISSING_REQUIRED_FIELD', { action: 'start', deployment_mode: 'simple', code: 'x' }],
      ['INVALID_ACTION', { ...start, action: 'begin' }],
      ['INVALID_BOT_ID', { ...start, bot_id: 'a b', deployment_mode: 'simple', code: 'x' }],
      ['INVALID_DEPLOYMENT_MODE', { ...start, deployment_mode: 'simpel' }],
      ['MISSING_CODE', { ...start, deployment_mode: 'simple' }],
      ['MISSING_SOURCE', { ...start, deployment_mode: 'custom' }],
    ])('code %s', async (code, data) => {
      const { status, body } = await seed.post(data);
      expect([status, body.error.code]).toEqual([400, code]);
      expect(body.error.message).not.toBe('');
      expect(body.error.hint).not.toBe('');
      expect(body.error.example).toEqual(expect.any(Object));
    });

    it('code QUOTA_EXCEEDED', async () => {
      // One that runs on: a bot that has ended with 0 has given its place back.
      const code = 'import time; time.sleep(600)';
      const first = { ...start, bot_id: 'first', deployment_mode: 'simple', code };
      await seed.job(first);
      const { status, body } = await seed.post({ ...first, bot_id: 'second' });
      expect(status).toBe(429);
      expect(body.error).toMatchObject({
        code: 'QUOTA_EXCEEDED',
        details: { current_bots: 1, max_bots: 1, active_bots: ['first'] },
        hint: expect.stringMatching(/./),
      });
      await seed.job({ action: 'delete', bot_id: 'first' });
    });

    it('code CONTAINER_ERROR', async () => {
      writeFileSync(join(seed.dir, 'Dockerfile'), 'FROM scratch\nCOPY bot.py /\n');
      const end = await seed.run('avtomatika-bot start coded --custom /tmp/');
      expect(end).toMatchObject({ code: 1, stderr: expect.stringContaining('Error CONTAINER_ERROR: ') });
      expect(end.stderr).toMatch(/Hint: .+/);
      expect(await seed.platform.status('coded')).toMatchObject({ status: 'failed' });
    });
  });
});
