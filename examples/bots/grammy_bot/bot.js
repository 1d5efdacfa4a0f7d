/**
 * Echo bot on grammY: answers every text message with the same text. Its packages come from the package.json beside it.
 *
 *     avtomatika-bot start grammy-bot --simple examples/bots/grammy_bot/ -e BOT_TOKEN=123:ABC
 *
 * or without the platform:
 *
 *     npm install --prefix examples/bots/grammy_bot
 *     BOT_TOKEN=123:ABC node examples/bots/grammy_bot/bot.js
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Bot, GrammyError } from 'grammy';

const retrySeconds = 2;

function fail(line) {
  console.error(line);
  process.exit(1);
}

const token = process.env.BOT_TOKEN;
if (!token) fail('Set BOT_TOKEN to the token that @BotFather gave you.');
// Set by the platform when it runs against another Bot API server than Telegram's own.
const apiBase = process.env.TELEGRAM_API_BASE?.replace(/\/+$/, '');
const bot = new Bot(token, apiBase ? { client: { apiRoot: apiBase } } : {});

bot.on('message:text', async (context) => {
  await context.reply(`Echo: ${context.message.text}`);
  console.log(`Answered ${context.chat.first_name ?? 'someone'}: ${context.message.text}`);
});
bot.catch(({ error }) => console.log(`Could not answer: ${error.message}`));

let isStopping = false;
for (const name of ['SIGTERM', 'SIGINT']) {
  process.once(name, async () => {
    isStopping = true;
    // Tells Telegram what was handled, so that no message is answered again after a restart.
    await bot.stop().catch((error) => console.log(`Telegram could not be told of the end: ${error.message}`));
    process.exit(0);
  });
}

while (!isStopping) {
  try {
    await bot.start({ onStart: ({ username }) => console.log(`Run polling for bot @${username}`) });
  } catch (error) {
    if (!(error instanceof GrammyError)) throw error;
    if (error.error_code === 401 || error.error_code === 404) fail('Telegram does not know this BOT_TOKEN.');
    // grammY ends its polling when another copy of the bot polls too.
    if (error.error_code !== 409) throw error;
    console.log(`Another copy of this bot is running (${error.description}).`);
    await sleep(retrySeconds * 1000);
  }
}
