/** The main job on a real Docker engine, through the real programs and the real CLI. */
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { eventually } from '../kit/eventually.ts';
import { type FakeTelegram, startFakeTelegram } from '../kit/fake-telegram/fake-telegram.ts';
import type { JsonBody } from '../kit/orchestrator-for-tests.ts';
import { deleteBot, startTestPlatform, type TestPlatform } from '../kit/platform-for-tests.ts';
import { usableDocker } from '../kit/test-docker.ts';

const docker = inject('docker');
const token = '424242:e2e-token-of-the-echo-bot-AAAAAAAA';
const canary = 'canary-secret-4f0c1f6a9e';
const longMs = 120_000;

/** GET on the engine, outside of everything under test. */
function engine(host: string, path: string): Promise<JsonBody> {
  return new Promise((resolve, reject) => {
    http
      .get({ socketPath: host.replace('unix://', ''), path }, (response) => {
        let body = '';
        response.setEncoding('utf8').on('data', (text: string) => {
          body += text;
        });
        response.on('end', () => resolve(JSON.parse(body)));
      })
      .on('error', reject);
  });
}

/** Every file below a folder that holds the text. */
function filesHolding(dir: string, text: string): string[] {
  return readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => readFileSync(path).includes(text));
}

describe.skipIf('skip' in docker)('bots on Docker', () => {
  let platform: TestPlatform;
  let telegram: FakeTelegram;
  let host: string;
  let files: string;

  beforeAll(async () => {
    const usable = usableDocker(docker);
    host = usable.host;
    telegram = await startFakeTelegram({ host: usable.hostAddress, tokens: [token] });
    platform = await startTestPlatform({
      RUNTIME: 'docker',
      DOCKER_HOST: host,
      PIP_INDEX_URL: usable.pipIndexUrl,
      TELEGRAM_API_BASE: telegram.url,
      MAX_BOTS_PER_USER: '20',
    });
    files = mkdtempSync(join(tmpdir(), 'bots-'));
  }, longMs);
  afterAll(async () => {
    await platform?.[Symbol.asyncDispose]();
    await telegram?.close();
    if (files) rmSync(files, { recursive: true });
  }, longMs);

  const bot = (name: string, text: string): string => {
    writeFileSync(join(files, name), text);
    return join(files, name);
  };
  const forever = 'import time, os\nprint("up", flush=True)\nwhile True: time.sleep(60)\n';
  const containerOf = async (name: string) => (await platform.status(name)).container_id as string;

  it('a start with requirements builds, runs, answers, is listed, logged and stopped', {
    timeout: longMs,
  }, async () => {
    const started = await platform.cli([
      'start',
      'echo-bot',
      '--simple',
      'examples/bots/echo_bot.py',
      '-r',
      'aiogram>=3.0',
      '-e',
      `BOT_TOKEN=${token}`,
    ]);
    expect(started).toMatchObject({ code: 0, stdout: expect.stringContaining('echo-bot is running.') });
    expect(started.stderr).toMatch(/Successfully installed .*aiogram-3/);
    const chat = telegram.chat(token);
    chat.say('hello');
    expect((await chat.answer(20_000)).text).toBe('Echo: hello');
    expect((await platform.cli(['list'])).stdout).toMatch(/echo-bot +running/);
    expect((await platform.cli(['status', 'echo-bot'])).stdout).toContain('running');
    const logs = await eventually(
      'the log has the answer',
      () => platform.cli(['logs', 'echo-bot', '-n', '50']),
      ({ stdout }) => stdout.includes('hello'),
    );
    expect(logs.stdout).toContain('Run polling for bot');
    const containerId = await containerOf('echo-bot');
    expect(await platform.cli(['stop', 'echo-bot'])).toMatchObject({ code: 0 });
    expect(await engine(host, `/containers/${containerId}/json`)).toMatchObject({
      message: expect.stringContaining('No such container'),
    });
    expect(await platform.status('echo-bot')).toMatchObject({ status: 'stopped' });
    expect((await platform.cli(['logs', 'echo-bot', '-n', '50'])).stdout).toContain('Run polling for bot');
    await deleteBot(platform, 'echo-bot');
  });

  it('a container is bounded, unprivileged and signed, and no secret of its bot is on any disk of ours', {
    timeout: longMs,
  }, async () => {
    const secretBot = bot(
      'secret_bot.py',
      `import os\nprint("my secret is", os.environ["MY_SECRET"], flush=True)\n${forever}`,
    );
    await platform.cli(['start', 'hardened', '--simple', secretBot, '-e', `MY_SECRET=${canary}`]);
    const inspect = await engine(host, `/containers/${await containerOf('hardened')}/json`);
    expect(inspect.HostConfig).toMatchObject({
      Memory: 256 * 1024 * 1024,
      MemorySwap: 256 * 1024 * 1024,
      NanoCpus: 500_000_000,
      PidsLimit: 128,
      CapDrop: ['ALL'],
      SecurityOpt: ['no-new-privileges:true'],
      Init: true,
      Privileged: false,
      RestartPolicy: { Name: 'no' },
      LogConfig: { Type: 'json-file', Config: { 'max-size': '10m', 'max-file': '3' } },
      NetworkMode: expect.stringMatching(/^bot_runner_network_dev_[a-z2-7]{8}$/),
    });
    expect(inspect.HostConfig.CapAdd ?? []).toEqual([]);
    expect(inspect.HostConfig.Binds ?? []).toEqual([]);
    expect(inspect.Config.User).toMatch(/^10001/);
    expect(inspect.Config.Labels).toMatchObject({
      bot_runner: 'true',
      user_id: 'dev',
      bot_id: 'hardened',
      generation: '1',
      epoch: '1',
      sig: expect.any(String),
    });
    expect(JSON.stringify(inspect.Config.Labels)).not.toContain(canary);
    const network = await engine(host, `/networks/${inspect.HostConfig.NetworkMode}`);
    expect(network.Options).toMatchObject({ 'com.docker.network.bridge.enable_icc': 'false' });
    const history = await engine(host, `/images/${encodeURIComponent(inspect.Config.Image)}/history`);
    expect(JSON.stringify(history)).not.toContain(canary);
    const seen = await eventually(
      'the bot has printed',
      () => platform.cli(['logs', 'hardened']),
      ({ stdout }) => stdout.includes('my secret is'),
    );
    expect(seen.stdout).not.toContain(canary);
    expect(filesHolding(platform.dir, canary)).toEqual([]);
    await deleteBot(platform, 'hardened');
  });

  it('a directory keeps its folders, its binary files and its inert Dockerfile', { timeout: longMs }, async () => {
    const dir = join(files, 'project');
    mkdirSync(join(dir, 'sub'), { recursive: true });
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, n) => n));
    writeFileSync(join(dir, 'data.bin'), bytes);
    writeFileSync(join(dir, 'Dockerfile'), 'FROM nothing\nRUN false\n');
    writeFileSync(join(dir, 'sub', 'part.py'), 'NAME = "part"\n');
    writeFileSync(
      join(dir, 'bot.py'),
      `import hashlib, os\nfrom sub.part import NAME\nprint(NAME, hashlib.sha256(open("data.bin","rb").read()).hexdigest(), os.path.exists("Dockerfile"), os.getcwd(), flush=True)\n${forever}`,
    );
    const sum = createHash('sha256').update(bytes).digest('hex');
    expect(await platform.cli(['start', 'project', '--simple', dir])).toMatchObject({ code: 0 });
    await eventually(
      'it prints what it sees',
      () => platform.cli(['logs', 'project']),
      ({ stdout }) => stdout.includes(`part ${sum} True /app`),
    );
    await deleteBot(platform, 'project');
  });

  it('a bot that fails at once ends the start with code 3 and its traceback', { timeout: longMs }, async () => {
    const crashing = await platform.cli([
      'start',
      'crash',
      '--simple',
      bot('crash.py', 'raise RuntimeError("on purpose")\n'),
    ]);
    expect(crashing.code).toBe(3);
    expect(crashing.stdout + crashing.stderr).toContain('RuntimeError: on purpose');
    const status = await eventually(
      'it is started again',
      () => platform.status('crash'),
      ({ restarts }) => restarts >= 1,
      { timeoutMs: 20_000 },
    );
    expect(status.exit_code).toBe(1);
    await deleteBot(platform, 'crash');
    expect((await platform.cli(['status', 'crash'])).code).toBe(1);
  });

  it('a bot that ends with 0 is exited and is not started again', { timeout: longMs }, async () => {
    expect((await platform.cli(['start', 'brief', '--simple', bot('brief.py', 'print("bye")\n')])).code).toBe(0);
    expect(await platform.status('brief')).toMatchObject({ status: 'exited', exit_code: 0, restarts: 0 });
    await deleteBot(platform, 'brief');
  });

  it('a build that fails tells why, leaves nothing behind, and leaves the old bot running', {
    timeout: longMs,
  }, async () => {
    const file = bot('old.py', forever);
    expect((await platform.cli(['start', 'keeps', '--simple', file])).code).toBe(0);
    const before = await containerOf('keeps');
    const failed = await platform.cli(['start', 'keeps', '--simple', file, '-r', 'no-such-package-anywhere']);
    expect(failed.code).toBe(1);
    expect(failed.stderr).toContain('BUILD_FAILED');
    expect(failed.stderr).toContain('no-such-package-anywhere');
    expect(await platform.status('keeps')).toMatchObject({ status: 'running', container_id: before });
    const never = await platform.cli(['start', 'never', '--simple', file, '-r', 'no-such-package-anywhere']);
    expect(never.code).toBe(1);
    expect(await platform.status('never')).toMatchObject({ status: 'failed' });
    const containers = await engine(host, '/containers/json?all=1');
    expect(containers).toHaveLength(1);
    await Promise.all([deleteBot(platform, 'keeps'), deleteBot(platform, 'never')]);
  });

  it('new code replaces the running container', { timeout: longMs }, async () => {
    expect(
      (await platform.cli(['start', 'v', '--simple', bot('v.py', `print("V1", flush=True)\n${forever}`)])).code,
    ).toBe(0);
    const first = await containerOf('v');
    const updated = await platform.cli(['start', 'v', '--simple', bot('v.py', `print("V2", flush=True)\n${forever}`)]);
    expect(updated.code).toBe(0);
    expect(await containerOf('v')).not.toBe(first);
    await eventually(
      'both versions are in the log',
      () => platform.cli(['logs', 'v']),
      ({ stdout }) => /V1[\s\S]*V2/.test(stdout),
    );
    await deleteBot(platform, 'v');
  });

  it('a running bot outlives kill -9 of the orchestrator and of the worker, in the same container', {
    timeout: longMs,
  }, async () => {
    const counting = 'import time\nn = 0\nwhile True:\n  n += 1\n  print("tick", n, flush=True)\n  time.sleep(0.05)\n';
    expect((await platform.cli(['start', 'survivor', '--simple', bot('count.py', counting)])).code).toBe(0);
    const before = await platform.status('survivor');
    const pidOf = async () => (await engine(host, `/containers/${before.container_id}/json`)).State.Pid as number;
    const pid = await pidOf();

    await platform.kill('orchestrator');
    await platform.start('orchestrator');
    const afterOne = await eventually(
      'it is listed again',
      () => platform.status('survivor'),
      ({ status }) => status === 'running',
      { timeoutMs: 20_000 },
    );
    expect(afterOne).toMatchObject({ container_id: before.container_id, started_at: before.started_at });

    await platform.kill('worker');
    // What it reported after the orchestrator had come back is no news of the new process.
    const observedBefore = (await platform.status('survivor')).observed_at as string;
    await platform.start('worker');
    const afterTwo = await eventually(
      'it is reported again',
      () => platform.status('survivor'),
      ({ status, observed_at }) => status === 'running' && observed_at > observedBefore,
      { timeoutMs: 20_000 },
    );
    expect(afterTwo).toMatchObject({ container_id: before.container_id, started_at: before.started_at, restarts: 0 });
    expect(await pidOf()).toBe(pid);

    // The log continues as if nothing had happened: no line twice, none missing.
    const { stdout } = await eventually(
      'its log can be read',
      () => platform.cli(['logs', 'survivor', '-n', '10000']),
      (logs) => logs.code === 0 && logs.stdout.includes('tick'),
      { timeoutMs: 20_000 },
    );
    const ticks = [...stdout.matchAll(/^tick (\d+)$/gm)].map((match) => Number(match[1]));
    expect(ticks.length).toBeGreaterThan(20);
    expect(ticks).toEqual(ticks.map((_, index) => (ticks[0] ?? 0) + index));
    expect(ticks[0]).toBe(1);
    await deleteBot(platform, 'survivor');
  });

  it('a start accepted before kill -9 of both is carried out after they are back', { timeout: longMs }, async () => {
    await platform.stop('worker');
    const response = await fetch(`${platform.url}/jobs`, {
      method: 'POST',
      headers: { authorization: 'Bearer test-client-token', 'content-type': 'application/json' },
      body: JSON.stringify({
        blueprint: 'bot_runner',
        data: { action: 'start', bot_id: 'kept', deployment_mode: 'simple', code: forever },
      }),
    });
    expect(response.status).toBe(202);
    await platform.kill('orchestrator');
    await platform.start('orchestrator');
    await platform.start('worker');
    await eventually(
      'the bot runs',
      () => platform.status('kept'),
      ({ status }) => status === 'running',
      { timeoutMs: 60_000 },
    );
    await deleteBot(platform, 'kept');
  });
});
