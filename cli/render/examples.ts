/**
 * Command lines that work, for refusals whose example is a REST request: people who type commands want to see a command.
 * Examples that are already plain text are shown as they are.
 */
import { botIdPattern } from '#common/ids.ts';
import type { Json } from '#common/json.ts';
import { isProblemCode, type ProblemCode } from '#common/problem-codes.ts';

const start = 'avtomatika-bot start my-bot --simple bot.py -r "aiogram>=3.0" -e BOT_TOKEN=123:ABC';
const folder = 'avtomatika-bot start my-bot --simple my_bot/ --entrypoint bot.py';
const custom = 'avtomatika-bot start my-bot --custom my_bot/';
const archive = 'avtomatika-bot start my-bot --custom https://example.com/my-bot.tar.gz';
const git = 'avtomatika-bot start my-bot --git https://github.com/user/telegram-bot.git --branch main';
const image = 'avtomatika-bot start my-bot --image ghcr.io/user/bot:1.0';
const registry = 'avtomatika-bot start my-bot --image ghcr.io/user/bot:1.0 --registry-user user --registry-pass-stdin';

export const commandExamples: Readonly<Partial<Record<ProblemCode, string>>> = {
  MISSING_REQUIRED_FIELD: start,
  INVALID_ACTION: start,
  INVALID_BOT_ID: start,
  INVALID_DEPLOYMENT_MODE: start,
  INVALID_MODE: start,
  INVALID_ENV_VARS: start,
  MISSING_CODE: start,
  CONFLICTING_FIELDS: start,
  INVALID_FILES_FORMAT: folder,
  EMPTY_FILES: folder,
  INVALID_FILE_CONTENT: folder,
  INVALID_FILE_PATH: folder,
  INVALID_ENTRYPOINT: folder,
  INVALID_REQUIREMENTS: start,
  MISSING_SOURCE: custom,
  CONFLICTING_SOURCES: custom,
  MISSING_DOCKER_IMAGE: image,
  INVALID_IMAGE_NAME: image,
  INVALID_RESOURCE_LIMITS: 'avtomatika-bot start my-bot --simple bot.py --memory 256m --cpus 0.5 --disk 1g',
  INVALID_LABELS: 'avtomatika-bot start my-bot --simple bot.py --on zone=eu',
  INVALID_ARCHIVE: custom,
  INVALID_BUILD_OPTIONS: 'avtomatika-bot start my-bot --custom my_bot/ --build-arg PYTHON_VERSION=3.12 --target prod',
  INVALID_GIT_URL: git,
  INVALID_GIT_REF: git,
  INVALID_ARCHIVE_URL: archive,
  INVALID_REGISTRY_AUTH: registry,
  INCOMPLETE_REGISTRY_AUTH: registry,
  INVALID_TELEGRAM_TOKEN: start,
  CONFLICTING_WEBHOOK: start,
  FORBIDDEN_URL: archive,
  FORBIDDEN_REGISTRY: image,
  MALFORMED_REQUEST: start,
  UNAUTHENTICATED: 'avtomatika-bot list --token YOUR_TOKEN',
  PERMISSION_DENIED: 'avtomatika-bot worker list --token ADMIN_TOKEN',
  JOB_NOT_FOUND: 'avtomatika-bot events',
  WORKER_NOT_FOUND: 'avtomatika-bot worker list',
  ARTIFACT_NOT_FOUND: start,
  TOKEN_NOT_MOVED: start,
  TOKEN_IN_USE: 'avtomatika-bot start my-bot --simple bot.py -e BOT_TOKEN=123:ABC --takeover',
  PAYLOAD_TOO_LARGE: folder,
  ARCHIVE_TOO_LARGE: custom,
  IMAGE_NOT_FOUND: image,
  REGISTRY_AUTH_FAILED: registry,
  FETCH_FAILED: archive,
  GIT_FAILED: git,
};

/** The example of a refusal for people at a command line, about their own bot if it is about one; null where there is none. */
export function exampleFor(code: string, example: Json, botId: string, command = ''): Json {
  const operators = isProblemCode(code) ? exampleOfOperator(code, command) : undefined;
  if (operators !== undefined) return operators;
  const shown =
    typeof example !== 'object' || example === null
      ? example
      : ((isProblemCode(code) ? commandExamples[code] : undefined) ?? plainCommand(example) ?? null);
  return typeof shown === 'string' ? aboutBot(shown, botId) : shown;
}

/** For a refusal unrelated to the request itself: what somebody managing workers or tokens would try next. */
function exampleOfOperator(code: ProblemCode, command: string): string | undefined {
  const [, noun] = /^(worker|token) /.exec(command) ?? [];
  switch (code) {
    case 'UNAVAILABLE':
    case 'STORAGE_FULL':
    case 'INTERNAL':
      return noun === undefined ? undefined : `avtomatika-bot ${noun} list`;
    case 'UNAUTHENTICATED':
    case 'PERMISSION_DENIED':
      if (noun !== undefined) return `avtomatika-bot ${noun} list --token ADMIN_TOKEN`;
      if (command === 'doctor' || (command === 'usage' && code === 'PERMISSION_DENIED')) {
        return `avtomatika-bot ${command === 'usage' ? 'usage --all' : command} --token ADMIN_TOKEN`;
      }
      return command === '' ? undefined : 'avtomatika-bot list --token YOUR_TOKEN';
    default:
      return undefined;
  }
}

/** The same text about this bot. */
export const aboutBot = (text: string, botId: string): string =>
  botIdPattern.test(botId) ? text.replace(anyBot, botId) : text;

/** What every text calls a bot; not a part of another word, such as the name of a repository. */
const anyBot = /(?<![\w./-])my-bot(?![\w./-])/g;

/** The command of a request that needs no more than a bot: {"data":{"action":"stop","bot_id":"my-bot"}}. */
function plainCommand(example: object): string | undefined {
  const data = 'data' in example && typeof example.data === 'object' && example.data !== null ? example.data : {};
  const { action, bot_id: bot, lines } = data as { action?: unknown; bot_id?: unknown; lines?: unknown };
  if (action === 'list') return 'avtomatika-bot list';
  if (typeof bot !== 'string' || !botIdPattern.test(bot)) return undefined;
  switch (action) {
    case 'stop':
    case 'restart':
    case 'status':
    case 'delete':
      return `avtomatika-bot ${action} ${bot}`;
    case 'logs':
      return `avtomatika-bot logs ${bot}${typeof lines === 'number' ? ` -n ${lines}` : ''}`;
    default:
      return undefined;
  }
}
