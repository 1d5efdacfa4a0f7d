/** Telegram, as aiogram, python-telegram-bot, pyTelegramBotAPI, grammY and telegraf report it. */
import { type Explanation, type Rule, rule } from './rule.ts';

const conflict: Explanation = {
  what: 'Telegram answers 409 Conflict: another program is polling with the same bot token',
  cure: 'stop it, wherever it runs, or get a new token from @BotFather with /revoke',
};
const webhook: Explanation = {
  what: 'Telegram answers 409 Conflict: a webhook is set for the bot token, so polling receives nothing',
  cure: "remove it with the Bot API's deleteWebhook",
};
const unauthorized: Explanation = {
  what: 'Telegram does not recognise the bot token (401 Unauthorized)',
  cure: 'copy it from @BotFather again, or get a new one there with /revoke',
};
const badToken: Explanation = {
  what: 'the bot token is missing or malformed',
  cure: 'put the complete token from @BotFather into the variable that the bot reads',
};
const unreachable: Explanation = {
  what: 'Telegram cannot be reached from the bot',
  cure: 'its worker cannot reach the Bot API, or the network is down; the operator can set a proxy or TELEGRAM_API_BASE',
};
const flood = (seconds: string | undefined): Explanation => ({
  what: 'Telegram answers 429 Too Many Requests, because the bot calls it too often',
  cure: `${seconds === undefined ? 'wait' : `wait ${seconds} s`}, as Telegram asks, and send less at a time`,
});

const ofTelegram = /Grammy|Telegram|telegraf|getMe|getUpdates|telegram/;

export const telegramRules: readonly Rule[] = [
  // The webhook's 409 first: both begin with Conflict.
  rule('run', 'webhook_set', /Conflict: can't use getUpdates method while webhook is active/, webhook),
  rule('run', 'webhook_set', /\baiogram\.utils\.exceptions\.CantGetUpdates\b/, webhook),
  rule('run', 'conflict', /\bTerminatedByOtherGetUpdates\b/, conflict),
  rule('run', 'conflict', /Conflict: terminated by (other getUpdates request|setWebhook request)/, (match) =>
    match[1]?.startsWith('set') ? webhook : conflict,
  ),
  rule(
    'run',
    'flood',
    /\bTelegramRetryAfter: .{0,200}?Retry in (\d{1,6}) seconds|\btelegram\.error\.RetryAfter: .{0,100}?Retry in (\d{1,6})/,
    ([, one, two]) => flood(one ?? two),
  ),
  rule(
    'run',
    'flood',
    /\b429[:.)] ?(?:Description: )?Too Many Requests(?:: retry after (\d{1,6}))?/,
    (match, { text }) => (ofTelegram.test(text) ? flood(match[1]) : undefined),
  ),
  rule('run', 'flood', /\baiogram\.utils\.exceptions\.RetryAfter\b/, flood(undefined)),
  rule(
    'run',
    'unauthorized',
    /\bTelegramUnauthorizedError\b|\b(aiogram|telegram)[\w.]{0,60}\.Unauthorized\b/,
    unauthorized,
  ),
  rule(
    'run',
    'unauthorized',
    /\btelegram\.error\.(InvalidToken: (The token .{0,100} was rejected|Unauthorized|Not Found)|Unauthorized)/,
    unauthorized,
  ),
  rule(
    'run',
    'unauthorized',
    /\((401: Unauthorized|404: Not Found)\)|TelegramError: (401: Unauthorized|404: Not Found)/,
    (_, { text }) => (ofTelegram.test(text) ? unauthorized : undefined),
  ),
  rule(
    'run',
    'unauthorized',
    /Telegram does not know this BOT_TOKEN|Error code: 401\. Description: Unauthorized/,
    unauthorized,
  ),
  rule(
    'run',
    'bad_token',
    /\bTokenValidationError: |\baiogram\.utils\.exceptions\.ValidationError: Token is invalid|\btelegram\.error\.InvalidToken\b|^(Error: )?(Empty token!|Bot Token is required)|^ValueError: Token must (contain a colon|not contain spaces)|^Exception: Bot token is not defined|^TelegramError: 401: Bot Token is required/,
    badToken,
  ),
  rule('run', 'bad_token', /^TypeError: 'NoneType' object is not iterable$/, (_, { before }) =>
    before.some((text) => /\bin validate_token$/.test(text)) ? badToken : undefined,
  ),
  rule('run', 'network', /\b(TelegramNetworkError|aiogram\.utils\.exceptions\.NetworkError): /i, (_, { text }) =>
    /Cannot connect to host|Temporary failure|timeout|ClientConnector|ServerDisconnected/i.test(text)
      ? unreachable
      : undefined,
  ),
  rule('run', 'network', /\btelegram\.error\.(NetworkError: (httpx\.)?Connect|TimedOut)/, unreachable),
  rule(
    'run',
    'network',
    /\b(ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|ENETUNREACH)\b|Temporary failure in name resolution|Name or service not known|Network is unreachable|Failed to resolve/,
    (_, { text }) => (text.includes('api.telegram.org') ? unreachable : undefined),
  ),
];
