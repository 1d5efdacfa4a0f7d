/** Requests that work, to be shown with refusals. */
import type { JsonObject } from '#common/problem.ts';

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
