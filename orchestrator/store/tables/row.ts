/** Typed reading of rows: the schema is STRICT, so a wrong type here is a bug of ours. */
import type { Json } from '#common/problem.ts';

export type Row = Readonly<Record<string, unknown>>;

function bug(row: Row, column: string, wanted: string): never {
  throw new TypeError(`column ${column} is ${row[column] === null ? 'null' : typeof row[column]}, not ${wanted}`);
}

export function textOf(row: Row, column: string): string {
  const value = row[column];
  return typeof value === 'string' ? value : bug(row, column, 'text');
}

export function numberOf(row: Row, column: string): number {
  const value = row[column];
  return typeof value === 'number' ? value : bug(row, column, 'a number');
}

export const textOrNull = (row: Row, column: string): string | null =>
  row[column] === null ? null : textOf(row, column);
export const numberOrNull = (row: Row, column: string): number | null =>
  row[column] === null ? null : numberOf(row, column);

export function bytesOf(row: Row, column: string): Uint8Array {
  const value = row[column];
  return value instanceof Uint8Array ? value : bug(row, column, 'bytes');
}

export const bytesOrNull = (row: Row, column: string): Uint8Array | null =>
  row[column] === null ? null : bytesOf(row, column);

/** JSON that this program wrote itself; `T` is what it wrote. */
export const jsonOf = <T = Json>(row: Row, column: string): T => JSON.parse(textOf(row, column)) as T;
export const jsonOrNull = <T = Json>(row: Row, column: string): T | null =>
  row[column] === null ? null : jsonOf<T>(row, column);
