/**
 * Asks Telegram about a bot's tokens before the bot is built: whether it knows them, and whether a webhook would keep the
 * bot from polling. Only an answer can fail a start; silence is a warning. See docs/adr/0013-preflight-on-the-worker.md.
 */
import { fail, ok, type Problem, problem, type Result } from '#common/problem.ts';
import { Secret } from '#common/secret.ts';
import { telegramTokenVariables } from '#common/telegram-token.ts';
import { trimEnd } from '#common/trim-end.ts';
import type { AskTelegram } from './ask-telegram.ts';

export interface Preflight {
  /**
   * A start may continue, with notices for its user, or not: INVALID_TELEGRAM_TOKEN, CONFLICTING_WEBHOOK. Bounded by
   * a few seconds whatever Telegram does. Throws only the signal's reason.
   */
  check(env: Readonly<Record<string, string>>, signal: AbortSignal): Promise<Result<readonly string[]>>;
}

const publicApiBase = 'https://api.telegram.org';

// No real bot has more tokens than that; each question may cost seconds.
const tokensMax = 3;

/**
 * Which Bot API server is asked; undefined for none. By the operator's word (TELEGRAM_PREFLIGHT), or, without one, where
 * the operator has named a server (TELEGRAM_API_BASE).
 */
export const preflightBase = (wanted: boolean | undefined, apiBase: string | undefined): string | undefined =>
  (wanted ?? apiBase !== undefined) ? (apiBase ?? publicApiBase) : undefined;

/** Where preflights are not made. */
export const noPreflight: Preflight = { check: async () => ok([]) };

/** `base` is where `ask` asks; a bot that talks to another Bot API server is not for this one to judge. */
export function createPreflight(base: string, ask: AskTelegram): Preflight {
  return {
    async check(env, signal) {
      const own = env['TELEGRAM_API_BASE'] ?? publicApiBase;
      if (plain(own) !== plain(base)) return ok([]);
      const warnings: string[] = [];
      for (const { name, token } of telegramTokenVariables(env).slice(0, tokensMax)) {
        const found = await checkToken(name, new Secret(token), ask, signal);
        if (found !== undefined && typeof found !== 'string') return fail(found);
        // One that does not answer will not answer about the next token either.
        if (found !== undefined) return ok([...warnings, found]);
      }
      return ok(warnings);
    },
  };
}

const plain = (url: string): string => trimEnd(url, '/');

/** Undefined when all is well, a warning when nobody knows. */
async function checkToken(
  variable: string,
  token: Secret,
  ask: AskTelegram,
  signal: AbortSignal,
): Promise<Problem | string | undefined> {
  const me = await ask(token, 'getMe', signal);
  if (me.kind === 'silent') return silence(variable);
  if (me.kind === 'refused') {
    // 401 for a token that nobody has (any more), 404 for one that cannot be a token.
    return me.code === 401 || me.code === 404 ? invalidToken(variable) : refusal(variable, me.code);
  }
  const webhook = await ask(token, 'getWebhookInfo', signal);
  if (webhook.kind === 'silent') return silence(variable);
  if (webhook.kind === 'refused') return refusal(variable, webhook.code);
  const url = webhookUrl(webhook.result);
  return url === '' ? undefined : conflictingWebhook(variable, url);
}

const silence = (variable: string): string =>
  `Telegram could not be asked about the token in ${variable}; the bot is started anyway`;
const refusal = (variable: string, code: number): string =>
  `Telegram answered ${code} when asked about the token in ${variable}; the bot is started anyway`;

const invalidToken = (variable: string): Problem =>
  problem('INVALID_TELEGRAM_TOKEN', `Telegram does not recognise the bot token in ${variable}.`, {
    details: { field: `env_vars.${variable}` },
    hint: 'Copy the token from @BotFather again, or make a new one there with /revoke; then start the bot with it.',
  });

function conflictingWebhook(variable: string, url: string): Problem {
  // Only the URL's host: its path often holds the token.
  const host = URL.parse(url)?.hostname ?? '';
  return problem(
    'CONFLICTING_WEBHOOK',
    `A webhook${host === '' ? '' : ` at ${host}`} is set for the bot token in ${variable}: Telegram sends updates there, and polling receives nothing.`,
    {
      details: { field: `env_vars.${variable}`, ...(host === '' ? {} : { webhook_host: host }) },
      hint: `Remove it: open https://api.telegram.org/bot<token>/deleteWebhook with your token in place of <token>, then start the bot again.`,
    },
  );
}

const webhookUrl = (result: unknown): string =>
  typeof result === 'object' && result !== null && 'url' in result && typeof result.url === 'string' ? result.url : '';
