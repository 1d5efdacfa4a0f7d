/** Typed reading of rows: the schema is STRICT, so a wrong type here is a bug of ours. */
import type { Json } from '#common/json.ts';

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

/**
 * JSON that this program wrote itself; `T` is what it wrote, and `damaged` stands for text that a failing disk or a strange
 * hand has changed: one such row must not keep all others from being read.
 */
export function jsonOf<T = Json>(row: Row, column: string, damaged: T): T {
  try {
    const value: unknown = JSON.parse(textOf(row, column));
    // Only objects and lists are ever written.
    return typeof value === 'object' && value !== null && Array.isArray(value) === Array.isArray(damaged)
      ? (value as T)
      : damaged;
  } catch (error) {
    if (error instanceof SyntaxError) return damaged;
    throw error;
  }
}

/** As jsonOf; null stays null. */
export const jsonOrNull = <T = Json>(row: Row, column: string, damaged: T): T | null =>
  row[column] === null ? null : jsonOf<T>(row, column, damaged);

/** One of a closed set of words; `damaged` for any other, such as one of a newer release. */
export function wordOf<W extends string>(row: Row, column: string, words: readonly W[], damaged: W): W {
  const value = textOf(row, column);
  return words.find((word) => word === value) ?? damaged;
}
