/** Requests that work, to be shown with refusals. */
import { fail, type Json, type JsonObject, type Result } from '#common/problem.ts';

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
    resource_limits: { memory_mb: 256, cpu_cores: 0.5 },
  }),
  logs: job({ action: 'logs', bot_id: 'my-bot', lines: 50 }),
  stop: job({ action: 'stop', bot_id: 'my-bot' }),
  list: job({ action: 'list' }),
} as const;

/** The result with an example, where its problem has none. */
export const withExample = <T>(result: Result<T>, example: Json): Result<T> =>
  result.ok || result.problem.example !== null ? result : fail({ ...result.problem, example });
