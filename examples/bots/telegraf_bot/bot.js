/**
 * Echo bot on Telegraf: answers every text message with the same text. Its packages come from the package.json beside it.
 *
 *     avtomatika-bot start telegraf-bot --simple examples/bots/telegraf_bot/ -e BOT_TOKEN=123:ABC
 *
 * or without the platform:
 *
 *     npm install --prefix examples/bots/telegraf_bot
 *     BOT_TOKEN=123:ABC node examples/bots/telegraf_bot/bot.js
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Telegraf, TelegramError } from 'telegraf';
import { message } from 'telegraf/filters';

const retrySeconds = 2;

function fail(line) {
  console.error(line);
  process.exit(1);
}

const token = process.env.BOT_TOKEN;
if (!token) fail('Set BOT_TOKEN to the token that @BotFather gave you.');
// Set by the platform when it runs against another Bot API server than Telegram's own.
const apiBase = process.env.TELEGRAM_API_BASE?.replace(/\/+$/, '');
const bot = new Telegraf(token, apiBase ? { telegram: { apiRoot: apiBase } } : {});

bot.on(message('text'), async (context) => {
  await context.reply(`Echo: ${context.message.text}`);
  console.log(`Answered ${context.chat.first_name ?? 'someone'}: ${context.message.text}`);
});
bot.catch((error) => console.log(`Could not answer: ${error.message}`));

// A poll lasts for up to 50 seconds: leave at once, and the unanswered rest comes with the next start.
for (const name of ['SIGTERM', 'SIGINT']) process.once(name, () => process.exit(0));

for (;;) {
  try {
    await bot.launch(() => console.log(`Run polling for bot @${bot.botInfo.username}`));
  } catch (error) {
    if (!(error instanceof TelegramError)) throw error;
    if (error.code === 401 || error.code === 404) fail('Telegram does not know this BOT_TOKEN.');
    // Telegraf ends its polling when another copy of the bot polls too.
    if (error.code !== 409) throw error;
    console.log(`Another copy of this bot is running (${error.description}).`);
    await sleep(retrySeconds * 1000);
  }
}
