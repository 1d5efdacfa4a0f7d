/** The libraries that bots are written with, against the stand-ins of Telegram and Discord. */
import type { Scenario, Servers } from './scenario.ts';

const aiogramRequirement = ['aiogram>=3.0'];
const telegramBotRequirement = ['python-telegram-bot>=21,<22'];
const telebotRequirement = ['pyTelegramBotAPI>=4,<5'];
const discordRequirement = ['discord.py>=2,<3'];

const inPython = (name: string, pip: readonly string[], code: string, more: Partial<Scenario> = {}): Scenario => ({
  name,
  kind: 'run',
  pip,
  files: { 'bot.py': code.startsWith('\n') ? code.slice(1) : code },
  argv: () => ['python', 'bot.py'],
  env: ({ telegram, token, discord }) => ({ BOT_TOKEN: token, API: telegram.url, DISCORD: discord }),
  ...more,
});

const aiogramBot = (start = '') => `
import asyncio, logging, os
from aiogram import Bot, Dispatcher
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer

logging.basicConfig(level=logging.INFO)
dispatcher = Dispatcher()

async def main():
    session = AiohttpSession(api=TelegramAPIServer.from_base(os.environ["API"]))
    bot = Bot(os.environ["BOT_TOKEN"], session=session)
${start}    await dispatcher.start_polling(bot)

asyncio.run(main())
`;
const telegramBot = `
import logging, os
from telegram.ext import Application

logging.basicConfig(level=logging.INFO)
builder = Application.builder().token(os.environ["BOT_TOKEN"])
if "API" in os.environ:
    builder = builder.base_url(os.environ["API"] + "/bot")
builder.build().run_polling(bootstrap_retries=0)
`;
const telegramBotCall = (method: string) => `
import asyncio, os
from telegram import Bot

async def main():
    async with Bot(os.environ["BOT_TOKEN"], base_url=os.environ["API"] + "/bot") as bot:
        print(await bot.${method}())

asyncio.run(main())
`;
const telebotBot = (start = 'bot.polling(non_stop=False)') => `
import os, telebot
from telebot import apihelper

if "API" in os.environ:
    apihelper.API_URL = os.environ["API"] + "/bot{0}/{1}"
bot = telebot.TeleBot(os.environ["BOT_TOKEN"])
${start}
`;
const discordBot = (intents = 'discord.Intents.default()') => `
import os, discord, yarl

discord.http.Route.BASE = os.environ["DISCORD"] + "/api/v10"
discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(os.environ["DISCORD"] + "/gateway")
client = discord.Client(intents=${intents})
client.run(os.environ["BOT_TOKEN"])
`;

const inNode = (name: string, npm: readonly string[], code: string, more: Partial<Scenario> = {}): Scenario => ({
  name,
  kind: 'run',
  npm,
  files: { 'bot.js': code.startsWith('\n') ? code.slice(1) : code },
  argv: () => ['node', 'bot.js'],
  env: ({ telegram, token }) => ({ BOT_TOKEN: token, API: telegram.url }),
  ...more,
});
const grammyBot = (start = '') => `
const { Bot } = require('grammy');
const bot = new Bot(process.env.BOT_TOKEN ?? '', { client: process.env.API ? { apiRoot: process.env.API } : {} });
${start}bot.start();
`;
const telegrafBot = (start = '') => `
const { Telegraf } = require('telegraf');
const bot = new Telegraf(process.env.BOT_TOKEN, process.env.API ? { telegram: { apiRoot: process.env.API } } : {});
${start}bot.launch();
`;
const grammy = ['grammy@^1.30'];
const telegraf = ['telegraf@^4.16'];

const call = ({ telegram, token }: Servers, method: string) => fetch(`${telegram.url}/bot${token}/${method}`);

/** Another copy that polls, until it is undone: each of its polls ends the other's. */
async function anotherCopy(servers: Servers): Promise<() => Promise<void>> {
  let ended = false;
  const polling = (async () => {
    while (!ended) await call(servers, 'getUpdates?timeout=1').then((answer) => answer.text());
  })();
  return async () => {
    ended = true;
    await polling;
  };
}
async function webhook(servers: Servers): Promise<() => Promise<void>> {
  await call(servers, 'setWebhook?url=https%3A%2F%2Fbot.example.com%2Fhook');
  return async () => void (await call(servers, 'deleteWebhook'));
}
const flood =
  (method: 'getMe' | 'getUpdates' | 'sendMessage') =>
  async ({ telegram, token }: Servers): Promise<() => Promise<void>> => {
    telegram.flood(token, { method, count: 1, retryAfterS: 35 });
    return async () => undefined;
  };
const unknownToken = '123456789:AAunknown-unknown-unknown-unknown-0001';
const withToken =
  (token: string) =>
  ({ telegram, discord }: Servers) => ({ BOT_TOKEN: token, API: telegram.url, DISCORD: discord });
const straight = { env: ({ token }: Servers) => ({ BOT_TOKEN: token }), offline: true } as const;

const aiogramStraight = `
import asyncio, logging, os
from aiogram import Bot, Dispatcher

logging.basicConfig(level=logging.INFO)
asyncio.run(Dispatcher().start_polling(Bot(os.environ["BOT_TOKEN"])))
`;

export const libraryScenarios: readonly Scenario[] = [
  inPython('aiogram-conflict', aiogramRequirement, aiogramBot(), { around: anotherCopy, until: /Conflict/ }),
  inPython('aiogram-webhook', aiogramRequirement, aiogramBot(), { around: webhook, until: /Conflict/ }),
  inPython('aiogram-unauthorized', aiogramRequirement, aiogramBot(), { env: withToken(unknownToken) }),
  inPython(
    'aiogram-no-token',
    aiogramRequirement,
    aiogramBot().replace('os.environ["BOT_TOKEN"]', 'os.getenv("TOKEN")'),
  ),
  inPython('aiogram-bad-token', aiogramRequirement, aiogramBot(), { env: withToken('PUT_YOUR_TOKEN_HERE') }),
  inPython('aiogram-network', aiogramRequirement, aiogramStraight, straight),
  inPython('aiogram-flood', aiogramRequirement, aiogramBot(), { around: flood('getUpdates'), until: /Flood|Retry/ }),
  inPython('aiogram-closed-server', aiogramRequirement, aiogramBot(), {
    env: ({ token, closed }) => ({ BOT_TOKEN: token, API: closed }),
  }),
  inPython('aiogram-2-executor', aiogramRequirement, 'from aiogram import Bot, Dispatcher, executor\n'),
  inPython(
    'aiogram-parse-mode',
    aiogramRequirement,
    'import os\nfrom aiogram import Bot\nBot(os.environ["BOT_TOKEN"], parse_mode="HTML")\n',
  ),
  inPython('telegram-bot-conflict', telegramBotRequirement, telegramBot, {
    around: anotherCopy,
    until: /Conflict: terminated/,
  }),
  inPython('telegram-bot-webhook', telegramBotRequirement, telegramBotCall('get_updates'), { around: webhook }),
  inPython('telegram-bot-unauthorized', telegramBotRequirement, telegramBot, { env: withToken(unknownToken) }),
  inPython(
    'telegram-bot-no-token',
    telegramBotRequirement,
    'from telegram.ext import Application\nApplication.builder().token("").build()\n',
  ),
  inPython('telegram-bot-network', telegramBotRequirement, telegramBot, straight),
  inPython('telegram-bot-flood', telegramBotRequirement, telegramBotCall('get_me'), { around: flood('getMe') }),
  inPython('telegram-bot-13-filters', telegramBotRequirement, 'from telegram.ext import Updater, Filters\n'),
  inPython(
    'telegram-bot-13-updater',
    telegramBotRequirement,
    'from telegram.ext import Updater\nUpdater("123:ABC", use_context=True)\n',
  ),
  inPython('telebot-conflict', telebotRequirement, telebotBot(), { around: anotherCopy, until: /Conflict/ }),
  inPython('telebot-unauthorized', telebotRequirement, telebotBot(), { env: withToken(unknownToken) }),
  inPython('telebot-bad-token', telebotRequirement, telebotBot(), { env: withToken('PUT_YOUR_TOKEN_HERE') }),
  inPython(
    'telebot-no-token',
    telebotRequirement,
    telebotBot().replace('os.environ["BOT_TOKEN"]', 'os.getenv("TOKEN")'),
  ),
  inPython('telebot-network', telebotRequirement, telebotBot(), straight),
  inPython('telebot-flood', telebotRequirement, telebotBot('print(bot.get_me())'), { around: flood('getMe') }),
  inPython('discord-bad-token', discordRequirement, discordBot(), { env: withToken('bad') }),
  inPython('discord-intents', discordRequirement, discordBot('discord.Intents.all()')),
  inPython('discord-no-intents', discordRequirement, 'import discord\ndiscord.Client()\n'),
  inPython(
    'discord-no-token',
    discordRequirement,
    discordBot().replace('os.environ["BOT_TOKEN"]', 'os.getenv("TOKEN")'),
  ),
  inPython('discord-network', discordRequirement, discordBot().replace(/^discord\.(http|gateway).*$/gm, ''), straight),
  inNode('grammy-conflict', grammy, grammyBot(), { around: anotherCopy, until: /Conflict/ }),
  inNode('grammy-unauthorized', grammy, grammyBot(), { env: withToken(unknownToken) }),
  inNode('grammy-no-token', grammy, grammyBot(), { env: () => ({}) }),
  inNode(
    'grammy-network',
    grammy,
    grammyBot('bot.api.getMe().catch((error) => { console.error(error); process.exit(1); });\n//'),
    straight,
  ),
  inNode('grammy-flood', grammy, grammyBot("bot.api.sendMessage(1, 'hi');\n//"), { around: flood('sendMessage') }),
  inNode('telegraf-conflict', telegraf, telegrafBot(), { around: anotherCopy, until: /Conflict/ }),
  inNode('telegraf-unauthorized', telegraf, telegrafBot(), { env: withToken(unknownToken) }),
  inNode('telegraf-no-token', telegraf, telegrafBot('bot.telegram.getMe();\n//'), {
    env: ({ telegram }) => ({ API: telegram.url }),
  }),
  inNode('telegraf-network', telegraf, telegrafBot(), straight),
  inNode('telegraf-flood', telegraf, telegrafBot(), { around: flood('getMe') }),
  // Set aside.
  inPython('aiogram-flood-at-start', aiogramRequirement, aiogramBot('    await bot.send_message(1, "started")\n'), {
    around: flood('sendMessage'),
    unseen: true,
  }),
  inPython('telebot-infinity-conflict', telebotRequirement, telebotBot('bot.infinity_polling(timeout=1)'), {
    around: anotherCopy,
    until: /Conflict/,
    unseen: true,
  }),
  inPython(
    'telegram-bot-get-me-unauthorized',
    telegramBotRequirement,
    'import asyncio, os\nfrom telegram import Bot\nbot = Bot(os.environ["BOT_TOKEN"], base_url=os.environ["API"] + "/bot")\nasyncio.run(bot.get_me())\n',
    {
      env: withToken(unknownToken),
      unseen: true,
    },
  ),
  inNode('telegraf-webhook', telegraf, telegrafBot("bot.telegram.callApi('getUpdates', {});\n//"), {
    around: webhook,
    unseen: true,
  }),
  inNode(
    'grammy-catch-unauthorized',
    grammy,
    grammyBot('bot.api.getMe().catch((error) => console.error(String(error)));\n//'),
    {
      env: withToken(unknownToken),
      unseen: true,
    },
  ),
  inPython(
    'discord-logged-network',
    discordRequirement,
    discordBot()
      .replace(/^discord\.gateway.*$/m, '')
      .replace(/^discord\.http.*$/m, 'discord.utils.setup_logging()'),
    {
      ...straight,
      unseen: true,
    },
  ),
];
