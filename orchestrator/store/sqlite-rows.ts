/** What is alive, as SQLite keeps it: read whole at the start, and written by row. */
import { botKeyText } from '#common/ids.ts';
import type { Alive, AliveRows } from './alive/alive.ts';
import { leftoverKey, sourceTokenKey, volumeKey } from './alive/places.ts';
import type { Rows } from './alive/rows.ts';
import type { Statements } from './damage.ts';
import { toVolume, volumeColumns } from './tables/bot-volumes.ts';
import { botColumns, toBot } from './tables/bots.ts';
import { type Column, createRemover, createWriter } from './tables/columns.ts';
import { jobColumns, openJobs, toJobRow } from './tables/jobs.ts';
import { leftoverColumns, toLeftover } from './tables/leftovers.ts';
import { eventColumns } from './tables/outbox.ts';
import type { Row } from './tables/row.ts';
import { sourceTokenColumns, toSourceTokens } from './tables/source-tokens.ts';
import { taskColumns, toTask } from './tables/tasks.ts';
import { tokenColumns, toTokenRow } from './tables/telegram-tokens.ts';
import { toWorkerRow, workerColumns } from './tables/workers.ts';

interface Kind<R> {
  readonly table: string;
  readonly columns: readonly Column<R>[];
  readonly of: (row: Row) => R;
  readonly key: (row: R) => string;
  /** Which rows are alive; all without it. */
  readonly alive?: string;
}

type Kinds = { readonly [K in keyof AliveRows]: AliveRows[K] extends Rows<infer R> ? Kind<R> : never };

const kinds: Kinds = {
  bots: { table: 'bots', columns: botColumns, of: toBot, key: botKeyText },
  jobs: { table: 'jobs', columns: jobColumns, of: toJobRow, key: ({ job }) => job.jobId, alive: `WHERE ${openJobs}` },
  tasks: {
    table: 'tasks',
    columns: taskColumns,
    of: toTask,
    key: ({ taskId }) => taskId,
    // By way of the open jobs, which are few.
    alive: `WHERE task_id IN (SELECT task_id FROM jobs WHERE ${openJobs}) AND status <> 'done'`,
  },
  workers: { table: 'workers', columns: workerColumns, of: toWorkerRow, key: ({ record }) => record.workerId },
  leftovers: { table: 'leftovers', columns: leftoverColumns, of: toLeftover, key: leftoverKey },
  volumes: { table: 'bot_volumes', columns: volumeColumns, of: toVolume, key: volumeKey },
  telegramTokens: { table: 'telegram_tokens', columns: tokenColumns, of: toTokenRow, key: ({ tokenKey }) => tokenKey },
  sourceTokens: { table: 'source_tokens', columns: sourceTokenColumns, of: toSourceTokens, key: sourceTokenKey },
};

export interface SqliteRows {
  /** Reads what is alive. */
  load(): void;
  /** Writes what has changed, in the transaction that is open. */
  write(): void;
}

export function createSqliteRows(db: Statements, alive: Alive): SqliteRows {
  const names = Object.keys(kinds) as (keyof Kinds)[];
  // A name has the rows of its kind.
  const parts = names.map((name) => part(db, kinds[name] as Kind<unknown>, alive.rows[name] as Rows<unknown>));
  const writeEvent = createWriter(db, 'outbox', eventColumns);
  return {
    load() {
      for (const { load } of parts) load();
    },
    write() {
      for (const { write } of parts) write();
      for (const event of alive.added()) writeEvent(event);
    },
  };
}

function part<R>(db: Statements, { table, columns, of, key, alive = '' }: Kind<R>, rows: Rows<R>): SqliteRows {
  const all = db.prepare(`SELECT * FROM ${table} ${alive}`);
  const put = createWriter(db, table, columns);
  const remove = createRemover(db, table, columns);
  return {
    load() {
      for (const row of all.all()) {
        const value = of(row);
        rows.load(key(value), value);
      }
    },
    write() {
      for (const { before, after } of rows.changes()) {
        if (after !== undefined) put(after);
        else if (before !== undefined) remove(before);
      }
    },
  };
}
