/** A table's columns with what each holds of a row: the statement and its values cannot come apart. */
import type { SQLInputValue } from 'node:sqlite';
import type { Statements } from '../damage.ts';

export interface Column<R> {
  readonly name: string;
  /** True for those of the primary key. */
  readonly isKey?: true;
  readonly of: (row: R) => SQLInputValue;
}

export const keyColumn = <R>(name: string, of: Column<R>['of']): Column<R> => ({ name, isKey: true, of });
export const column = <R>(name: string, of: Column<R>['of']): Column<R> => ({ name, of });

/** Writes a whole row, whether there is one of its key or not. Indexes of columns that stay as they are, are not touched. */
export function createWriter<R>(db: Statements, table: string, columns: readonly Column<R>[]): (row: R) => void {
  const names = columns.map(({ name }) => name);
  const keys = columns.filter(({ isKey }) => isKey).map(({ name }) => name);
  const rest = columns.filter(({ isKey }) => !isKey).map(({ name }) => `${name} = excluded.${name}`);
  const statement = db.prepare(`
    INSERT INTO ${table} (${names.join(', ')}) VALUES (${names.map(() => '?').join(', ')})
    ON CONFLICT (${keys.join(', ')}) DO ${rest.length === 0 ? 'NOTHING' : `UPDATE SET ${rest.join(', ')}`}`);
  return (row) => {
    statement.run(...columns.map(({ of }) => of(row)));
  };
}

/** Removes the row that has the key of the one given. */
export function createRemover<R>(db: Statements, table: string, columns: readonly Column<R>[]): (row: R) => void {
  const keys = columns.filter(({ isKey }) => isKey);
  const statement = db.prepare(`DELETE FROM ${table} WHERE ${keys.map(({ name }) => `${name} = ?`).join(' AND ')}`);
  return (row) => {
    statement.run(...keys.map(({ of }) => of(row)));
  };
}
