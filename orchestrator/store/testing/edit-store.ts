/** Changes a closed store past its program, as a failing disk or a strange hand does. */
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

/** `dataDir` as in DATA_DIR. */
export function editStore<T>(dataDir: string, edit: (db: DatabaseSync) => T): T {
  const db = new DatabaseSync(join(dataDir, 'orchestrator', 'store.sqlite'));
  try {
    return edit(db);
  } finally {
    db.close();
  }
}

/** Flips one bit in the middle of a blob. */
export function flipBit(db: DatabaseSync, table: string, column: string, where: string): void {
  const row = db.prepare(`SELECT ${column} AS bytes FROM ${table} WHERE ${where}`).get();
  const bytes = row?.['bytes'];
  if (!(bytes instanceof Uint8Array)) throw new Error(`there is no ${column} where ${where}`);
  const at = Math.floor(bytes.length / 2);
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  db.prepare(`UPDATE ${table} SET ${column} = ? WHERE ${where}`).run(bytes);
}
