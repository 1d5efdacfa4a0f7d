/** Table of tokens, by their sha256. */

import type { Scope, TokenRecord } from '../../core/records.ts';
import type { Statements } from '../damage.ts';
import type { TokenTable } from '../tables.ts';
import { numberOf, textOf } from './row.ts';

export function createTokenTable(db: Statements): TokenTable {
  const all = db.prepare('SELECT * FROM tokens ORDER BY created_at, token_sha256');
  const put = db.prepare(`
    INSERT OR REPLACE INTO tokens (token_sha256, user_id, scope, name, source, created_at) VALUES (?, ?, ?, ?, ?, ?)`);
  const remove = db.prepare('DELETE FROM tokens WHERE token_sha256 = ?');
  return {
    all: () =>
      all.all().map((row) => ({
        tokenSha256: textOf(row, 'token_sha256'),
        userId: textOf(row, 'user_id'),
        scope: textOf(row, 'scope') as Scope, // held by the column's CHECK
        name: textOf(row, 'name'),
        source: textOf(row, 'source') as TokenRecord['source'], // held by the column's CHECK
        createdAt: numberOf(row, 'created_at'),
      })),
    put: (token) => {
      put.run(token.tokenSha256, token.userId, token.scope, token.name, token.source, token.createdAt);
    },
    remove: (tokenSha256) => {
      remove.run(tokenSha256);
    },
  };
}
