/** Rows of the openings of the store. */
import type { OpeningRow } from '../workspace/values.ts';
import { column, keyColumn } from './columns.ts';
import { numberOf, type Row, textOf } from './row.ts';

export const toOpening = (row: Row): OpeningRow => ({
  n: numberOf(row, 'n'),
  id: textOf(row, 'id'),
  fromSeq: numberOf(row, 'from_seq'),
  at: numberOf(row, 'at'),
});

export const openingColumns = [
  keyColumn<OpeningRow>('n', ({ n }) => n),
  column<OpeningRow>('id', ({ id }) => id),
  column<OpeningRow>('from_seq', ({ fromSeq }) => fromSeq),
  column<OpeningRow>('at', ({ at }) => at),
];
