/**
 * What is wrong with a bot, by what it prints: the errors of aiogram, python-telegram-bot, grammY, telegraf, Python and
 * Node that people meet first, each explained in one line with the cure. Pure.
 *
 * A log is written by a stranger's bot and by people who chat with it. So nothing is taken over from it but names that fit
 * a narrow pattern, and what is recognised changes nothing but the one line of `status`.
 */
import { packageOf } from './python-packages.ts';

export interface Line {
  readonly text: string;
  /** What the bot printed just before, oldest first, each shortened; at most linesBefore. */
  readonly before: readonly string[];
  /** Which line since the process was started, from 1. */
  readonly number: number;
}

/** How many lines back a cause may look. */
export const linesBefore = 12;

interface Cause {
  readonly id: string;
  /** The explanation, or undefined when the line is none of this cause. */
  readonly explain: (line: Line) => string | undefined;
}

/** Lines after which a bot has started; what is written of files later is not for us to judge. */
const firstLines = 50;

const tells = (
  id: string,
  pattern: RegExp,
  explain: (match: RegExpExecArray, line: Line) => string | undefined,
): Cause => ({
  id,
  explain: (line) => {
    const match = pattern.exec(line.text);
    return match ? explain(match, line) : undefined;
  },
});

const conflict =
  'Telegram answers 409 Conflict: another program polls with the same bot token; stop it, wherever it runs, or get a new token from @BotFather with /revoke';
const webhook =
  'Telegram answers 409 Conflict: a webhook is set for the bot token, so polling gets nothing; remove it with deleteWebhook of the Bot API';
const unauthorized =
  'Telegram does not know the bot token (401 Unauthorized): copy it from @BotFather again, or get a new one there with /revoke';
const badToken =
  'the bot token is missing or has not the form of one: give the whole token of @BotFather in the variable the bot reads';
const unreachable =
  'Telegram cannot be reached from the bot: its worker has no way to the Bot API, or the network is down; the operator can set a proxy or TELEGRAM_API_BASE';

const missingModule = (module: string): string =>
  `the module ${module} is missing: add ${packageOf(module)} to the requirements, or the file to the bot if the module is your own`;
const missingNodeModule = (name: string): string =>
  `the package ${name} is missing: add ${name} to the requirements or to package.json`;
const missingVariable = (name: string): string =>
  `the environment variable ${name} is missing: set it when you start the bot`;
const notAllowed = (path: string | undefined): string =>
  `the bot may not write ${path === undefined ? 'there' : `to ${path}`}: it does not run as root; keep files in /data, and in a Dockerfile of your own set USER and the owner of its folders`;
const readOnly = (path: string | undefined): string =>
  `${path ?? 'what the bot wants to write to'} is read-only: keep files in /data or /tmp`;

/** The path in quotes of an error's text, if it is a plain one. */
const pathIn = (text: string): string | undefined => /['"](\/[\w./@+-]{1,100})['"]/.exec(text)?.[1];

/** The first that fits explains the line. */
const causes: readonly Cause[] = [
  // The webhook's 409 first: both begin with Conflict.
  tells('webhook_set', /Conflict: can't use getUpdates method while webhook is active/, () => webhook),
  tells('webhook_set', /\baiogram\.utils\.exceptions\.CantGetUpdates\b/, () => webhook),
  tells('conflict', /\bTerminatedByOtherGetUpdates\b/, () => conflict),
  tells('conflict', /Conflict: terminated by (other getUpdates request|setWebhook request)/, (match) =>
    match[1]?.startsWith('set') ? webhook : conflict,
  ),
  tells(
    'unauthorized',
    /\bTelegramUnauthorizedError\b|\b(aiogram|telegram)[\w.]{0,60}\.Unauthorized\b/,
    () => unauthorized,
  ),
  tells(
    'unauthorized',
    /\btelegram\.error\.(InvalidToken: (The token .{0,100} was rejected|Unauthorized|Not Found)|Unauthorized)/,
    () => unauthorized,
  ),
  tells('unauthorized', /\((401: Unauthorized|404: Not Found)\)|TelegramError: 401: Unauthorized/, (_, line) =>
    /Grammy|Telegram|getMe|getUpdates/i.test(line.text) ? unauthorized : undefined,
  ),
  tells(
    'unauthorized',
    /Telegram does not know this BOT_TOKEN|Error code: 401\. Description: Unauthorized/,
    () => unauthorized,
  ),
  tells(
    'bad_token',
    /\bTokenValidationError: |\baiogram\.utils\.exceptions\.ValidationError: Token is invalid|\btelegram\.error\.InvalidToken\b|^(Error: )?(Empty token!|Bot Token is required)|^ValueError: Token must (contain a colon|not contain spaces)|^Exception: Bot token is not defined/,
    () => badToken,
  ),
  tells('network', /\b(TelegramNetworkError|aiogram\.utils\.exceptions\.NetworkError): /i, (_, { text }) =>
    /Cannot connect to host|Temporary failure|timeout|ClientConnector|ServerDisconnected/i.test(text)
      ? unreachable
      : undefined,
  ),
  tells('network', /\btelegram\.error\.(NetworkError: (httpx\.)?Connect|TimedOut)/, () => unreachable),
  tells(
    'network',
    /\b(ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|ENETUNREACH)\b|Temporary failure in name resolution|Name or service not known|Network is unreachable/,
    (_, { text }) => (text.includes('api.telegram.org') ? unreachable : undefined),
  ),
  tells(
    'wrong_version',
    /^ImportError: cannot import name '([A-Za-z_]\w{0,80})' from '([A-Za-z_][\w.]{0,80})'/,
    ([, name = '', module = '']) =>
      `${name} is not in the installed version of ${packageOf(module)}: the code was written for another one; pin that in the requirements, for example ${packageOf(module)}<3`,
  ),
  tells(
    'missing_module',
    /^(?:ModuleNotFoundError|ImportError): No module named '?([A-Za-z_][\w.]{0,80})'?/,
    ([, name = '']) => missingModule(name),
  ),
  tells(
    'missing_module',
    /Cannot find (?:module|package) '((?:@[\w.-]{1,60}\/)?[\w][\w.-]{0,80})(?:\/[\w./-]{0,100})?'/,
    ([, name = '']) => missingNodeModule(name),
  ),
  tells('missing_variable', /^KeyError: '([A-Za-z_]\w{0,80})'$/, ([, name = ''], { before }) =>
    before.some((text) => /environ\b|(<frozen os>|\/os\.py)", line \d{1,7}, in __getitem__/.test(text))
      ? missingVariable(name)
      : undefined,
  ),
  tells(
    'missing_variable',
    /^(?:decouple\.UndefinedValueError: |environs\.[\w.]*Error: Environment variable ")([A-Za-z_]\w{0,80})(?: not found|" not set)/,
    ([, name = '']) => missingVariable(name),
  ),
  tells('syntax', /^(SyntaxError|IndentationError|TabError): (?!.*JSON)/, ([, kind = ''], { before }) => {
    const place = before
      .toReversed()
      .map(placeIn)
      .find((found) => found !== undefined);
    return `the code has a ${kind === 'SyntaxError' ? 'syntax error' : kind === 'TabError' ? 'mix of tabs and spaces' : 'wrong indentation'}${place === undefined ? '' : ` in ${place}`}: mend it and start the bot again`;
  }),
  tells(
    'not_allowed',
    /^PermissionError: \[Errno 13\] |\bEACCES\b: permission denied|: Permission denied$/,
    (_, line) => (line.number <= firstLines ? notAllowed(pathIn(line.text)) : undefined),
  ),
  tells('read_only', /\[Errno 30\] Read-only file system|\bEROFS\b: read-only|: Read-only file system$/, (_, line) =>
    line.number <= firstLines ? readOnly(pathIn(line.text)) : undefined,
  ),
];

/** `bot.py, line 3` of a line of a traceback of Python or Node. */
function placeIn(text: string): string | undefined {
  const python = /^\s*File "(?:\/app\/)?([\w./-]{1,100})", line (\d{1,7})/.exec(text);
  const node = /^(?:file:\/\/)?(?:\/app\/)?([\w./-]{1,100}\.[cm]?js):(\d{1,7})$/.exec(text);
  const [, file, line] = python ?? node ?? [];
  return file === undefined ? undefined : `${file}, line ${line}`;
}

/** No line that says more is longer; one that is costs no time to look at. */
const longestLine = 2000;

/** As much of a line as is looked at. */
export const shortened = (text: string): string => (text.length > longestLine ? text.slice(0, longestLine) : text);

/** Nearly every line fails this one look, which costs far less than all the others. */
const worthALook =
  /Error|Conflict|Unauthorized|GetUpdates|[Tt]oken|No module|Cannot find|[Pp]ermission denied|[Rr]ead-only|[.]telegram|telegram[.]|\bE[A-Z]{3}/;

/** What the line says is wrong; undefined for nearly every line. */
export function explainLine(line: Line): { readonly id: string; readonly text: string } | undefined {
  const short = { ...line, text: shortened(line.text) };
  if (!worthALook.test(short.text)) return undefined;
  for (const { id, explain } of causes) {
    const text = explain(short);
    if (text !== undefined) return { id, text };
  }
  return undefined;
}

/** Whether the line says that talking to Telegram works again (aiogram prints it after a failed poll). */
export const saysRecovered = (text: string): boolean => /\bConnection established \(tryings = \d/.test(shortened(text));
