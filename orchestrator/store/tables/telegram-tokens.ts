/** Which bot has which Telegram token, a row each. Only a keyed hash of the token is kept. */
import type { TokenRow } from '../workspace/places.ts';
import { column, keyColumn } from './columns.ts';
import { type Row, textOf } from './row.ts';

export const toTokenRow = (row: Row): TokenRow => ({
  tokenKey: textOf(row, 'token_key'),
  userId: textOf(row, 'user_id'),
  botId: textOf(row, 'bot_id'),
});

export const tokenColumns = [
  keyColumn<TokenRow>('token_key', ({ tokenKey }) => tokenKey),
  column<TokenRow>('user_id', ({ userId }) => userId),
  column<TokenRow>('bot_id', ({ botId }) => botId),
];
