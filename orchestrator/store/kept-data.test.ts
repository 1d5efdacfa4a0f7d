import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, it } from 'vitest';
import { migrations } from './schema.ts';
import { migrate } from './sqlite.ts';

it('bots that an earlier release ran as processes keep data where they were', () => {
  const dir = mkdtempSync(join(tmpdir(), 'kept-data-'));
  const before = migrations.findIndex((sql) => sql.includes("runtime = 'process'"));
  const db = new DatabaseSync(join(dir, 'store.sqlite'));
  migrate(db, migrations.slice(0, before));
  const columns = (table: string) =>
    db
      .prepare(`SELECT name, type, dflt_value, "notnull" AS needed FROM pragma_table_info('${table}')`)
      .all()
      .flatMap(({ name, type, dflt_value, needed }) =>
        needed === 1 && dflt_value === null
          ? [[String(name), type === 'INTEGER' ? 0 : type === 'BLOB' ? new Uint8Array() : '{}'] as const]
          : [],
      );
  const insert = (table: string, row: Record<string, string | number>) => {
    const values = { ...Object.fromEntries(columns(table)), ...row };
    const names = Object.keys(values);
    db.prepare(`INSERT INTO ${table} (${names.join()}) VALUES (${names.map(() => '?').join()})`).run(
      ...Object.values(values),
    );
  };
  insert('workers', { worker_id: 'plain', runtime: 'process' });
  insert('workers', { worker_id: 'other', runtime: 'process' });
  insert('workers', { worker_id: 'rest', runtime: 'rest' });
  for (const [bot_id, worker_id, epoch] of [
    ['once', 'plain', 1],
    ['moved', 'plain', 2],
    ['rest', 'rest', 1],
  ] as const) {
    insert('bots', { user_id: 'ann', bot_id, worker_id, epoch, desired: 'running' });
  }
  migrate(db);
  const rows = db.prepare('SELECT bot_id, worker_id FROM bot_volumes ORDER BY bot_id, worker_id').all();
  expect(rows.map((row) => Object.values(row))).toEqual([
    ['moved', 'other'],
    ['moved', 'plain'],
    ['once', 'plain'],
  ]);
  db.close();
  rmSync(dir, { recursive: true });
});
