/**
 * The commands of the original's use cases, word for word but for the secrets in them: each is taken, and asks for what the
 * use case says. What then runs is shown on a real engine, by the tests that use-cases.test.ts names.
 */
import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { listSafeTar } from '#common/safe-tar.ts';
import type { BotSpec } from '#gen/botrunner/v1/bot_pb.js';
import { FakeOrchestrator } from '../../cli/testing/fake-orchestrator.ts';
import { runCli } from '../../cli/testing/run-cli.ts';
import { tempFolder } from '../../cli/testing/temp-folder.ts';

const python = 'import os\nprint(os.environ)\n';
const project = { Dockerfile: 'FROM python:3.11-slim\n', 'requirements.txt': 'aiogram\n', 'bot.py': python };
const inFolder = (folder: string, files: Readonly<Record<string, string>>) =>
  Object.fromEntries(Object.entries(files).map(([name, text]) => [`${folder}/${name}`, text]));
const folders = ['my_project', 'media_bot', 'ml_bot', 'pg_bot', 'metrics_bot', 'admin_bot'];
const files: Readonly<Record<string, string>> = {
  ...Object.fromEntries(
    ['bot', 'handlers', 'config', 'database', 'models', 'api_client', 'storage', 'parser_bot', 'scheduler'].map(
      (name) => [`${name}.py`, python],
    ),
  ),
  'requirements.txt': 'aiogram>=3.0\n# comment\n\naiohttp\n',
  'i18n/ru.po': 'Привет',
  'i18n/en.po': 'Hello',
  ...inFolder('my_bot_project', { 'main.py': python, 'handlers/start.py': python }),
  ...Object.assign({}, ...folders.map((folder) => inFolder(folder, project))),
  'my_project/utils/helpers.py': python,
  'ml_bot/models/classifier.pkl': 'model',
};

interface Asked {
  readonly source: BotSpec['source']['case'];
  /** Part of the source as requested. */
  readonly value?: object;
  readonly env: Readonly<Record<string, string>>;
  /** Names of the uploaded files. */
  readonly files?: readonly string[];
}

const BOT_TOKEN = '123:ABC';
const custom = ['Dockerfile', 'bot.py', 'requirements.txt'];
const registry = (image: string, username: string, password: string) => ({
  image,
  credentials: { username, password },
});

const commands: readonly (readonly [line: string, command: string, asked: Asked])[] = [
  [
    'UC 1: echo',
    'start echo --simple bot.py -r "aiogram>=3.0" -e BOT_TOKEN=123:ABC',
    { source: 'simple', value: { requirements: ['aiogram>=3.0'] }, env: { BOT_TOKEN }, files: ['bot.py'] },
  ],
  [
    'UC 2: several files',
    'start my-bot --simple bot.py handlers.py config.py --entrypoint bot.py -r "aiogram>=3.0,aiohttp" -e BOT_TOKEN=123:ABC',
    {
      source: 'simple',
      value: { entrypoint: 'bot.py', requirements: ['aiogram>=3.0', 'aiohttp'] },
      env: { BOT_TOKEN },
      files: ['bot.py', 'config.py', 'handlers.py'],
    },
  ],
  [
    'UC 3: a directory with a requirements file',
    'start my-bot --simple ./my_bot_project/ --entrypoint main.py -r requirements.txt -e BOT_TOKEN=123:ABC',
    {
      source: 'simple',
      value: { entrypoint: 'main.py', requirements: ['aiogram>=3.0', 'aiohttp'] },
      env: { BOT_TOKEN },
      files: ['handlers/start.py', 'main.py'],
    },
  ],
  [
    'UC 4: inline',
    `start test --simple --inline --code 'import os; from aiogram import Bot, Dispatcher; print("Bot started!")' -e BOT_TOKEN=123:ABC`,
    { source: 'simple', env: { BOT_TOKEN }, files: ['bot.py'] },
  ],
  [
    'UC 5: a database',
    'start db-bot --simple bot.py database.py models.py -r "aiogram>=3.0,aiosqlite,sqlalchemy[asyncio]" -e BOT_TOKEN=123:ABC -e DATABASE_URL=sqlite:///bot.db',
    {
      source: 'simple',
      value: { requirements: ['aiogram>=3.0', 'aiosqlite', 'sqlalchemy[asyncio]'] },
      env: { BOT_TOKEN, DATABASE_URL: 'sqlite:///bot.db' },
      files: ['bot.py', 'database.py', 'models.py'],
    },
  ],
  [
    'UC 6: an external API',
    'start api-bot --simple bot.py api_client.py -r "aiogram>=3.0,aiohttp,pydantic" -e BOT_TOKEN=123:ABC -e API_KEY=secret_api_key -e API_URL=https://api.example.com',
    { source: 'simple', env: { BOT_TOKEN, API_KEY: 'secret_api_key', API_URL: 'https://api.example.com' } },
  ],
  [
    'UC 7: a Dockerfile',
    'start custom-bot --custom ./my_project/ -e BOT_TOKEN=123:ABC',
    { source: 'custom', env: { BOT_TOKEN }, files: [...custom, 'utils/helpers.py'] },
  ],
  [
    'UC 8: git',
    'start git-bot --git https://github.com/user/telegram-bot.git --branch main -e BOT_TOKEN=123:ABC',
    {
      source: 'custom',
      value: { from: { case: 'git', value: { url: 'https://github.com/user/telegram-bot.git', ref: 'main' } } },
      env: { BOT_TOKEN },
    },
  ],
  [
    'UC 9: private git',
    'start private-bot --git https://user:token@github.com/user/private-bot.git -e BOT_TOKEN=123:ABC',
    {
      source: 'custom',
      value: {
        from: {
          value: {
            url: 'https://github.com/user/private-bot.git',
            credentials: { username: 'user', password: 'token' },
          },
        },
      },
      env: { BOT_TOKEN },
    },
  ],
  [
    'UC 10: GitLab and a branch',
    'start gitlab-bot --git https://gitlab.com/user/bot.git --branch develop -e BOT_TOKEN=123:ABC',
    {
      source: 'custom',
      value: { from: { case: 'git', value: { url: 'https://gitlab.com/user/bot.git', ref: 'develop' } } },
      env: { BOT_TOKEN },
    },
  ],
  [
    'UC 11: a tar.gz by URL',
    'start archive-bot --custom https://example.com/releases/bot-v1.0.tar.gz -e BOT_TOKEN=123:ABC',
    {
      source: 'custom',
      value: { from: { case: 'archiveUrl', value: 'https://example.com/releases/bot-v1.0.tar.gz' } },
      env: { BOT_TOKEN },
    },
  ],
  [
    'UC 12: packages of the system',
    'start media-bot --custom ./media_bot/ -e BOT_TOKEN=123:ABC',
    { source: 'custom', env: { BOT_TOKEN }, files: custom },
  ],
  [
    'UC 13: a model',
    'start ml-bot --custom ./ml_bot/ -e BOT_TOKEN=123:ABC -e MODEL_PATH=/app/models/classifier.pkl',
    {
      source: 'custom',
      env: { BOT_TOKEN, MODEL_PATH: '/app/models/classifier.pkl' },
      files: [...custom, 'models/classifier.pkl'],
    },
  ],
  [
    'UC 14: a public image',
    'start prebuilt --image myuser/telegram-bot:v1.0 -e BOT_TOKEN=123:ABC',
    { source: 'image', value: { image: 'myuser/telegram-bot:v1.0' }, env: { BOT_TOKEN } },
  ],
  [
    'UC 15: GHCR',
    'start ghcr-bot --image ghcr.io/user/bot:latest --registry-user myuser --registry-pass ghp_xxxx -e BOT_TOKEN=123:ABC',
    { source: 'image', value: registry('ghcr.io/user/bot:latest', 'myuser', 'ghp_xxxx'), env: { BOT_TOKEN } },
  ],
  [
    'UC 16: a private registry',
    'start private-image --image registry.example.com/bots/mybot:v2 --registry-user deploy --registry-pass secret123 -e BOT_TOKEN=123:ABC',
    {
      source: 'image',
      value: registry('registry.example.com/bots/mybot:v2', 'deploy', 'secret123'),
      env: { BOT_TOKEN },
    },
  ],
  [
    'UC 17: Docker Hub',
    'start dockerhub-bot --image username/my-telegram-bot:stable -e BOT_TOKEN=123:ABC -e DEBUG=true',
    { source: 'image', value: { image: 'username/my-telegram-bot:stable' }, env: { BOT_TOKEN, DEBUG: 'true' } },
  ],
  [
    'UC 23: Redis',
    'start redis-bot --simple bot.py -r "aiogram>=3.0,aioredis" -e BOT_TOKEN=123:ABC -e REDIS_URL=redis://redis:6379/0',
    { source: 'simple', env: { BOT_TOKEN, REDIS_URL: 'redis://redis:6379/0' } },
  ],
  [
    'UC 24: PostgreSQL',
    'start pg-bot --custom ./pg_bot/ -e BOT_TOKEN=123:ABC -e DATABASE_URL=postgresql://user:pass@db:5432/botdb',
    { source: 'custom', env: { BOT_TOKEN, DATABASE_URL: 'postgresql://user:pass@db:5432/botdb' } },
  ],
  [
    'UC 25: a webhook',
    'start webhook-bot --simple bot.py -r "aiogram>=3.0,aiohttp" -e BOT_TOKEN=123:ABC -e WEBHOOK_URL=https://abc123.ngrok.io/webhook -e WEBHOOK_PORT=8080',
    {
      source: 'simple',
      env: { BOT_TOKEN, WEBHOOK_URL: 'https://abc123.ngrok.io/webhook', WEBHOOK_PORT: '8080' },
    },
  ],
  [
    'UC 26: a storage',
    'start s3-bot --simple bot.py storage.py -r "aiogram>=3.0,aiobotocore" -e BOT_TOKEN=123:ABC -e S3_ENDPOINT=https://s3.example.com -e S3_ACCESS_KEY=xxx -e S3_SECRET_KEY=yyy -e S3_BUCKET=bot-files',
    {
      source: 'simple',
      env: {
        BOT_TOKEN,
        S3_ENDPOINT: 'https://s3.example.com',
        S3_ACCESS_KEY: 'xxx',
        S3_SECRET_KEY: 'yyy',
        S3_BUCKET: 'bot-files',
      },
    },
  ],
  [
    'UC 27: Prometheus',
    'start metrics-bot --custom ./metrics_bot/ -e BOT_TOKEN=123:ABC -e METRICS_PORT=9090',
    { source: 'custom', env: { BOT_TOKEN, METRICS_PORT: '9090' } },
  ],
  [
    'UC 28: a parser',
    'start parser --simple parser_bot.py -r "aiogram>=3.0,telethon,vk-api" -e BOT_TOKEN=123:ABC -e TG_API_ID=xxx -e TG_API_HASH=yyy -e VK_TOKEN=zzz',
    {
      source: 'simple',
      value: { requirements: ['aiogram>=3.0', 'telethon', 'vk-api'] },
      env: { BOT_TOKEN, TG_API_ID: 'xxx', TG_API_HASH: 'yyy', VK_TOKEN: 'zzz' },
    },
  ],
  [
    'UC 29: scheduled tasks',
    'start scheduler-bot --simple bot.py scheduler.py -r "aiogram>=3.0,apscheduler" -e BOT_TOKEN=123:ABC -e TZ=Europe/Moscow',
    { source: 'simple', env: { BOT_TOKEN, TZ: 'Europe/Moscow' }, files: ['bot.py', 'scheduler.py'] },
  ],
  [
    'UC 30: i18n',
    'start i18n-bot --simple bot.py i18n/ --entrypoint bot.py -r "aiogram>=3.0,babel" -e BOT_TOKEN=123:ABC -e DEFAULT_LOCALE=ru',
    {
      source: 'simple',
      value: { entrypoint: 'bot.py' },
      env: { BOT_TOKEN, DEFAULT_LOCALE: 'ru' },
      files: ['bot.py', 'i18n/en.po', 'i18n/ru.po'],
    },
  ],
  [
    'UC 31: an admin panel',
    'start admin-bot --custom ./admin_bot/ -e BOT_TOKEN=123:ABC -e ADMIN_IDS=123456789,987654321 -e WEB_PORT=8000',
    { source: 'custom', env: { BOT_TOKEN, ADMIN_IDS: '123456789,987654321', WEB_PORT: '8000' } },
  ],
  [
    'UC 32: debug logs',
    'start debug-bot --simple bot.py -r "aiogram>=3.0" -e BOT_TOKEN=123:ABC -e DEBUG=true -e LOG_LEVEL=DEBUG',
    { source: 'simple', env: { BOT_TOKEN, DEBUG: 'true', LOG_LEVEL: 'DEBUG' } },
  ],
];

/** The words of a command as a shell splits it: by spaces, with quotes of both kinds. */
const words = (command: string): readonly string[] =>
  (command.match(/(?:[^\s"']|"[^"]*"|'[^']*')+/g) ?? []).map((word) =>
    word.replace(/"([^"]*)"|'([^']*)'/g, (_, double?: string, single?: string) => double ?? single ?? ''),
  );

describe('the command of the original', () => {
  it.each(commands)('%s: avtomatika-bot %s', async (_line, command, asked) => {
    const orchestrator = new FakeOrchestrator();
    const { exitCode, stderr } = await runCli(words(command), { orchestrator, cwd: await tempFolder(files) });
    expect({ exitCode, stderr }).toMatchObject({ exitCode: 0 });
    const [start] = orchestrator.starts;
    expect(start?.spec?.env).toEqual(asked.env);
    expect(start?.spec?.source).toMatchObject({ case: asked.source, ...(asked.value && { value: asked.value }) });
    if (asked.files === undefined) return;
    const [tar = Buffer.alloc(0)] = orchestrator.artifacts.values();
    const sent = [...(await listSafeTar(Readable.from([tar], { objectMode: false }))).keys()];
    expect(sent.toSorted()).toEqual(asked.files.toSorted());
  });
});
