/**
 * The commands of the testing guide on a real engine, word for word: chapters 3, 5.2 and 6 and its quick start. `your_token`
 * is what the guide writes; it is no Telegram token, so the bots that get it end and say so, which status and logs show.
 * Chapter 5.3 is the first test of ../docker.test.ts, with a token that the fake Telegram knows.
 */
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest';
import { usableDocker } from '../../kit/test-docker.ts';
import { type SeedPlatform, startSeedPlatform } from './seed-platform.ts';

const docker = inject('docker');
const longMs = 240_000;

/** The command of scenario 1 that makes the bot, which scenario 6 uses too. */
const makeTestBot = `cat > /tmp/test_bot.py << 'EOF'
import os
import asyncio
from aiogram import Bot, Dispatcher, types

bot = Bot(token=os.environ["BOT_TOKEN"])
dp = Dispatcher()

@dp.message()
async def echo(m: types.Message):
    await m.answer(f"Echo: {m.text}")

asyncio.run(dp.start_polling(bot))
EOF`;

describe.skipIf('skip' in docker)('the testing guide', { timeout: longMs }, () => {
  let seed: SeedPlatform;
  beforeAll(async () => {
    seed = await startSeedPlatform(usableDocker(docker));
  }, longMs);
  afterEach(() => seed.deleteAll(), longMs);
  afterAll(() => seed?.close(), longMs);

  it('chapter 3: avtomatika-bot --help lists the commands', async () => {
    const { code, stdout } = await seed.run('avtomatika-bot --help');
    expect(code).toBe(0);
    for (const command of ['start', 'stop', 'logs', 'list', 'status']) expect(stdout).toContain(`  ${command} `);
  });

  it('chapter 5.2: GET /health answers {"status": "ok"}', async () => {
    const { code, stdout } = await seed.run('curl http://localhost:8000/health');
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toEqual({ status: 'ok' });
  });

  it('the quick start: echo is started, listed, logged and stopped', async () => {
    const { stdout, stderr } = await seed.run(`export AVTOMATIKA_TOKEN=test-client-token
avtomatika-bot start echo --simple examples/bots/echo_bot.py \\
  -r "aiogram>=3.0" -e BOT_TOKEN=your_token
avtomatika-bot list
avtomatika-bot logs echo
avtomatika-bot stop echo || exit 1`);
    expect(stdout).toMatch(
      /echo started, but exited[\s\S]*echo +crash_loop[\s\S]*Token is invalid![\s\S]*echo is stopped/,
    );
    expect(stderr).not.toContain('Error');
  });

  it('scenario 1: Simple mode - one file', async () => {
    expect(await seed.run(makeTestBot)).toMatchObject({ code: 0 });
    const started = await seed.run(`avtomatika-bot start test1 --simple /tmp/test_bot.py \\
  -r "aiogram>=3.0" \\
  -e BOT_TOKEN=your_token`);
    expect(started).toMatchObject({ code: 3, stderr: expect.stringMatching(/Successfully installed .*aiogram-3/) });
    const status = await seed.run('avtomatika-bot status test1');
    expect(status.stdout).toMatch(/test1[\s\S]*crash_loop/);
    const logs = await seed.run('avtomatika-bot logs test1');
    expect(logs).toMatchObject({ code: 0, stdout: expect.stringContaining('Token is invalid!') });
    // The traceback names the user's own line.
    expect(logs.stdout).toMatch(/Traceback[\s\S]*bot = Bot\(token=os\.environ\["BOT_TOKEN"\]\)/);
    expect(await seed.run('avtomatika-bot stop test1')).toMatchObject({ code: 0 });
    expect(await seed.platform.status('test1')).toMatchObject({ status: 'stopped' });
  });

  it('scenario 2: Simple mode - several files', async () => {
    const started = await seed.run(`avtomatika-bot start multi-bot \\
  --simple examples/bots/multi_file_bot/ \\
  --entrypoint bot.py \\
  -r "aiogram>=3.0" \\
  -e BOT_TOKEN=your_token`);
    expect(started.code).toBe(3);
    // It got past its imports from the folder handlers/, to the token.
    expect(started.stdout).toContain('Token is invalid!');
    const list = await seed.run('avtomatika-bot list');
    expect(list).toMatchObject({ code: 0, stdout: expect.stringMatching(/\(1\/3\)[\s\S]*multi-bot/) });
  });

  it('scenario 3: Custom mode - directory with Dockerfile', async () => {
    const started = await seed.run(`avtomatika-bot start custom-bot \\
  --custom examples/bots/custom_bot/ \\
  -e BOT_TOKEN=your_token`);
    // The fake Telegram does not know your_token either, and the bot ends by that.
    expect(started).toMatchObject({
      code: 3,
      stdout: expect.stringContaining('Telegram does not know this BOT_TOKEN'),
    });
    const logs = await seed.run('avtomatika-bot logs custom-bot -n 200');
    // The step says so itself, unless the engine has its layer already.
    expect(logs.stdout).toMatch(
      /Step \d+\/\d+ : RUN python -c .*\n(\[build\] )?(built with Python 3\.| ---> Using cache)/,
    );
  });

  it('scenario 4: Custom mode - Git repository', async () => {
    await seed.git.commit('telegram-bot.git', 'main', {
      Dockerfile: 'FROM python:3.11-slim\nCOPY bot.py /bot.py\nCMD ["python", "-u", "/bot.py"]\n',
      'bot.py': 'import os, time\nprint("from git with", os.environ["BOT_TOKEN"])\ntime.sleep(600)\n',
    });
    const started = await seed.run(`avtomatika-bot start git-bot \\
  --git https://github.com/user/telegram-bot.git \\
  --branch main \\
  -e BOT_TOKEN=your_token`);
    expect(started).toMatchObject({ code: 0, stdout: expect.stringContaining('git-bot is running.') });
    // your_token stands under a name that secrets have, so the log does not show it.
    await seed.untilLogged('git-bot', 'from git with [masked]');
  });

  it('scenario 5: Image mode', async () => {
    const started = await seed.run(`avtomatika-bot start image-bot \\
  --image python:3.11-slim \\
  -e BOT_TOKEN=your_token`);
    // Python without a terminal has nothing to run: it ends at once, which is not a failure.
    expect(started).toMatchObject({ code: 0, stdout: expect.stringContaining('image-bot ran and exited') });
    expect(await seed.platform.status('image-bot')).toMatchObject({ status: 'exited', exit_code: 0, restarts: 0 });
  });

  it('scenario 6: Limits - the fourth bot is QUOTA_EXCEEDED', async () => {
    await seed.run(makeTestBot);
    const three = await seed.run(`for i in 1 2 3; do
  avtomatika-bot start bot-$i --simple /tmp/test_bot.py \\
    -r "aiogram>=3.0" \\
    -e BOT_TOKEN=your_token
done`);
    // Three that import aiogram again and again: on a busy machine the last one is still at it when its start has been watched.
    expect(three.stdout.match(/bot-\d(?= started| is running)/g)).toEqual(['bot-1', 'bot-2', 'bot-3']);
    const fourth = await seed.run(`avtomatika-bot start bot-4 --simple /tmp/test_bot.py \\
  -r "aiogram>=3.0" \\
  -e BOT_TOKEN=your_token`);
    expect(fourth).toMatchObject({ code: 1, stderr: expect.stringContaining('QUOTA_EXCEEDED') });
    expect(fourth.stderr).toMatch(/Hint: .+/);
    const list = await seed.run('avtomatika-bot list');
    expect(list.stdout).toContain('(3/3)');
    expect(list.stdout.match(/^\W*bot-\d/gm)).toHaveLength(3);
    const stopped = await seed.run(`for i in 1 2 3; do
  avtomatika-bot stop bot-$i
done`);
    expect(stopped).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/bot-1 is stopped[\s\S]*bot-3 is stopped/),
    });
  });

  it('scenario 7: Validation errors - deployment_mode is missing', async () => {
    const { code, stdout } = await seed.run(`curl -X POST http://localhost:8000/jobs \\
  -H "Authorization: Bearer test-client-token" \\
  -H "Content-Type: application/json" \\
  -d '{"blueprint": "bot_runner", "data": {"action": "start", "bot_id": "test"}}'`);
    expect(code).toBe(0);
    const { error } = JSON.parse(stdout);
    expect(error.code).toBe('MISSING_REQUIRED_FIELD');
    expect(error.message).toContain('deployment_mode');
    expect(error.hint).not.toBe('');
    expect(error.example).toMatchObject({ data: { action: 'start', deployment_mode: 'simple' } });
  });

  it('scenario 7: Validation errors - bot_id of a wrong format', async () => {
    const { code, stdout } = await seed.run(`curl -X POST http://localhost:8000/jobs \\
  -H "Authorization: Bearer test-client-token" \\
  -H "Content-Type: application/json" \\
  -d '{"blueprint": "bot_runner", "data": {"action": "start", "bot_id": "тест бот!", "deployment_mode": "simple"}}'`);
    expect(code).toBe(0);
    expect(JSON.parse(stdout).error).toMatchObject({ code: 'INVALID_BOT_ID', hint: expect.stringMatching(/./) });
  });
});
