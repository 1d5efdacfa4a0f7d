/** npm packages that may be proposed by name: those that bots commonly use. Any other name may be free for anybody. */
const names: ReadonlySet<string> = new Set(
  '@prisma/client axios better-sqlite3 body-parser bullmq cheerio cors cron dayjs discord.js dotenv eris express fastify grammy i18next ioredis jsonwebtoken knex koa lodash luxon moment mongodb mongoose mysql2 nanoid node-cron node-fetch node-telegram-bot-api openai pg pino puppeteer redis sequelize sharp socket.io sqlite3 telegraf tsx typeorm typescript undici uuid vk-io winston ws zod'.split(
    ' ',
  ),
);
/** Only their owners can publish in these. */
const scopes = /^@(?:discordjs|grammyjs|nestjs|telegraf|types)\//;

/** Whether there is such a package, and it is the one that code of that import means. */
export const knownNodePackage = (name: string): boolean => names.has(name) || scopes.test(name);
