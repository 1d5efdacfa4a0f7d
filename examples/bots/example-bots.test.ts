/** Runs every example bot without the platform, as a process of this machine, against the fake Telegram. */
import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { eventually } from '../../test/kit/eventually.ts';
import { exampleBots, examplesFolder } from '../../test/kit/example-bots.ts';
import { type FakeTelegram, startFakeTelegram } from '../../test/kit/fake-telegram/fake-telegram.ts';
import {
  aiogram as aiogramLibrary,
  pyTelegramBotApi,
  pythonTelegramBot,
} from '../../test/kit/package-index/bot-libraries.ts';
import { npmPackages } from '../../test/kit/package-index/npm-packages.ts';
import { startNpmRegistry } from '../../test/kit/package-index/npm-registry.ts';

const token = '123456:secret-part-of-the-token';

// Not a version manager's wrapper first: those take half a second to start.
const python = ['/usr/bin/python3', 'python3', 'python'].find((name) => spawnSync(name, ['--version']).status === 0);
if (!python) console.warn('example bots in Python are skipped: there is no python3 on this machine');

interface Bot {
  readonly process: ChildProcess;
  /** Everything printed so far, both streams. */
  output(): string;
}

interface Expected {
  /** What it says when Telegram does not know its token. */
  readonly unknownToken: string;
  readonly answer: (text: string) => string;
  /** Gets it the packages it needs, below `root`; returns import folders for Python. */
  readonly install?: (root: string) => Promise<readonly string[]>;
}

const echo = (text: string): string => `Echo: ${text}`;
const plain: Expected = { unknownToken: 'does not know this BOT_TOKEN', answer: echo };
const aiogram: Expected = {
  unknownToken: 'TelegramUnauthorizedError',
  answer: echo,
  install: async () => (await aiogramLibrary()).folders,
};

/** Every bot of the folder by name: a new one without a line here fails. */
const expected: Readonly<Record<string, Expected>> = {
  custom_bot: { ...plain, answer: (text) => `Words: ${text.split(' ').length}` },
  'echo_bot.mjs': plain,
  'echo_bot.py': aiogram,
  'echo_bot_ptb.py': { ...plain, install: async () => (await pythonTelegramBot()).folders },
  'echo_bot_stdlib.py': plain,
  'echo_bot_telebot.py': { ...plain, install: async () => (await pyTelegramBotApi()).folders },
  grammy_bot: { ...plain, install: installNpm('grammy_bot', 'grammy@^1.30') },
  multi_file_bot: aiogram,
  telegraf_bot: { ...plain, install: installNpm('telegraf_bot', 'telegraf@^4.16') },
};

function installNpm(folder: string, requirement: string): (root: string) => Promise<readonly string[]> {
  return async (root) => {
    const registry = await startNpmRegistry('127.0.0.1', await npmPackages(requirement));
    try {
      const args = ['install', '--no-audit', '--no-fund', '--prefix', `examples/bots/${folder}`];
      const env = { ...process.env, NPM_CONFIG_REGISTRY: registry.url, npm_config_cache: join(root, 'npm-cache') };
      await promisify(execFile)('npm', args, { cwd: root, env, timeout: 60_000 });
    } finally {
      await registry.close();
    }
    return [];
  };
}

const examples = exampleBots();

it('every bot of examples/bots is run here', () => {
  expect(examples.map(({ name }) => name).toSorted()).toEqual(Object.keys(expected).toSorted());
});

describe.each(examples)('$name', ({ name, language, file }) => {
  const { unknownToken, answer, install } = expected[name] ?? plain;
  // A copy: what is installed for it and what Python compiles is not left in the checkout.
  let root = '';
  let importFolders: readonly string[] = [];
  let skipReason = python || language === 'node' ? '' : 'there is no python3 on this machine';
  let telegram: FakeTelegram;
  let bots: Bot[] = [];

  beforeAll(async () => {
    root = mkdtempSync(join(tmpdir(), 'example-bot-'));
    cpSync(examplesFolder, join(root, 'examples/bots'), { recursive: true });
    if (skipReason !== '' || !install) return;
    importFolders = await install(root).catch((error: unknown) => {
      skipReason = `its library is not to be had: ${error instanceof Error ? error.message : String(error)}`;
      return [];
    });
  }, 120_000);
  afterAll(() => rmSync(root, { recursive: true }));
  beforeEach(async ({ skip }) => {
    if (skipReason !== '') return skip(skipReason);
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
    await telegram?.close();
  });

  function start(env: Record<string, string> = { BOT_TOKEN: token }): Bot {
    const program = language === 'python' ? (python ?? '') : process.execPath;
    const child = spawn(program, [file], {
      cwd: root,
      env: {
        PATH: process.env['PATH'],
        PYTHONPATH: importFolders.join(delimiter),
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

  const untilOutput = (bot: Bot, text: string) =>
    eventually(`it prints ${text}`, bot.output, (o) => o.includes(text), { timeoutMs: 20_000 });

  async function exitOf(bot: Bot): Promise<{ code: number | null; tookMs: number }> {
    const began = performance.now();
    const state = await eventually(
      'the bot has ended',
      () => ({ code: bot.process.exitCode, signal: bot.process.signalCode, output: bot.output() }),
      (seen) => seen.code !== null || seen.signal !== null,
      { timeoutMs: 20_000 },
    );
    return { code: state.code, tookMs: performance.now() - began };
  }

  it('says when it polls, answers, and prints one line for each message', async () => {
    const bot = start();
    const chat = telegram.chat(token);
    await untilOutput(bot, 'Run polling for bot @test_123456_bot');
    chat.say('hello');
    expect((await chat.answer(20_000)).text).toBe(answer('hello'));
    chat.say('привет 🙂');
    expect((await chat.answer(20_000)).text).toBe(answer('привет 🙂'));
    const answered = await eventually(
      'it prints both',
      () => bot.output().match(/^Answered Ann: .*$/gm) ?? [],
      ({ length }) => length >= 2,
    );
    expect(answered).toHaveLength(2);
    expect(telegram.stats(token).conflicts).toBe(0);
    expect(bot.output()).not.toContain('secret-part');
  });

  it('ends at once with code 0 on SIGTERM in the middle of a poll', async () => {
    const bot = start();
    await eventually(
      'it polls',
      () => ({ ...telegram.stats(token), output: bot.output() }),
      (s) => s.polling,
      { timeoutMs: 20_000 },
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

  it('continues after another copy of it took its poll', async () => {
    const bot = start();
    await eventually(
      'it polls',
      () => telegram.stats(token),
      (s) => s.polling,
      { timeoutMs: 20_000 },
    );
    await fetch(`${telegram.url}/bot${token}/getUpdates`);
    await untilOutput(bot, 'Conflict');
    await eventually(
      'it polls again',
      () => telegram.stats(token),
      (s) => s.polling,
      { timeoutMs: 20_000 },
    );
    const chat = telegram.chat(token);
    chat.say('still there?');
    expect((await chat.answer(20_000)).text).toBe(answer('still there?'));
  });
});

describe.skipIf(!python)('multi_file_bot', () => {
  it('answers /start from its own file', async () => {
    const telegram = await startFakeTelegram({ host: '127.0.0.1', tokens: [token] });
    const bot = spawn(python ?? '', ['bot.py'], {
      cwd: join(examplesFolder, 'multi_file_bot'),
      stdio: 'ignore',
      env: {
        PYTHONPATH: (await aiogramLibrary()).folders.join(delimiter),
        PYTHONDONTWRITEBYTECODE: '1',
        TELEGRAM_API_BASE: telegram.url,
        BOT_TOKEN: token,
      },
    });
    const exit = once(bot, 'exit');
    try {
      const chat = telegram.chat(token);
      chat.say('/start');
      expect((await chat.answer(20_000)).text).toMatch(/^Hello!/);
    } finally {
      bot.kill('SIGKILL');
      await exit;
      await telegram.close();
    }
  });
});
