/**
 * Echo bot for Node with no packages: answers every text message with the same text.
 *
 *     avtomatika-bot start echo-bot --simple examples/bots/echo_bot.mjs -e BOT_TOKEN=123:ABC
 *
 * or without the platform:
 *
 *     BOT_TOKEN=123:ABC node examples/bots/echo_bot.mjs
 */
import { setTimeout as sleep } from 'node:timers/promises';

const pollSeconds = 30;
const retrySeconds = 2;

const token = process.env.BOT_TOKEN;
// Set by the platform when it runs against another Bot API server than Telegram's own.
const apiBase = (process.env.TELEGRAM_API_BASE || 'https://api.telegram.org').replace(/\/+$/, '');

/** Telegram answered, but not with what was asked for. */
class Refused extends Error {
  constructor(answer) {
    super(`${answer.error_code} ${answer.description}`);
    this.code = answer.error_code;
    this.retryAfterS = answer.parameters?.retry_after ?? retrySeconds;
  }
}

/** Calls one Bot API method. Throws Refused, or another error when there was no proper answer. */
async function call(method, params = {}, timeoutSeconds = 15) {
  const response = await fetch(`${apiBase}/bot${token}/${method}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(params),
    signal: AbortSignal.timeout(timeoutSeconds * 1000),
  });
  const answer = await response.json();
  if (!answer.ok) throw new Refused(answer);
  return answer.result;
}

/** Calls a method until it succeeds. A token that Telegram does not know ends the bot: retrying is of no use. */
async function persist(method, params, timeoutSeconds) {
  for (;;) {
    try {
      return await call(method, params, timeoutSeconds);
    } catch (error) {
      if (!(error instanceof Refused)) {
        console.log(
          `Telegram cannot be reached (${error.cause?.code ?? error.message}); retrying in ${retrySeconds} s.`,
        );
        await sleep(retrySeconds * 1000);
        continue;
      }
      if (error.code === 401 || error.code === 404) fail(`Telegram does not know this BOT_TOKEN (${error.message}).`);
      if (error.code === 409)
        console.log(`Another copy of this bot is running, or it has a webhook (${error.message}).`);
      else if (error.code === 429 || error.code >= 500) console.log(`Telegram asks for patience (${error.message}).`);
      else throw error;
      await sleep(error.retryAfterS * 1000);
    }
  }
}

async function handle(message) {
  if (!message?.text) return;
  try {
    await persist('sendMessage', { chat_id: message.chat.id, text: `Echo: ${message.text}` });
    console.log(`Answered ${message.chat.first_name ?? 'someone'}: ${message.text}`);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    console.log(`Could not answer: ${error.message}`);
  }
}

function fail(line) {
  console.error(line);
  process.exit(1);
}

// The first process of a container gets no default reaction to SIGTERM.
for (const name of ['SIGTERM', 'SIGINT']) process.once(name, () => process.exit(0));
if (!token) fail('Set BOT_TOKEN to the token that @BotFather gave you.');

console.log(`Run polling for bot @${(await persist('getMe')).username}`);
let offset = 0;
for (;;) {
  // Asking for a higher offset tells Telegram that everything below it is done.
  for (const update of await persist('getUpdates', { offset, timeout: pollSeconds }, pollSeconds + 10)) {
    offset = update.update_id + 1;
    await handle(update.message);
  }
}
