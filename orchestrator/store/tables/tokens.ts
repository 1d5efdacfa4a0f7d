/** Rows of tokens, by their sha256. */
import type { Scope, TokenRecord } from '../../core/records.ts';
import { column, keyColumn } from './columns.ts';
import { numberOf, type Row, textOf } from './row.ts';

export const toAccessToken = (row: Row): TokenRecord => ({
  tokenSha256: textOf(row, 'token_sha256'),
  userId: textOf(row, 'user_id'),
  scope: textOf(row, 'scope') as Scope, // held by the column's CHECK
  name: textOf(row, 'name'),
  source: textOf(row, 'source') as TokenRecord['source'], // held by the column's CHECK
  createdAt: numberOf(row, 'created_at'),
});

export const accessTokenColumns = [
  keyColumn<TokenRecord>('token_sha256', ({ tokenSha256 }) => tokenSha256),
  column<TokenRecord>('user_id', ({ userId }) => userId),
  column<TokenRecord>('scope', ({ scope }) => scope),
  column<TokenRecord>('name', ({ name }) => name),
  column<TokenRecord>('source', ({ source }) => source),
  column<TokenRecord>('created_at', ({ createdAt }) => createdAt),
];
