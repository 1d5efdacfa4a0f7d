/**
 * The quick start and the scenarios 1 to 6 of the testing guide once more, with tokens of a real form in place of
 * `your_token`: then the platform knows them for Telegram's, and lets one running bot have one. What that does to scenario
 * 6, which starts three bots with one token, is what docs/ru/06-scenarios.md says.
 */
import { readFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest';
import { checkoutPath } from '../../../scripts/process/checkout.ts';
import { usableDocker } from '../../kit/test-docker.ts';
import { type SeedPlatform, startSeedPlatform } from './seed-platform.ts';

const docker = inject('docker');
/** Several bots with aiogram are built in one test, on a machine with much else to do. */
const longMs = 480_000;

/** Tokens as @BotFather hands them out: nine digits, a colon, and 35 characters that begin with AA. */
const tokenOf = (n: number) => `${123_456_788 + n}:AA${`of-the_scenarios-${n}-`.padEnd(33, 'x')}`;
const tokens = [1, 2, 3, 4].map(tokenOf);
const [token = '', , third = '', fourth = ''] = tokens;

/** The command of the guide's scenario 1 that makes the bot: the original's, whose Telegram address is fixed, redirected. */
const makeTestBot = /^cat > \/tmp\/test_bot\.py << 'EOF'\n[\s\S]*?\nEOF$/m.exec(
  readFileSync(checkoutPath('docs/ru/06-scenarios.md'), 'utf8'),
)?.[0];

describe.skipIf('skip' in docker)('the scenarios with tokens of a real form', { timeout: longMs }, () => {
  let seed: SeedPlatform;
  beforeAll(async () => {
    seed = await startSeedPlatform(usableDocker(docker));
    for (const each of tokens) seed.telegram.addToken(each);
    expect(await seed.run(makeTestBot ?? 'false')).toMatchObject({ code: 0 });
  }, longMs);
  afterEach(() => seed.deleteAll(), longMs);
  afterAll(() => seed?.close(), longMs);

  /** What the bot of a token answers to a message. */
  const answerOf = async (to: string, text: string) => {
    const chat = seed.telegram.chat(to);
    chat.say(text);
    return (await chat.answer(60_000)).text;
  };
  const start = (bot: string, of: string, more = '') =>
    seed.run(`avtomatika-bot start ${bot} --simple /tmp/test_bot.py \\
  -r "aiogram>=3.0" \\
  -e BOT_TOKEN=${of}${more}`);
  /** The same for a bot that needs no package: where it is not the installing that is tried. */
  const startPlain = (bot: string, of: string) =>
    seed.run(`avtomatika-bot start ${bot} --simple examples/bots/echo_bot_stdlib.py -e BOT_TOKEN=${of}`);
  const running = async () => {
    const { data } = await seed.job({ action: 'list' });
    const bots: readonly { bot_id: string; status: string }[] = data.result.bots;
    return bots.filter(({ status }) => status === 'running').map(({ bot_id }) => bot_id);
  };

  it('are of the real form', () => {
    for (const each of tokens) expect(each).toMatch(/^\d{9}:AA[\w-]{33}$/);
  });

  it('the quick start: echo is started, answers, is listed, logged and stopped', async () => {
    const { code, stdout } = await seed.run(`avtomatika-bot start echo --simple examples/bots/echo_bot.py \\
  -r "aiogram>=3.0" -e BOT_TOKEN=${token}
avtomatika-bot list`);
    expect([code, stdout]).toEqual([0, expect.stringMatching(/echo is running\.[\s\S]*\(1\/3\)[\s\S]*echo +running/)]);
    expect(await answerOf(token, 'hello')).toBe('Echo: hello');
    await seed.untilLogged('echo', 'Run polling for bot');
    expect(await seed.run('avtomatika-bot stop echo')).toMatchObject({ code: 0 });
  });

  it('scenario 1: Simple mode - one file', async () => {
    expect(await start('test1', token)).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('test1 is running.'),
    });
    expect(await answerOf(token, 'one')).toBe('Echo: one');
    expect((await seed.run('avtomatika-bot status test1')).stdout).toMatch(/test1[\s\S]*running/);
    expect((await seed.run('avtomatika-bot logs test1')).stdout).toContain('start');
    expect(await seed.run('avtomatika-bot stop test1')).toMatchObject({ code: 0 });
    expect(await seed.platform.status('test1')).toMatchObject({ status: 'stopped' });
  });

  it('scenario 2: Simple mode - several files', async () => {
    const started = await seed.run(`avtomatika-bot start multi-bot \\
  --simple examples/bots/multi_file_bot/ \\
  --entrypoint bot.py \\
  -r "aiogram>=3.0" \\
  -e BOT_TOKEN=${token}`);
    expect(started).toMatchObject({ code: 0, stdout: expect.stringContaining('multi-bot is running.') });
    expect(await answerOf(token, 'from several files')).toContain('from several files');
    expect((await seed.run('avtomatika-bot list')).stdout).toMatch(/\(1\/3\)[\s\S]*multi-bot +running/);
  });

  it('scenario 3: Custom mode - directory with Dockerfile', async () => {
    const started = await seed.run(`avtomatika-bot start custom-bot \\
  --custom examples/bots/custom_bot/ \\
  -e BOT_TOKEN=${token}`);
    expect(started).toMatchObject({ code: 0, stdout: expect.stringContaining('custom-bot is running.') });
    expect(await answerOf(token, 'three small words')).toBe('Words: 3');
    expect((await seed.run('avtomatika-bot logs custom-bot -n 200')).stdout).toMatch(/Step \d+\/\d+ : /);
  });

  it('scenario 4: Custom mode - Git repository', async () => {
    await seed.git.commit('telegram-bot.git', 'main', {
      Dockerfile: 'FROM python:3.11-slim\nCOPY bot.py /bot.py\nCMD ["python", "-u", "/bot.py"]\n',
      'bot.py': readFileSync(checkoutPath('examples/bots/echo_bot_stdlib.py'), 'utf8'),
    });
    const started = await seed.run(`avtomatika-bot start git-bot \\
  --git https://github.com/user/telegram-bot.git \\
  --branch main \\
  -e BOT_TOKEN=${token}`);
    expect(started).toMatchObject({ code: 0, stdout: expect.stringContaining('git-bot is running.') });
    expect(await answerOf(token, 'from git')).toBe('Echo: from git');
  });

  it('scenario 5: Image mode - and a bot that has ended leaves its token to the next one', async () => {
    const started = await seed.run(`avtomatika-bot start image-bot \\
  --image python:3.11-slim \\
  -e BOT_TOKEN=${token}`);
    expect(started).toMatchObject({ code: 0, stdout: expect.stringContaining('image-bot ran and exited') });
    expect(await seed.platform.status('image-bot')).toMatchObject({ status: 'exited', exit_code: 0 });
    expect(await startPlain('next', token)).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('next is running.'),
    });
  });

  it('scenario 6 as it is written, three bots with one token: the first runs, each other is TOKEN_IN_USE, the quota is not reached', async () => {
    const three = await seed.run(`for i in 1 2 3; do
  avtomatika-bot start bot-$i --simple /tmp/test_bot.py \\
    -r "aiogram>=3.0" \\
    -e BOT_TOKEN=${token}
done`);
    expect(three.code).toBe(1);
    expect(three.stdout).toContain('bot-1 is running.');
    expect(three.stdout).not.toMatch(/bot-[23]/);
    expect(three.stderr.match(/Error TOKEN_IN_USE: .*bot-1/g)).toHaveLength(2);
    const last = await start('bot-4', token);
    expect(last).toMatchObject({ code: 1, stderr: expect.stringContaining('Error TOKEN_IN_USE') });
    expect(last.stderr).not.toContain('QUOTA_EXCEEDED');
    expect(last.stderr).toMatch(/Hint: .*takeover/);
    for (const end of [three, last]) expect(end.stdout + end.stderr).not.toContain(token);
    const list = await seed.run('avtomatika-bot list');
    expect(list.stdout).toContain('(1/3)');
    expect(list.stdout).not.toMatch(/bot-[234]/);
    // The one that runs is not disturbed by the refusals, and the token moves on --takeover.
    expect(await answerOf(token, 'still here')).toBe('Echo: still here');
    expect(await start('bot-2', token, ' --takeover')).toMatchObject({ code: 0 });
    expect(await running()).toEqual(['bot-2']);
    expect(await answerOf(token, 'moved')).toBe('Echo: moved');
    expect(seed.telegram.stats(token).conflicts).toBe(0);
  });

  it('scenario 6 with a token for each bot: three run, and the fourth is QUOTA_EXCEEDED', async () => {
    for (const [at, each] of tokens.slice(0, 3).entries()) {
      expect(await startPlain(`bot-${at + 1}`, each)).toMatchObject({ code: 0 });
      expect(await answerOf(each, `hello ${at}`)).toBe(`Echo: hello ${at}`);
    }
    expect(await startPlain('bot-4', fourth)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('QUOTA_EXCEEDED'),
    });
    // Both are in the way; a free token would not help, so the quota is named.
    expect(await startPlain('bot-4', third)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('QUOTA_EXCEEDED'),
    });
    expect((await seed.run('avtomatika-bot list')).stdout).toContain('(3/3)');
    expect(await seed.run('avtomatika-bot stop bot-3')).toMatchObject({ code: 0 });
    expect(await startPlain('bot-4', third)).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('bot-4 is running.'),
    });
    const stopped = await seed.run(`for i in 1 2 3; do
  avtomatika-bot stop bot-$i
done`);
    expect(stopped).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/bot-1 is stopped[\s\S]*bot-3 is stopped/),
    });
  });
});
