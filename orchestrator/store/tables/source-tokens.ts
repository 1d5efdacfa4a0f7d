/** Telegram tokens in the sources of bots, as keyed hashes. Rows go with their artifact or bot, by triggers. */
import type { Statements } from '../damage.ts';
import type { SourceTokenTable } from '../store.ts';
import { textOf } from './row.ts';

export function createSourceTokenTable(db: Statements): SourceTokenTable {
  const newest = db.prepare(
    'SELECT token_keys FROM source_tokens WHERE source_id = ? AND revision <= ? ORDER BY revision DESC LIMIT 1',
  );
  const put = db.prepare(
    `INSERT INTO source_tokens (source_id, revision, user_id, bot_id, token_keys) VALUES (?, ?, ?, ?, ?)
     ON CONFLICT (source_id, revision) DO UPDATE SET token_keys = excluded.token_keys`,
  );
  const keepOnly = db.prepare(
    'DELETE FROM source_tokens WHERE user_id = ? AND bot_id = ? AND (source_id <> ? OR revision > ?)',
  );
  const dropOlder = db.prepare(
    `DELETE FROM source_tokens WHERE source_id = ?1 AND user_id = ?2 AND bot_id = ?3 AND revision <
       (SELECT MAX(revision) FROM source_tokens WHERE source_id = ?1 AND revision <= ?4)`,
  );
  return {
    of: (sourceId, revision) => {
      const row = newest.get(sourceId, revision);
      return row && (JSON.parse(textOf(row, 'token_keys')) as string[]); // put alone writes it
    },
    put: (sourceId, revision, bot, tokenKeys) => {
      put.run(sourceId, revision, bot?.userId ?? '', bot?.botId ?? '', JSON.stringify(tokenKeys));
    },
    settle: (sourceId, revision, { userId, botId }) => {
      keepOnly.run(userId, botId, sourceId, revision);
      dropOlder.run(sourceId, userId, botId, revision);
    },
  };
}
