/** Discord, as discord.py reports it. */
import { type Rule, rule } from './rule.ts';

export const discordRules: readonly Rule[] = [
  rule('run', 'discord_token', /\bdiscord\.errors\.LoginFailure\b|\bLoginFailure: Improper token has been passed/, {
    what: 'Discord does not recognise the bot token (401 Unauthorized)',
    cure: "copy it again from your application's Bot page in the Discord Developer Portal, or reset it there",
  }),
  rule('run', 'discord_token', /^TypeError: expected token to be a str, received /, {
    what: 'the bot token is missing',
    cure: 'set it in the variable that the bot reads',
  }),
  rule('run', 'discord_intents', /\bdiscord\.errors\.PrivilegedIntentsRequired\b/, {
    what: 'the bot requests privileged intents from Discord that are not switched on for it',
    cure: "switch them on on your application's Bot page in the Discord Developer Portal, or request fewer",
  }),
  rule(
    'run',
    'wrong_version',
    /^TypeError: (?:Client|Bot|BotBase)\.__init__\(\) missing 1 required [\w-]{1,40} argument: 'intents'/,
    {
      what: 'the code was written for discord.py 1; the installed version is newer and requires intents',
      cure: 'pass intents=discord.Intents.default() to the client',
    },
  ),
  rule(
    'run',
    'discord_flood',
    /\bdiscord\.errors\.HTTPException: 429 Too Many Requests\b|We are being rate limited\./,
    {
      what: 'Discord answers 429 Too Many Requests, because the bot calls it too often',
      cure: 'wait, and send less at a time',
    },
  ),
  rule(
    'run',
    'network',
    /Cannot connect to host (?:discord\.com|gateway\.discord\.gg)\b|\b(?:ENOTFOUND|EAI_AGAIN) (?:discord\.com|gateway\.discord\.gg)/,
    {
      what: 'Discord cannot be reached from the bot',
      cure: 'its worker has no internet access, or the network is down; the operator can set a proxy',
    },
  ),
];
