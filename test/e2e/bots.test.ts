/**
 * Every bot of examples/bots, deployed by the command that it names itself, with the libraries it asks for: the real
 * aiogram, python-telegram-bot, pyTelegramBotAPI, grammY and Telegraf where pip and npm reach an index. Each answers a person and ends cleanly.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it, type TestContext } from 'vitest';
import { eventually } from '../kit/eventually.ts';
import { type ExampleBot, exampleBots } from '../kit/example-bots.ts';
import { type FakeTelegram, startFakeTelegram } from '../kit/fake-telegram/fake-telegram.ts';
import { aiogram, type BotLibrary, pyTelegramBotApi, pythonTelegramBot } from '../kit/package-index/bot-libraries.ts';
import { npmPackages } from '../kit/package-index/npm-packages.ts';
import { startNpmRegistry } from '../kit/package-index/npm-registry.ts';
import { startPackageIndex } from '../kit/package-index/package-index.ts';
import { deleteBot, startTestPlatform, type TestPlatform } from '../kit/platform-for-tests.ts';
import { usableDocker } from '../kit/test-docker.ts';

const docker = inject('docker');
const longMs = 300_000;
type Skip = TestContext['skip'];

interface Expected {
  readonly answer: (text: string) => string;
  /** What the build's output has. */
  readonly installs?: RegExp;
}

const echo: Expected = { answer: (text) => `Echo: ${text}` };

/** Every bot of the folder by name: a new one without a line here fails. */
const expected: Readonly<Record<string, Expected>> = {
  custom_bot: { answer: (text) => `Words: ${text.split(' ').length}`, installs: /built with Python/ },
  'echo_bot.mjs': echo,
  'echo_bot.py': { ...echo, installs: /Successfully installed .*aiogram-3/ },
  'echo_bot_ptb.py': { ...echo, installs: /Successfully installed .*httpx-.*python-telegram-bot-21/ },
  'echo_bot_stdlib.py': echo,
  'echo_bot_telebot.py': { ...echo, installs: /Successfully installed .*pyTelegramBotAPI-4/i },
  grammy_bot: { ...echo, installs: /added \d+ packages/ },
  multi_file_bot: { ...echo, installs: /Successfully installed .*aiogram-3/ },
  telegraf_bot: { ...echo, installs: /added \d+ packages/ },
};

const examples = exampleBots();

it('every bot of examples/bots is deployed here', () => {
  expect(examples.map(({ name }) => name).toSorted()).toEqual(Object.keys(expected).toSorted());
});

const token = (example: ExampleBot): string => `5252${examples.indexOf(example)}:e2e-token-of-an-example-bot-AAAAAAAA`;

/** The programs, with everything that builds need, on one address. */
interface Stage extends AsyncDisposable {
  readonly platform: TestPlatform;
  readonly telegram: FakeTelegram;
  /** Libraries that this machine cannot get, by bot, and why. */
  readonly unavailable: ReadonlyMap<string, string>;
}

async function startStage(host: string, env: Readonly<Record<string, string>>): Promise<Stage> {
  const unavailable = new Map<string, string>();
  const ifAvailable = async <T>(bot: string, packages: Promise<readonly T[]>): Promise<readonly T[]> => {
    try {
      return await packages;
    } catch (error) {
      unavailable.set(bot, `its library is not to be had: ${error instanceof Error ? error.message : String(error)}`);
      return [];
    }
  };
  const wheelsOf = async (library: Promise<BotLibrary>) => (await library).wheels;
  const wheels = [
    ...(await wheelsOf(aiogram())),
    ...(await ifAvailable('echo_bot_ptb.py', wheelsOf(pythonTelegramBot()))),
    ...(await ifAvailable('echo_bot_telebot.py', wheelsOf(pyTelegramBotApi()))),
  ];
  const packages = [
    ...(await ifAvailable('grammy_bot', npmPackages('grammy@^1.30'))),
    ...(await ifAvailable('telegraf_bot', npmPackages('telegraf@^4.16'))),
  ];
  await using stack = new AsyncDisposableStack();
  const index = await startPackageIndex({ host, wheels: distinct(wheels, ({ fileName }) => fileName) });
  stack.defer(() => index.close());
  const registry = await startNpmRegistry(
    host,
    distinct(packages, (one) => `${one.name}@${one.version}`),
  );
  stack.defer(() => registry.close());
  const telegram = await startFakeTelegram({ host, tokens: examples.map(token) });
  stack.defer(() => telegram.close());
  const platform = stack.use(
    await startTestPlatform({
      ...env,
      PIP_INDEX_URL: index.url,
      NPM_CONFIG_REGISTRY: registry.url,
      TELEGRAM_API_BASE: telegram.url,
      MAX_BOTS_PER_USER: '20',
    }),
  );
  const kept = stack.move();
  return { platform, telegram, unavailable, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

/** Two libraries may need the same release of a third. */
const distinct = <T>(items: readonly T[], key: (item: T) => string): T[] => [
  ...new Map(items.map((item) => [key(item), item])).values(),
];

/** Deploys a bot, talks to it, and stops it. */
async function walkThrough({ platform, telegram, unavailable }: Stage, example: ExampleBot, skip: Skip): Promise<void> {
  const reason = unavailable.get(example.name);
  if (reason !== undefined) skip(reason);
  const { answer, installs = /./ } = expected[example.name] ?? echo;
  const botId = example.name.replaceAll(/\W/g, '-');
  const [action = '', , ...options] = example.deploy;
  const withToken = options.map((word) => word.replace('BOT_TOKEN=123:ABC', `BOT_TOKEN=${token(example)}`));
  const chat = telegram.chat(token(example));
  try {
    const started = await platform.cli([action, botId, ...withToken]);
    expect(started).toMatchObject({ code: 0, stdout: expect.stringContaining(`${botId} is running.`) });
    expect(started.stderr).toMatch(installs);
    chat.say('привет from a test');
    expect((await chat.answer(60_000)).text).toBe(answer('привет from a test'));
    await eventually(
      'it prints what it did',
      () => platform.cli(['logs', botId]),
      ({ stdout }) => stdout.includes('Run polling for bot @test_') && stdout.includes('Answered Ann: '),
      { timeoutMs: 60_000 },
    );
    // Asked now: at its end grammY polls once more, maybe before Telegram has seen the end of the poll before.
    expect(telegram.stats(token(example)).conflicts).toBe(0);
    expect(await platform.cli(['stop', botId])).toMatchObject({ code: 0 });
    expect(await platform.status(botId)).toMatchObject({ status: 'stopped', exit_code: 0, restarts: 0 });
    expect(telegram.stats(token(example)).polling).toBe(false);
  } finally {
    await deleteBot(platform, botId);
  }
}

describe.skipIf('skip' in docker)('example bots on Docker', () => {
  let stage: Stage;
  beforeAll(async () => {
    const { host, hostAddress } = usableDocker(docker);
    stage = await startStage(hostAddress, { RUNTIME: 'docker', DOCKER_HOST: host });
  }, longMs);
  afterAll(() => stage?.[Symbol.asyncDispose](), longMs);

  it.concurrent.for(examples)('$name', { timeout: longMs }, (example, { skip }) => walkThrough(stage, example, skip));

  it('a second deploy with the same package.json builds nothing; the code may be TypeScript', {
    timeout: longMs,
  }, async ({ skip }) => {
    const reason = stage.unavailable.get('grammy_bot');
    if (reason !== undefined) skip(reason);
    const dir = mkdtempSync(join(tmpdir(), 'node-bot-'));
    const deploy = async (version: number) => {
      const code = `import { Bot } from 'grammy';\nconst version: number = ${version};\nconsole.log(typeof Bot, version);\n`;
      writeFileSync(join(dir, 'bot.ts'), `${code}setInterval(() => {}, 1000);\n`);
      const begin = performance.now();
      const { code: exit, stderr } = await stage.platform.cli(['start', 'ts-bot', '--simple', dir]);
      expect({ exit, stderr }).toMatchObject({ exit: 0 });
      const { stdout } = await eventually(
        'it prints its version',
        () => stage.platform.cli(['logs', 'ts-bot']),
        (logs) => logs.stdout.includes(`function ${version}`),
        { timeoutMs: 60_000 },
      );
      return { stdout, stderr, seconds: ((performance.now() - begin) / 1000).toFixed(1) };
    };
    try {
      writeFileSync(join(dir, 'package.json'), '{"type":"module","dependencies":{"grammy":"^1.30"}}');
      const first = await deploy(1);
      expect(first.stderr).toMatch(/added \d+ packages/);
      const second = await deploy(2);
      expect(second.stderr).toContain('the packages are the same as before: they are not installed again');
      expect(second.stderr).not.toMatch(/added \d+ packages/);
      console.log(`node bot with grammY: first deploy ${first.seconds} s, second ${second.seconds} s`);
    } finally {
      rmSync(dir, { recursive: true });
      await deleteBot(stage.platform, 'ts-bot');
    }
  });
});

describe('example bots without Docker', () => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await startStage('127.0.0.1', { RUNTIME: 'process' });
  }, longMs);
  afterAll(() => stage?.[Symbol.asyncDispose](), longMs);

  // One of each language, with real packages; custom mode needs Docker.
  const chosen = examples.filter(({ name }) => name === 'echo_bot_ptb.py' || name === 'grammy_bot');
  it.for(chosen)('$name', { timeout: longMs }, (example, { skip }) => walkThrough(stage, example, skip));
});
