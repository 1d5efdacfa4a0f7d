/** Requests to POST /jobs that work, to be shown with refusals. */
import type { JsonObject } from './json.ts';

const job = (data: JsonObject): JsonObject => ({ blueprint: 'bot_runner', data });

export const examples = {
  start: job({
    action: 'start',
    bot_id: 'my-bot',
    deployment_mode: 'simple',
    code: "print('hello')",
    requirements: ['aiogram>=3.0'],
    env_vars: { BOT_TOKEN: '123:ABC' },
  }),
  files: job({
    action: 'start',
    bot_id: 'my-bot',
    deployment_mode: 'simple',
    files: { 'bot.py': 'import handlers', 'handlers.py': '' },
    entrypoint: 'bot.py',
  }),
  archive: job({ action: 'start', bot_id: 'my-bot', deployment_mode: 'custom', archive: 'BASE64 OF A TAR.GZ' }),
  archiveUrl: job({
    action: 'start',
    bot_id: 'my-bot',
    deployment_mode: 'custom',
    archive_url: 'https://example.com/my-bot.tar.gz',
  }),
  git: job({
    action: 'start',
    bot_id: 'my-bot',
    deployment_mode: 'custom',
    git_repo: 'https://github.com/me/my-bot.git',
    git_branch: 'main',
  }),
  buildOptions: job({
    action: 'start',
    bot_id: 'my-bot',
    deployment_mode: 'custom',
    git_repo: 'https://github.com/me/my-bot.git',
    build_args: { PYTHON_VERSION: '3.12' },
    target: 'prod',
    dockerfile: 'docker/prod.Dockerfile',
  }),
  image: job({
    action: 'start',
    bot_id: 'my-bot',
    deployment_mode: 'image',
    docker_image: 'ghcr.io/me/my-bot:1.0',
    registry_auth: { username: 'me', password: 'TOKEN' },
  }),
  limits: job({
    action: 'start',
    bot_id: 'my-bot',
    deployment_mode: 'simple',
    code: "print('hello')",
    resource_limits: { memory_mb: 256, cpu_cores: 0.5, disk_mb: 1024 },
  }),
  labels: job({
    action: 'start',
    bot_id: 'my-bot',
    deployment_mode: 'simple',
    code: "print('hello')",
    on: { zone: 'eu' },
  }),
  moveToken: job({
    action: 'start',
    bot_id: 'my-bot',
    deployment_mode: 'simple',
    code: 'import os\nTOKEN = os.environ["BOT_TOKEN"]',
    env_vars: { BOT_TOKEN: '123:ABC' },
  }),
  takeover: job({
    action: 'start',
    bot_id: 'my-bot',
    deployment_mode: 'simple',
    code: "print('hello')",
    env_vars: { BOT_TOKEN: '123:ABC' },
    takeover: true,
  }),
  readOnly: job({
    action: 'start',
    bot_id: 'my-bot',
    deployment_mode: 'simple',
    code: "print('hello')",
    read_only: true,
  }),
  configure: job({
    action: 'configure',
    bot_id: 'my-bot',
    env_vars: { LOG_LEVEL: 'debug', OLD_NAME: null },
    resource_limits: { memory_mb: 512 },
  }),
  config: job({ action: 'config', bot_id: 'my-bot' }),
  logs: job({ action: 'logs', bot_id: 'my-bot', lines: 50 }),
  purge: job({ action: 'delete', bot_id: 'my-bot', purge: true }),
  stop: job({ action: 'stop', bot_id: 'my-bot' }),
  status: job({ action: 'status', bot_id: 'my-bot' }),
  list: job({ action: 'list' }),
} as const;

export const purgeExample = (botId: string): JsonObject => job({ action: 'delete', bot_id: botId, purge: true });

export const stopExample = (botId: string): JsonObject => job({ action: 'stop', bot_id: botId });
