/** Table of single values. */
import type { Statements } from '../damage.ts';
import type { MetaTable } from '../tables.ts';
import { textOf } from './row.ts';

export function createMetaTable(db: Statements): MetaTable {
  const get = db.prepare('SELECT value FROM meta WHERE key = ?');
  const set = db.prepare('INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)');
  return {
    get: (name) => {
      const row = get.get(name);
      return row && textOf(row, 'value');
    },
    put: (name, value) => {
      set.run(name, value);
    },
  };
}
