/** Rows of single values. */
import type { MetaRow } from '../workspace/values.ts';
import { column, keyColumn } from './columns.ts';
import { type Row, textOf } from './row.ts';

export const toMeta = (row: Row): MetaRow => ({ name: textOf(row, 'key'), value: textOf(row, 'value') });

export const metaColumns = [
  keyColumn<MetaRow>('key', ({ name }) => name),
  column<MetaRow>('value', ({ value }) => value),
];
