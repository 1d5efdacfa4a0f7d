/**
 * The command lines of the original system's testing guide, scenarios 1 to 6, letter for letter: each must be understood and
 * ask the orchestrator for the right thing. Scenario 7 has no command lines of this program.
 */
import { expect, it } from 'vitest';
import { FakeOrchestrator } from '../../cli/testing/fake-orchestrator.ts';
import { runCli } from '../../cli/testing/run-cli.ts';
import { tempFolder } from '../../cli/testing/temp-folder.ts';

const bot = 'import os\n';
const files = {
  'test_bot.py': bot,
  'bot.py': bot,
  'examples/bots/echo_bot.py': bot,
  'examples/bots/multi_file_bot/bot.py': bot,
  'examples/bots/multi_file_bot/handlers/start.py': bot,
  'examples/bots/custom_bot/Dockerfile': 'FROM python:3.11-slim\n',
};

/** The command as a shell splits it: words, some in double quotes, and lines joined by a backslash. */
const shellWords = (text: string): string[] =>
  [...text.replace(/\\\n/g, ' ').matchAll(/"([^"]*)"|(\S+)/g)].map((match) => match[1] ?? match[2] ?? '');

async function type(text: string) {
  const orchestrator = new FakeOrchestrator();
  for (const botId of ['test1', 'echo-bot', 'custom-bot', 'bot-1', 'my-bot']) orchestrator.addBot({ botId });
  const cwd = await tempFolder(files);
  const [program, ...words] = shellWords(text.replace('/tmp/', './'));
  expect(program).toBe('avtomatika-bot');
  const told = await runCli(words, { orchestrator, cwd });
  expect(told).toMatchObject({ exitCode: 0 });
  const [start] = orchestrator.starts;
  return { calls: orchestrator.calls, start: start && { ...start.spec, botId: start.botId } };
}

const env = { BOT_TOKEN: 'your_token' };

it('scenario 1: simple mode, one file', async () => {
  const { start } = await type(`avtomatika-bot start test1 --simple /tmp/test_bot.py \\
  -r "aiogram>=3.0" \\
  -e BOT_TOKEN=your_token`);
  expect(start).toMatchObject({
    botId: 'test1',
    env,
    source: { case: 'simple', value: { entrypoint: 'test_bot.py', requirements: ['aiogram>=3.0'] } },
  });
  expect((await type('avtomatika-bot status test1')).calls).toEqual(['getBot']);
  expect((await type('avtomatika-bot logs test1')).calls).toEqual(['getBot', 'streamLogs']);
  expect((await type('avtomatika-bot stop test1')).calls).toEqual(['stopBot', 'watchJob']);
});

it('scenario 2: simple mode, several files', async () => {
  const { start } = await type(`avtomatika-bot start multi-bot \\
  --simple examples/bots/multi_file_bot/ \\
  --entrypoint bot.py \\
  -r "aiogram>=3.0" \\
  -e BOT_TOKEN=your_token`);
  expect(start).toMatchObject({ env, source: { case: 'simple', value: { entrypoint: 'bot.py' } } });
  expect((await type('avtomatika-bot list')).calls).toEqual(['listBots']);
});

it('scenario 3: custom mode, a directory with a Dockerfile', async () => {
  const { start } = await type(`avtomatika-bot start custom-bot \\
  --custom examples/bots/custom_bot/ \\
  -e BOT_TOKEN=your_token`);
  expect(start).toMatchObject({ env, source: { case: 'custom', value: { from: { case: 'artifactSha256' } } } });
  expect((await type('avtomatika-bot logs custom-bot -n 200')).calls).toEqual(['getBot', 'streamLogs']);
});

it('scenario 4: custom mode, a git repository', async () => {
  const { start } = await type(`avtomatika-bot start git-bot \\
  --git https://github.com/user/telegram-bot.git \\
  --branch main \\
  -e BOT_TOKEN=your_token`);
  const value = { url: 'https://github.com/user/telegram-bot.git', ref: 'main' };
  expect(start).toMatchObject({ env, source: { case: 'custom', value: { from: { case: 'git', value } } } });
});

it('scenario 5: image mode', async () => {
  const { start } = await type(`avtomatika-bot start image-bot \\
  --image python:3.11-slim \\
  -e BOT_TOKEN=your_token`);
  expect(start).toMatchObject({ env, source: { case: 'image', value: { image: 'python:3.11-slim' } } });
});

it('scenario 6: limits', async () => {
  const { start } = await type(`avtomatika-bot start bot-4 --simple /tmp/test_bot.py \\
  -r "aiogram>=3.0" \\
  -e BOT_TOKEN=your_token`);
  expect(start).toMatchObject({ botId: 'bot-4', env });
  expect((await type('avtomatika-bot stop bot-1')).calls).toEqual(['stopBot', 'watchJob']);
});

it.each([
  'avtomatika-bot start my-bot --simple bot.py',
  'avtomatika-bot start my-bot --simple bot.py \\\n      -r "aiogram>=3.0" \\\n      -e BOT_TOKEN=123:ABC',
  'avtomatika-bot start echo --simple examples/bots/echo_bot.py \\\n  -r "aiogram>=3.0" -e BOT_TOKEN=your_token',
  'avtomatika-bot stop my-bot',
  'avtomatika-bot logs my-bot -n 50',
  'avtomatika-bot list',
  'avtomatika-bot status my-bot',
])('the other chapters: %s', async (line) => {
  expect((await type(line)).calls.length).toBeGreaterThan(0);
});
