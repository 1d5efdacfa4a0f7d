/** What the platform knows of Telegram, on a real Docker engine against the fake Telegram, by the real programs and CLI. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { eventually } from '../kit/eventually.ts';
import { type FakeTelegram, startFakeTelegram } from '../kit/fake-telegram/fake-telegram.ts';
import type { JsonBody } from '../kit/orchestrator-for-tests.ts';
import { deleteBot, startTestPlatform, type TestPlatform } from '../kit/platform-for-tests.ts';
import { usableDocker } from '../kit/test-docker.ts';

const docker = inject('docker');
const longMs = 240_000;
const patient = { timeoutMs: 60_000 };

const tokenOf = (n: number) => `${700_000 + n}:AAtelegram-e2e-token-of-a-test-bot-${String(n).padStart(4, '0')}`;
const [shared, hooked, polled, rolled] = [tokenOf(1), tokenOf(2), tokenOf(3), tokenOf(4)];
const updated = [11, 12, 13, 14, 15].map(tokenOf);
const unknown = '799999:AAnobody-has-this-token-at-all-000000';

const echo = readFileSync(join(import.meta.dirname, '../../examples/bots/echo_bot_stdlib.py'), 'utf8');
/** The example bot, saying which version answers. */
const version = (name: string): string => {
  const code = echo.replace('f"Echo: {text}"', `f"${name}: {text}"`);
  if (code === echo) throw new Error('the example bot does not answer in the way this test knows');
  return code;
};

const untilPolling = (telegram: FakeTelegram, token: string) =>
  eventually(
    'the bot polls',
    () => telegram.stats(token),
    ({ polling }) => polling,
    patient,
  );

describe.skipIf('skip' in docker)('Telegram, on Docker', { timeout: longMs }, () => {
  let platform: TestPlatform;
  let telegram: FakeTelegram;
  let dir: string;

  beforeAll(async () => {
    const { host, hostAddress, pipIndexUrl } = usableDocker(docker);
    telegram = await startFakeTelegram({ host: hostAddress, tokens: [shared, hooked, polled, rolled, ...updated] });
    platform = await startTestPlatform({
      RUNTIME: 'docker',
      DOCKER_HOST: host,
      PIP_INDEX_URL: pipIndexUrl,
      TELEGRAM_API_BASE: telegram.url,
      MAX_BOTS_PER_USER: '20',
    });
    dir = mkdtempSync(join(tmpdir(), 'telegram-'));
  }, longMs);
  afterAll(async () => {
    await platform?.[Symbol.asyncDispose]();
    await telegram?.close();
    if (dir) rmSync(dir, { recursive: true });
  }, longMs);

  const file = (name: string, text: string): string => {
    writeFileSync(join(dir, name), text);
    return join(dir, name);
  };
  const bot = (text = echo) => file('bot.py', text);
  const api = async (token: string, method: string, params: object = {}): Promise<JsonBody> => {
    const response = await fetch(`${telegram.url}/bot${token}/${method}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(params),
    });
    return response.json();
  };
  const status = async (botId: string) => (await platform.cli(['status', botId])).stdout;

  it('a token that Telegram does not know fails the start, with the cure, before anything is built', async () => {
    const { code, stdout, stderr } = await platform.cli([
      ...['start', 'typo', '--simple', bot(), '-e', `BOT_TOKEN=${unknown}`],
    ]);
    expect({ code, stderr }).toMatchObject({
      code: 1,
      stderr: expect.stringContaining(
        'INVALID_TELEGRAM_TOKEN: Telegram does not recognise the bot token in BOT_TOKEN.',
      ),
    });
    expect(stderr).toContain('@BotFather');
    expect(stdout + stderr).not.toContain('Step ');
    const written = readdirSync(platform.dir)
      .filter((name) => name.endsWith('.log'))
      .map((name) => readFileSync(join(platform.dir, name), 'utf8'));
    expect([stdout, stderr, await status('typo'), ...written].join('')).not.toContain('AAnobody');
    await deleteBot(platform, 'typo');
  });

  it('a webhook that is still set fails the start, and the cure of the hint works', async () => {
    await api(hooked, 'setWebhook', { url: `https://hooks.example.org/${hooked}` });
    const words = ['start', 'hooked', '--simple', bot(), '-e', `BOT_TOKEN=${hooked}`];
    const { code, stdout, stderr } = await platform.cli(words);
    expect({ code, stderr }).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('CONFLICTING_WEBHOOK: A webhook at hooks.example.org is set'),
    });
    expect(stderr).toContain('deleteWebhook');
    expect(stdout + stderr).not.toContain(hooked);
    await api(hooked, 'deleteWebhook');
    expect(await platform.cli(words)).toMatchObject({ code: 0 });
    await untilPolling(telegram, hooked);
    await deleteBot(platform, 'hooked');
  });

  it('a token runs one bot at a time, across users, and moves with --takeover without a conflict', async () => {
    const newUser = async (user: string) => {
      const words = ['--token', 'test-admin-token', 'token', 'add', '--user', user, '--name', 'laptop'];
      const { stdout } = await platform.cli(words);
      return (...args: string[]) => platform.cli(['--token', stdout.trim(), ...args]);
    };
    const [ann, bob] = [await newUser('ann'), await newUser('bob')];
    const start = ['start', 'echo', '-e', `BOT_TOKEN=${shared}`, '--simple', bot()];
    expect(await ann(...start)).toMatchObject({ code: 0 });
    await untilPolling(telegram, shared);

    const refused = await bob(...start);
    expect(refused).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("TOKEN_IN_USE: Another user's bot is running with this Telegram token."),
    });
    expect(refused.stderr).toContain('--takeover');
    expect(refused.stderr).not.toContain('ann');
    expect((await bob('list')).stdout).toContain('No bots.');

    expect(await bob(...start, '--takeover')).toMatchObject({ code: 0 });
    expect(JSON.parse((await ann('status', 'echo', '--json')).stdout)).toMatchObject({ status: 'stopped' });
    await untilPolling(telegram, shared);
    telegram.chat(shared).say('who?');
    expect((await telegram.chat(shared).answer(20_000)).text).toBe('Echo: who?');
    expect(telegram.stats(shared).conflicts).toBe(0);
    expect(await ann(...start)).toMatchObject({ code: 1, stderr: expect.stringContaining('TOKEN_IN_USE') });
    for (const user of [ann, bob]) expect(await user('delete', 'echo', '-y')).toMatchObject({ code: 0 });
  });

  it('a 409 from outside of the platform is explained in status while the bot runs, and over after a restart', async () => {
    expect(await platform.cli(['start', 'polled', '--simple', bot(), '-e', `BOT_TOKEN=${polled}`])).toMatchObject({
      code: 0,
    });
    await untilPolling(telegram, polled);
    expect(await status('polled')).not.toContain('Diagnosis');
    const seen = await eventually(
      'status explains it',
      async () => {
        // Somebody's own copy of the bot, somewhere else.
        await api(polled, 'getUpdates', { timeout: 0 });
        return status('polled');
      },
      (text) => text.includes('Diagnosis'),
      patient,
    );
    expect(seen).toMatch(/State +running/);
    expect(seen).toMatch(
      /Diagnosis +Telegram answers 409 Conflict: another program is polling with the same bot token/,
    );
    expect(await platform.cli(['restart', 'polled'])).toMatchObject({ code: 0 });
    expect(await platform.status('polled')).toMatchObject({ status: 'running', diagnosis: null });
    await deleteBot(platform, 'polled');
  });

  it('what keeps a bot from starting is explained in status', async () => {
    const broken = {
      package: ['import aiogram\n', 'the module aiogram is missing: add aiogram to the requirements'],
      variable: ['import os\nos.environ["BOT_TOKEN"]\n', 'the environment variable BOT_TOKEN is missing'],
      syntax: ['if True\n', 'the code has a syntax error in bot.py, line 1'],
      folder: ['open("/root/bot.db", "w")\n', 'the bot cannot write to /root/bot.db'],
    } as const;
    await Promise.all(
      Object.entries(broken).map(async ([name, [code, explained]]) => {
        mkdirSync(join(dir, name));
        const path = file(`${name}/bot.py`, code);
        expect(await platform.cli(['start', name, '--simple', path])).toMatchObject({ code: 3 });
        expect(await status(name)).toContain(explained);
        await deleteBot(platform, name);
      }),
    );
  });

  it('an update that does not stay up makes way for the previous version, which answers again', async () => {
    const start = ['start', 'rolled', '--simple', bot(version('V1')), '-e', `BOT_TOKEN=${rolled}`];
    expect(await platform.cli(start)).toMatchObject({ code: 0 });
    await untilPolling(telegram, rolled);
    const update = await platform.cli(['update', 'rolled', '--simple', bot('raise RuntimeError("V2 is broken")\n')]);
    expect(update).toMatchObject({
      code: 1,
      stderr: expect.stringContaining(
        'UPDATE_ROLLED_BACK: The new version ended with exit code 1 right after its start; the previous one was started again. Its last line: RuntimeError: V2 is broken',
      ),
    });
    await eventually(
      'it runs',
      () => platform.status('rolled'),
      ({ status: seen, generation, revision }) => seen === 'running' && generation === 3 && revision === 1,
      patient,
    );
    await untilPolling(telegram, rolled);
    telegram.chat(rolled).say('who?');
    expect((await telegram.chat(rolled).answer(20_000)).text).toBe('V1: who?');
    expect(telegram.stats(rolled).conflicts).toBe(0);
    expect((await platform.cli(['logs', 'rolled'])).stdout).toContain('RuntimeError: V2 is broken');
    await deleteBot(platform, 'rolled');
  });

  it('10 updates of polling bots give no conflict', async () => {
    await updateOften(platform, telegram, updated.slice(0, 2), 5);
  });
});

describe('Telegram, with plain processes', { timeout: longMs }, () => {
  it('50 updates of polling bots give no conflict', async () => {
    await using telegram = await startFakeTelegram({ host: '127.0.0.1', tokens: updated }).then((fake) => ({
      fake,
      [Symbol.asyncDispose]: () => fake.close(),
    }));
    await using platform = await startTestPlatform({
      RUNTIME: 'process',
      TELEGRAM_API_BASE: telegram.fake.url,
      MAX_BOTS_PER_USER: '20',
    });
    await updateOften(platform, telegram.fake, updated, 10);
  });
});

/**
 * Updates one bot per token so often, each as soon as the version before polls, and asks the last version who it is. The
 * bots go side by side: each start is watched for two seconds.
 */
async function updateOften(
  platform: TestPlatform,
  telegram: FakeTelegram,
  tokens: readonly string[],
  rounds: number,
): Promise<void> {
  const headers = { authorization: 'Bearer test-client-token', 'content-type': 'application/json' };
  const run = async (data: object): Promise<JsonBody> => {
    const body = JSON.stringify({ blueprint: 'bot_runner', data });
    const response = await fetch(`${platform.url}/jobs`, { method: 'POST', headers, body });
    const { job_id, error } = (await response.json()) as JsonBody;
    if (error) throw new Error(JSON.stringify(error));
    const job = await eventually(
      'the job is final',
      async () => (await (await fetch(`${platform.url}/jobs/${job_id}`, { headers })).json()) as JsonBody,
      ({ status }) => ['completed', 'failed', 'cancelled'].includes(status),
      { timeoutMs: 120_000, everyMs: 100 },
    );
    return job.data;
  };
  const began = performance.now();
  await Promise.all(
    tokens.map(async (token, n) => {
      const common = { bot_id: `updated-${n}`, deployment_mode: 'simple' };
      await run({ action: 'start', ...common, code: version('V0'), env_vars: { BOT_TOKEN: token } });
      for (let round = 1; round <= rounds; round += 1) {
        await untilPolling(telegram, token);
        const done = await run({ action: 'update', ...common, code: version(`V${round}`) });
        expect(done).toMatchObject({ result: { status: 'updated' } });
      }
      await untilPolling(telegram, token);
      telegram.chat(token).say('who?');
      expect((await telegram.chat(token).answer(30_000)).text).toBe(`V${rounds}: who?`);
    }),
  );
  expect(tokens.map((token) => telegram.stats(token).conflicts)).toEqual(tokens.map(() => 0));
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  console.info(`${tokens.length * rounds} updates of ${tokens.length} polling bots took ${seconds} s: 0 conflicts`);
  await Promise.all(tokens.map((_, n) => deleteBot(platform, `updated-${n}`)));
}
