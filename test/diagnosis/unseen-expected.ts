/** What is right to say about the outputs that the rules were written without; decided before any of them was looked at. */

export interface Expected {
  /** What must be said. */
  readonly says: RegExp;
  /** What would be wrong, beyond saying something else. */
  readonly never?: RegExp;
}

export const unseenExpected: Readonly<Record<string, Expected>> = {
  'python-3.13-own-module': { says: /own/, never: /add \S+ to the requirements/ },
  'python-3.9-syntax-nested': { says: /syntax error in routers\/admin\.py, line 2\b/ },
  'python-3.13-input': { says: /input/ },
  'python-3.12-relative-beyond': { says: /relative import/ },
  'python-3.9-time-zone': { says: /tzdata/ },
  'python-thread-pool': { says: /thread/ },
  'python-3.12-sqlite-open': { says: /data\b.*|database/ },
  'python-3.13-executable': { says: /ffmpeg/, never: /add ffmpeg to the requirements/ },
  'shell-crlf-bash-script': { says: /Windows|CRLF/ },
  'node-localhost-names': { says: /localhost:5432/ },
  'node-24-own-file-esm': { says: /menus\/main\.js/, never: /requirements|package\.json/ },
  'aiogram-flood-at-start': { says: /429/, never: /cannot be reached/ },
  'telebot-infinity-conflict': { says: /409 Conflict: another/, never: /outside/ },
  'telegram-bot-get-me-unauthorized': { says: /does not recognise the bot token/ },
  'telegraf-webhook': { says: /webhook is set/ },
  'grammy-catch-unauthorized': { says: /does not recognise the bot token/ },
  'discord-logged-network': { says: /Discord cannot be reached/ },
  'pip-24-closed-index': { says: /index could not be reached/, never: /spelling/ },
  'pip-24-conflict': { says: /contradict|conflict/, never: /spelling/ },
  'pip-24-certificate': { says: /certificate/, never: /spelling/ },
  'npm-scoped-absent': { says: /@company\/bot-kit|no package with a name/ },
  'git-wrong-credentials': { says: /credentials/ },
};
