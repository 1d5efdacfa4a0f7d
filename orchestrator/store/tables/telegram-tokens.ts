/** Which bot has which Telegram token. Only a keyed hash of the token is kept. */
import type { Statements } from '../damage.ts';
import type { TelegramTokenTable } from '../store.ts';
import { textOf } from './row.ts';

export function createTelegramTokenTable(db: Statements): TelegramTokenTable {
  const owner = db.prepare('SELECT user_id, bot_id FROM telegram_tokens WHERE token_key = ?');
  const ofBot = db.prepare('SELECT token_key FROM telegram_tokens WHERE user_id = ? AND bot_id = ?');
  const put = db.prepare('INSERT INTO telegram_tokens (token_key, user_id, bot_id) VALUES (?, ?, ?)');
  const remove = db.prepare('DELETE FROM telegram_tokens WHERE token_key = ?');
  const withOtherKeys = db.prepare(
    'SELECT DISTINCT user_id, bot_id FROM telegram_tokens WHERE substr(token_key, 1, ?) <> ?',
  );
  return {
    owner: (tokenKey) => {
      const row = owner.get(tokenKey);
      return row && { userId: textOf(row, 'user_id'), botId: textOf(row, 'bot_id') };
    },
    ofBot: ({ userId, botId }) => ofBot.all(userId, botId).map((row) => textOf(row, 'token_key')),
    put: (tokenKey, { userId, botId }) => {
      put.run(tokenKey, userId, botId);
    },
    remove: (tokenKey) => {
      remove.run(tokenKey);
    },
    withOtherKeys: (prefix) =>
      withOtherKeys
        .all(prefix.length, prefix)
        .map((row) => ({ userId: textOf(row, 'user_id'), botId: textOf(row, 'bot_id') })),
  };
}
