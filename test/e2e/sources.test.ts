/** Custom and image mode on a real Docker engine, through the real programs and their REST door. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { eventually } from '../kit/eventually.ts';
import { type FakeTelegram, startFakeTelegram } from '../kit/fake-telegram/fake-telegram.ts';
import type { JsonBody } from '../kit/orchestrator-for-tests.ts';
import { deleteBot, startTestPlatform, type TestPlatform } from '../kit/platform-for-tests.ts';
import { usableDocker } from '../kit/test-docker.ts';

const docker = inject('docker');
const token = '424243:e2e-token-of-the-custom-bot-AAAAAAAA';
const longMs = 120_000;
const headers = { authorization: 'Bearer test-client-token', 'content-type': 'application/json' };

describe.skipIf('skip' in docker)('other sources on Docker', () => {
  let platform: TestPlatform;
  let telegram: FakeTelegram;
  beforeAll(async () => {
    const { host, hostAddress } = usableDocker(docker);
    telegram = await startFakeTelegram({ host: hostAddress, tokens: [token] });
    platform = await startTestPlatform({ RUNTIME: 'docker', DOCKER_HOST: host, TELEGRAM_API_BASE: telegram.url });
  }, longMs);
  afterAll(async () => {
    await platform?.[Symbol.asyncDispose]();
    await telegram?.close();
  }, longMs);

  async function job(data: object): Promise<JsonBody> {
    const body = JSON.stringify({ blueprint: 'bot_runner', data });
    const response = await fetch(`${platform.url}/jobs`, { method: 'POST', headers, body });
    const accepted = (await response.json()) as JsonBody;
    expect({ status: response.status, accepted }).toMatchObject({ status: 202 });
    return eventually(
      'the job is final',
      async () => (await (await fetch(`${platform.url}/jobs/${accepted.job_id}`, { headers })).json()) as JsonBody,
      ({ status }) => status === 'completed' || status === 'failed',
      { timeoutMs: 60_000 },
    );
  }

  it('a directory with a Dockerfile, as an archive, is built and answers', { timeout: longMs }, async () => {
    const folder = join(import.meta.dirname, '../../examples/bots/custom_bot');
    const archive = execFileSync('tar', ['czf', '-', '-C', folder, '.']).toString('base64');
    const env_vars = { BOT_TOKEN: token };
    const started = await job({ action: 'start', bot_id: 'custom-bot', deployment_mode: 'custom', archive, env_vars });
    expect(started).toMatchObject({ status: 'completed', data: { result: { status: 'started' } } });
    const chat = telegram.chat(token);
    chat.say('three small words');
    expect((await chat.answer(20_000)).text).toBe('Words: 3');
    const log = await platform.cli(['logs', 'custom-bot', '-n', '200']);
    expect(log.stdout).toContain('built with Python');
    await deleteBot(platform, 'custom-bot');
  });

  it('a ready image that ends at once is exited', { timeout: longMs }, async () => {
    const image = { action: 'start', bot_id: 'image-bot', deployment_mode: 'image', docker_image: 'python:3.11-slim' };
    const started = await job(image);
    expect(started).toMatchObject({ status: 'completed', data: { result: { status: 'exited', exit_code: 0 } } });
    await deleteBot(platform, 'image-bot');
  });
});
