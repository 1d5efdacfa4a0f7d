/** docs/ru: every command of the Russian guide is run, in order, as a reader would, but those that another test runs. */
import { readFileSync } from 'node:fs';
import { describe, expect, inject, it } from 'vitest';
import { checkoutPath } from '../../scripts/process/checkout.ts';
import { startSeedPlatform } from '../e2e/seed/seed-platform.ts';
import { startFakeTelegram } from '../kit/fake-telegram/fake-telegram.ts';
import { freshClone, linkPackages } from '../kit/newcomer/fresh-clone.ts';
import { newcomersMachine } from '../kit/newcomer/newcomers-machine.ts';
import { usableDocker } from '../kit/test-docker.ts';
import { fencedBlocks } from './fenced-blocks.ts';
import { type NpmProgram, startNpmProgram } from './npm-program.ts';
import { assertCode, type CommandEnd, PageShell } from './page-shell.ts';
import { missingProgram } from './programs.ts';
import { shellCommands } from './shell-commands.ts';

const docker = inject('docker');
const skipReason = missingProgram('curl', 'python3', 'git', 'unshare', 'nsenter', 'ip');
const token = '123:ABC';
const walkMs = 400_000;
const withoutDocker = ['docs/ru/03-preparation.md', 'docs/ru/04-without-docker.md'];
const withDocker = ['docs/ru/05-with-docker.md', 'docs/ru/06-scenarios.md'];
/** Its commands are some of README.md's (readme.test.ts). */
const quickStart = 'docs/ru/README.md';
const others = ['01-overview', '02-how-it-works', '07-reference', '08-checklist'].map((name) => `docs/ru/${name}.md`);

interface GuideCommand {
  readonly text: string;
  readonly where: string;
  readonly endsWith: number;
  readonly runBy: string | undefined;
}

const commandsOf = (page: string): readonly GuideCommand[] =>
  fencedBlocks(readFileSync(checkoutPath(page), 'utf8'))
    .filter(({ language }) => language === 'sh')
    .flatMap((block) => {
      const commands = shellCommands(block);
      return commands.map(({ text, line }, at) => ({
        text,
        where: `${page}, line ${line}: ${text}`,
        endsWith: at === commands.length - 1 ? block.endsWith : 0,
        runBy: block.runBy,
      }));
    });

/** Commands that a reader leaves running in a terminal, and what they print once they are up. */
const background: Readonly<Record<string, string>> = {
  'npm start': 'Bot Runner is up',
  'node examples/local_test/orchestrator_server.mjs': 'orchestrator is listening',
  'python3 examples/local_test/worker_client.py': 'registered as',
  [`BOT_TOKEN=${token} python3 examples/bots/echo_bot_stdlib.py`]: 'Telegram cannot be reached',
  [`BOT_TOKEN=${token} node examples/bots/echo_bot.mjs`]: 'Telegram cannot be reached',
};
/** Needs what the one before it started. */
const joins = 'python3 examples/local_test/worker_client.py';

/** Runs the pages' commands; returns what each printed, by the command. */
async function walk(
  pages: readonly string[],
  run: (command: string) => Promise<CommandEnd | undefined>,
): Promise<ReadonlyMap<string, string>> {
  const printed = new Map<string, string>();
  for (const { text, where, endsWith, runBy } of pages.flatMap(commandsOf)) {
    if (runBy !== undefined) continue;
    const end = await run(text);
    if (end === undefined) continue;
    assertCode(end, endsWith, where);
    printed.set(text, `${end.stdout}${end.stderr}`);
  }
  return printed;
}

const find = (printed: ReadonlyMap<string, string>, part: string): string =>
  [...printed].find(([command]) => command.includes(part))?.[1] ?? `(${part} was not run)`;

describe.skipIf(skipReason !== undefined)('the Russian guide', { meta: { skipReason: skipReason ?? '' } }, () => {
  it('can be followed without Docker and with nothing set: chapters 3 and 4', { timeout: walkMs }, async ({ skip }) => {
    const machine = await newcomersMachine();
    if ('skip' in machine) return skip(machine.skip);
    await using _ = machine;
    using clone = freshClone();
    linkPackages(clone);
    const inside = machine.inside(clone.dir);
    using shell = new PageShell(clone.dir, {}, inside);
    const running: NpmProgram[] = [];
    const endPrograms = async () => {
      for (let last = running.pop(); last; last = running.pop()) await last.interrupt();
    };
    try {
      const printed = await walk(withoutDocker, async (command) => {
        // Needs npm's registry, to which nothing leads from here; README.md's test goes through it.
        if (command === 'npm install') return undefined;
        const up = background[command];
        if (up === undefined) return shell.run(command);
        if (command !== joins) await endPrograms();
        running.push(await startNpmProgram(command, up, clone.dir, {}, inside));
        return undefined;
      });
      expect(find(printed, '--help')).toContain('token add');
      expect(find(printed, 'token add')).toMatch(/^bot_[\w-]{43}$/m);
      expect(find(printed, 'token list')).toMatch(/^ann +laptop +client /m);
      expect(find(printed, 'test_requests.sh')).toContain('All requests were answered as promised.');
    } finally {
      await endPrograms();
    }
  });

  it('names in chapter 4 a way without Docker that runs bots', () => {
    // README.md's test goes it, with nothing set.
    expect(readFileSync(checkoutPath('docs/ru/04-without-docker.md'), 'utf8')).toContain('README.md#быстрый-старт');
  });
});

describe.skipIf('skip' in docker || skipReason !== undefined)('the Russian guide on Docker', () => {
  it('can be followed from the first command of chapter 5 to the last of chapter 6', { timeout: walkMs }, async () => {
    const { host, hostAddress, pipIndexUrl } = usableDocker(docker);
    const telegram = await startFakeTelegram({ host: hostAddress, tokens: [token] });
    const seed = await startSeedPlatform({ host, hostAddress, pipIndexUrl }, { TELEGRAM_API_BASE: telegram.url });
    try {
      await seed.git.commit('telegram-bot.git', 'main', {
        Dockerfile: 'FROM python:3.11-slim\nCOPY bot.py /bot.py\nCMD ["python", "-u", "/bot.py"]\n',
        'bot.py': 'import time\nprint("from git")\ntime.sleep(600)\n',
      });
      // npx finds the same file, half a second later: README.md's test goes through it.
      const printed = await walk(withDocker, (command) =>
        seed.run(command.replaceAll('npx avtomatika-bot', 'avtomatika-bot')),
      );
      expect(find(printed, '/health')).toContain('{"status":"ok"}');
      expect(find(printed, 'status test1')).toMatch(/State +running/);
      expect(find(printed, 'logs test1')).toContain('start');
      expect(find(printed, 'start custom-bot')).toContain('custom-bot is running.');
      expect(find(printed, 'start git-bot')).toContain('git-bot is running.');
      expect(find(printed, 'start image-bot')).toContain('image-bot ran and exited');
      expect(find(printed, 'start bot-4')).toContain('Error QUOTA_EXCEEDED');
      expect(find(printed, '"bot_id": "test"')).toContain('"code":"MISSING_REQUIRED_FIELD"');
      expect(find(printed, 'тест бот!')).toContain('"code":"INVALID_BOT_ID"');
    } finally {
      // Nothing may stay behind, also when the orchestrator does not answer any more.
      await seed.deleteAll().finally(() => seed.close());
      await telegram.close();
    }
  });
});

describe('the Russian guide', () => {
  it('has no command that no test runs', () => {
    for (const page of others) expect({ page, commands: commandsOf(page) }).toEqual({ page, commands: [] });
    const marked = [quickStart, ...withoutDocker, ...withDocker].flatMap(commandsOf).filter(({ runBy }) => runBy);
    expect(marked.length).toBeGreaterThan(3);
    for (const { text, runBy = '' } of marked) {
      expect(readFileSync(checkoutPath(runBy), 'utf8'), `${runBy} runs ${text}`).toContain(text);
    }
  });
});
