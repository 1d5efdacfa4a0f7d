/** Runs every example bot as a process of this machine against the fake Telegram. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { delimiter } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { eventually } from '../../test/kit/eventually.ts';
import { type FakeTelegram, startFakeTelegram } from '../../test/kit/fake-telegram/fake-telegram.ts';
import { standInFolders } from '../../test/kit/package-index/stand-in-wheels.ts';

const here = import.meta.dirname;
const token = '123456:secret-part-of-the-token';

// Not a version manager's wrapper first: those take half a second to start.
const python = ['/usr/bin/python3', 'python3', 'python'].find((name) => spawnSync(name, ['--version']).status === 0);
if (!python) console.warn('example bots in Python are skipped: there is no python3 on this machine');

interface Bot {
  readonly process: ChildProcess;
  /** Everything printed so far, both streams. */
  output(): string;
}

interface Example {
  readonly name: string;
  readonly command: readonly string[];
  /** What it says when Telegram does not know its token. */
  readonly unknownToken: string;
}

const examples: Example[] = [
  { name: 'echo_bot.mjs', command: [process.execPath, 'echo_bot.mjs'], unknownToken: 'does not know this BOT_TOKEN' },
  ...(python
    ? [
        {
          name: 'echo_bot_stdlib.py',
          command: [python, 'echo_bot_stdlib.py'],
          unknownToken: 'does not know this BOT_TOKEN',
        },
        { name: 'echo_bot.py', command: [python, 'echo_bot.py'], unknownToken: 'TelegramUnauthorizedError' },
        {
          name: 'multi_file_bot',
          command: [python, 'multi_file_bot/bot.py'],
          unknownToken: 'TelegramUnauthorizedError',
        },
      ]
    : []),
];

describe.each(examples)('$name', ({ command, unknownToken }) => {
  let telegram: FakeTelegram;
  let bots: Bot[] = [];

  beforeEach(async () => {
    telegram = await startFakeTelegram({ host: '127.0.0.1', tokens: [token] });
  });
  afterEach(async () => {
    for (const { process } of bots) {
      if (process.exitCode !== null || process.signalCode !== null) continue;
      const exit = once(process, 'exit');
      process.kill('SIGKILL');
      await exit;
    }
    bots = [];
    await telegram.close();
  });

  function start(env: Record<string, string> = { BOT_TOKEN: token }): Bot {
    const [program = '', ...args] = command;
    const child = spawn(program, args, {
      cwd: here,
      env: {
        PATH: process.env['PATH'],
        PYTHONPATH: standInFolders.join(delimiter),
        PYTHONDONTWRITEBYTECODE: '1',
        TELEGRAM_API_BASE: telegram.url,
        ...env,
      },
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        output += text;
      });
    }
    const bot = { process: child, output: () => output };
    bots.push(bot);
    return bot;
  }

  const untilOutput = (bot: Bot, text: string) => eventually(`it prints ${text}`, bot.output, (o) => o.includes(text));

  async function exitOf(bot: Bot): Promise<{ code: number | null; tookMs: number }> {
    const began = performance.now();
    const state = await eventually(
      'the bot has ended',
      () => ({ code: bot.process.exitCode, signal: bot.process.signalCode, output: bot.output() }),
      (seen) => seen.code !== null || seen.signal !== null,
      { timeoutMs: 10_000 },
    );
    return { code: state.code, tookMs: performance.now() - began };
  }

  it('says when it polls, echoes, and prints one line for each message', async () => {
    const bot = start();
    const chat = telegram.chat(token);
    await untilOutput(bot, 'Run polling for bot @test_123456_bot');
    chat.say('hello');
    expect((await chat.answer(5000)).text).toBe('Echo: hello');
    chat.say('привет 🙂');
    expect((await chat.answer(5000)).text).toBe('Echo: привет 🙂');
    await untilOutput(bot, 'Answered Ann: привет');
    expect(bot.output().match(/hello/g)).toHaveLength(1);
    expect(telegram.stats(token).conflicts).toBe(0);
    expect(bot.output()).not.toContain('secret-part');
  });

  it('ends at once with code 0 when it is told to by SIGTERM in the middle of a poll', async () => {
    const bot = start();
    await eventually(
      'it polls',
      () => ({ ...telegram.stats(token), output: bot.output() }),
      (s) => s.polling,
    );
    bot.process.kill('SIGTERM');
    const { code, tookMs } = await exitOf(bot);
    expect(code).toBe(0);
    expect(tookMs).toBeLessThan(2000);
  });

  it('ends with code 1 and says why when Telegram does not know its token', async () => {
    const bot = start({ BOT_TOKEN: '999999:unknown-part-of-the-token' });
    expect((await exitOf(bot)).code).toBe(1);
    expect(bot.output()).toContain(unknownToken);
    expect(bot.output()).not.toContain('unknown-part');
  });

  it('asks for BOT_TOKEN when there is none', async () => {
    const bot = start({});
    expect((await exitOf(bot)).code).toBe(1);
    expect(bot.output().trim()).toBe('Set BOT_TOKEN to the token that @BotFather gave you.');
  });

  it('goes on after another copy of it took its poll', async () => {
    const bot = start();
    await eventually(
      'it polls',
      () => telegram.stats(token),
      (s) => s.polling,
    );
    await fetch(`${telegram.url}/bot${token}/getUpdates`);
    await untilOutput(bot, 'Conflict');
    await eventually(
      'it polls again',
      () => telegram.stats(token),
      (s) => s.polling,
      { timeoutMs: 8000 },
    );
    const chat = telegram.chat(token);
    chat.say('still there?');
    expect((await chat.answer(5000)).text).toBe('Echo: still there?');
  });
});

describe.skipIf(!python)('multi_file_bot', () => {
  it('answers /start from its own file', async () => {
    const telegram = await startFakeTelegram({ host: '127.0.0.1', tokens: [token] });
    const bot = spawn(python ?? '', ['multi_file_bot/bot.py'], {
      cwd: here,
      stdio: 'ignore',
      env: {
        PYTHONPATH: standInFolders.join(delimiter),
        PYTHONDONTWRITEBYTECODE: '1',
        TELEGRAM_API_BASE: telegram.url,
        BOT_TOKEN: token,
      },
    });
    const exit = once(bot, 'exit');
    try {
      const chat = telegram.chat(token);
      chat.say('/start');
      expect((await chat.answer(5000)).text).toMatch(/^Hello!/);
    } finally {
      bot.kill('SIGKILL');
      await exit;
      await telegram.close();
    }
  });
});
