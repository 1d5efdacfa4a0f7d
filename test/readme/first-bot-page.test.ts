/**
 * docs/FIRST-BOT.md: a reader who follows it, with each of its libraries, ends with a bot that answers. Its commands are run as
 * they stand, in an empty folder; the Russian page has the same ones.
 */
import { mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, inject, it, type TestContext } from 'vitest';
import { checkoutPath } from '../../scripts/process/checkout.ts';
import { startFakeTelegram } from '../kit/fake-telegram/fake-telegram.ts';
import { aiogram, pythonTelegramBot } from '../kit/package-index/bot-libraries.ts';
import { npmPackages } from '../kit/package-index/npm-packages.ts';
import { startNpmRegistry } from '../kit/package-index/npm-registry.ts';
import { startPackageIndex } from '../kit/package-index/package-index.ts';
import { deleteBot, startTestPlatform } from '../kit/platform-for-tests.ts';
import { usableDocker } from '../kit/test-docker.ts';
import { type FencedBlock, fencedBlocks } from './fenced-blocks.ts';
import { assertCode, PageShell } from './page-shell.ts';
import { shellCommands } from './shell-commands.ts';

const docker = inject('docker');
const token = '123:ABC';
const page = 'docs/FIRST-BOT.md';
const textOf = (path: string): string => readFileSync(checkoutPath(path), 'utf8');
const libraries = ['aiogram', 'python-telegram-bot', 'grammY'] as const;

/** The blocks under the heading of a library, and all that stand under none. */
function blocksFor(library: string): readonly FencedBlock[] {
  const text = textOf(page);
  const heading = (line: number): string =>
    [
      ...text
        .split('\n')
        .slice(0, line)
        .join('\n')
        .matchAll(/^#+ (.*)$/gm),
    ].at(-1)?.[1] ?? '';
  const others = libraries.filter((name) => name !== library);
  return fencedBlocks(text).filter(
    ({ language, line }) => language === 'sh' && !others.some((name) => heading(line) === name),
  );
}

/** What builds of the library install from; skips where it cannot be had. */
async function registries(library: string, host: string, skip: TestContext['skip']) {
  try {
    const wheels = library === 'python-telegram-bot' ? (await pythonTelegramBot()).wheels : (await aiogram()).wheels;
    const packages = library === 'grammY' ? await npmPackages('grammy@^1.30') : [];
    return { index: await startPackageIndex({ host, wheels }), registry: await startNpmRegistry(host, packages) };
  } catch (error) {
    return skip(`${library} is not to be had: ${error instanceof Error ? error.message : String(error)}`);
  }
}

describe.skipIf('skip' in docker)(page, { timeout: 400_000 }, () => {
  it.for(libraries)('leads to a bot that answers: %s', async (library, { skip }) => {
    const { host, hostAddress } = usableDocker(docker);
    const { index, registry } = await registries(library, hostAddress, skip);
    const telegram = await startFakeTelegram({ host: hostAddress, tokens: [token] });
    const platform = await startTestPlatform({
      RUNTIME: 'docker',
      DOCKER_HOST: host,
      PIP_INDEX_URL: index.url,
      NPM_CONFIG_REGISTRY: registry.url,
      TELEGRAM_API_BASE: telegram.url,
    });
    const dir = mkdtempSync(join(tmpdir(), 'first-bot-'));
    symlinkSync(checkoutPath('cli', 'bin', 'avtomatika-bot.js'), join(dir, 'avtomatika-bot'));
    using shell = new PageShell(dir, { PATH: `${dir}:${process.env['PATH'] ?? ''}` });
    const chat = telegram.chat(token);
    let count = 0;
    const answers = async () => {
      count += 1;
      chat.say('hello');
      expect((await chat.answer(60_000)).text).toBe(`${count}: hello`);
    };
    const printed = new Map<string, string>();
    try {
      for (const block of blocksFor(library)) {
        const commands = shellCommands(block);
        for (const [at, { text, line }] of commands.entries()) {
          const follows = / -f\b/.test(text);
          const end = await shell.run(text.replaceAll('http://localhost:8000', platform.url), {
            limitMs: 180_000,
            ...(follows ? { interruptWhen: (out: string) => out.includes('message number 1') } : {}),
          });
          const code = follows ? 130 : at === commands.length - 1 ? block.endsWith : 0;
          assertCode(end, code, `${page}, line ${line}: ${text}`);
          printed.set(text, `${end.stdout}${end.stderr}`);
          // The counter shows that /data is still there.
          if (/ (start|update|restart) my-bot/.test(text)) await answers();
        }
      }
      expect(count).toBe(4);
      const of = (part: string) => [...printed].find(([command]) => command.includes(part))?.[1];
      expect(of('bot list')).toContain('No bots. Limit: 0/3');
      expect(of('bot start')).toContain('my-bot is running.');
      expect(of('bot start')).toContain('.env');
      expect(of('-e BOT_TOKEN-')).toContain('UPDATE_ROLLED_BACK');
      expect(of('--since 10m')).toContain('started');
      expect(of('bot stop')).toContain('my-bot is stopped.');
      expect(of('bot delete')).toContain('my-bot is deleted with its data.');
    } finally {
      await deleteBot(platform, 'my-bot');
      await platform[Symbol.asyncDispose]();
      await telegram.close();
      await index.close();
      await registry.close();
      rmSync(dir, { recursive: true, force: true });
    }
  });
});
