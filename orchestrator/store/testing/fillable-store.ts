/** A SQLite store on a disk that a test can fill: its database may not grow while it is full. */
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { createStore } from '../create-store.ts';
import { StoreHealth } from '../damage.ts';
import { StoreSpace } from '../disk-space.ts';
import { LogSync } from '../log-sync.ts';
import { Reserve } from '../reserve.ts';
import { migrate } from '../sqlite.ts';
import { createSqliteBackend } from '../sqlite-backend.ts';
import type { Store } from '../store.ts';

const plenty = 2 ** 40;
const pagesMax = 4_294_967_294;

export function openFillableStore(
  dir: string,
  ReserveOf: typeof Reserve = Reserve,
): { readonly store: Store; readonly fillDisk: (full: boolean) => void } {
  const path = join(dir, 'store.sqlite');
  const db = new DatabaseSync(path);
  db.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL');
  migrate(db);
  const log = new LogSync(path);
  const reserve = new ReserveOf(db, path, { logBytes: 0, freeBytes: 0, checkpointPages: 1_000 });
  let isFull = false;
  const look = async () => ({ freeBytes: isFull ? 0 : plenty, totalBytes: plenty });
  // It is this test that says how much the database may grow.
  const space = new StoreSpace({ look, logger: undefined, changed: () => undefined });
  const close = () => {
    db.close();
    reserve.close();
    log.close();
  };
  const backend = createSqliteBackend({ db, log, health: new StoreHealth(undefined), reserve, space, close });
  return {
    store: createStore(backend, { rehearses: true }),
    fillDisk(full) {
      isFull = full;
      const pages = Number(db.prepare('PRAGMA page_count').get()?.['page_count'] ?? 0);
      db.exec(`PRAGMA max_page_count = ${full ? pages : pagesMax}`);
    },
  };
}
