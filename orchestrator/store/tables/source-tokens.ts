/** Rows of the Telegram tokens in the sources of bots, as keyed hashes. They go with their artifact or bot, by triggers. */
import type { SourceTokenRow } from '../workspace/places.ts';
import { column, keyColumn } from './columns.ts';
import { numberOf, type Row, textOf } from './row.ts';

export const toSourceTokens = (row: Row): SourceTokenRow => ({
  sourceId: textOf(row, 'source_id'),
  revision: numberOf(row, 'revision'),
  userId: textOf(row, 'user_id'),
  botId: textOf(row, 'bot_id'),
  tokenKeys: JSON.parse(textOf(row, 'token_keys')) as string[], // only written from such a list
});

export const sourceTokenColumns = [
  keyColumn<SourceTokenRow>('source_id', ({ sourceId }) => sourceId),
  keyColumn<SourceTokenRow>('revision', ({ revision }) => revision),
  column<SourceTokenRow>('user_id', ({ userId }) => userId),
  column<SourceTokenRow>('bot_id', ({ botId }) => botId),
  column<SourceTokenRow>('token_keys', ({ tokenKeys }) => JSON.stringify(tokenKeys)),
];
