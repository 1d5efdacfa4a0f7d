/** A SQLite store on a disk that a test can fill: its database may not grow while it is full. */
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { createStore } from '../create-store.ts';
import { StoreHealth } from '../damage.ts';
import { LogSync } from '../log-sync.ts';
import { migrate } from '../sqlite.ts';
import { createSqliteBackend } from '../sqlite-backend.ts';
import type { Store } from '../store.ts';

const pagesMax = 4_294_967_294;

export function openFillableStore(dir: string): { readonly store: Store; readonly fillDisk: (full: boolean) => void } {
  const path = join(dir, 'store.sqlite');
  const db = new DatabaseSync(path);
  db.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL');
  migrate(db);
  const backend = createSqliteBackend({ db, log: new LogSync(path), health: new StoreHealth(undefined) });
  return {
    store: createStore(backend, { rehearses: true }),
    fillDisk(full) {
      const pages = Number(db.prepare('PRAGMA page_count').get()?.['page_count'] ?? 0);
      db.exec(`PRAGMA max_page_count = ${full ? pages : pagesMax}`);
    },
  };
}
