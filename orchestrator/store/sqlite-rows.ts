/** Rows as SQLite keeps them: what is alive is read whole at the start, and each is written by its key. */
import { botKeyText } from '#common/ids.ts';
import type { ChangedRows } from './backend.ts';
import type { Statements } from './damage.ts';
import { accessColumns, toAccess } from './tables/access.ts';
import {
  artifactColumns,
  holdingsColumns,
  ownerColumns,
  toArtifact,
  toHoldings,
  toOwner,
  toUpload,
  uploadColumns,
} from './tables/artifacts.ts';
import { toVolume, volumeColumns } from './tables/bot-volumes.ts';
import { botColumns, botsWithSpecs, createSpecWriter, toBot } from './tables/bots.ts';
import { type Column, createRemover, createWriter } from './tables/columns.ts';
import { idempotencyColumns, toIdempotency } from './tables/idempotency.ts';
import { jobColumns, openJobs, toJobRow } from './tables/jobs.ts';
import { leftoverColumns, toLeftover } from './tables/leftovers.ts';
import { metaColumns, toMeta } from './tables/meta.ts';
import { openingColumns, toOpening } from './tables/openings.ts';
import type { Row } from './tables/row.ts';
import { sourceTokenColumns, toSourceTokens } from './tables/source-tokens.ts';
import { taskColumns, toTask } from './tables/tasks.ts';
import { tokenColumns, toTokenRow } from './tables/telegram-tokens.ts';
import { accessTokenColumns, toAccessToken } from './tables/tokens.ts';
import { toWorkerRow, workerColumns } from './tables/workers.ts';
import type { Want } from './want.ts';
import { leftoverKey, sourceTokenKey, volumeKey } from './workspace/places.ts';
import type { Changed, Rows } from './workspace/rows.ts';
import { ownerKey } from './workspace/sources.ts';
import { idempotencyKey } from './workspace/values.ts';
import type { LoadedRow, RowOf, WorkspaceRows } from './workspace/workspace.ts';

interface Kind<R> {
  readonly table: string;
  readonly columns: readonly Column<R>[];
  readonly of: (row: Row) => R;
  readonly key: (row: R) => string;
  /** How all of them are read, if not from their table alone. */
  readonly read?: string;
  /** Writes what is in a table of its own. */
  readonly createPartWriter?: (db: Statements) => (before: R | undefined, after: R | undefined) => void;
  /** Which rows are alive, and kept in memory: all without it. */
  readonly alive?: string;
  /** How those are looked up that are not, by what they have in common. */
  readonly by?: Readonly<
    Record<string, { readonly where: string; readonly values: (is: string) => readonly string[] }>
  >;
}

type Kinds = { readonly [K in keyof WorkspaceRows]: Kind<RowOf<K>> };

const itself = (is: string): readonly string[] => [is];
/** Two columns; the first has no space in it. */
const twoParts = (is: string): readonly string[] => [is.slice(0, is.indexOf(' ')), is.slice(is.indexOf(' ') + 1)];
const noRow = '0';

const kinds: Kinds = {
  bots: {
    table: 'bots',
    columns: botColumns,
    of: toBot,
    key: botKeyText,
    read: botsWithSpecs,
    createPartWriter: createSpecWriter,
  },
  jobs: {
    table: 'jobs',
    columns: jobColumns,
    of: toJobRow,
    key: ({ job }) => job.jobId,
    alive: openJobs,
    by: { key: { where: 'job_id = ?', values: itself } },
  },
  tasks: {
    table: 'tasks',
    columns: taskColumns,
    of: toTask,
    key: ({ taskId }) => taskId,
    // By way of the open jobs, which are few.
    alive: `task_id IN (SELECT task_id FROM jobs WHERE ${openJobs}) AND status <> 'done'`,
    by: { key: { where: 'task_id = ?', values: itself } },
  },
  workers: { table: 'workers', columns: workerColumns, of: toWorkerRow, key: ({ record }) => record.workerId },
  access: { table: 'worker_access', columns: accessColumns, of: toAccess, key: ({ workerId }) => workerId },
  leftovers: { table: 'leftovers', columns: leftoverColumns, of: toLeftover, key: leftoverKey },
  volumes: { table: 'bot_volumes', columns: volumeColumns, of: toVolume, key: volumeKey },
  telegramTokens: { table: 'telegram_tokens', columns: tokenColumns, of: toTokenRow, key: ({ tokenKey }) => tokenKey },
  sourceTokens: { table: 'source_tokens', columns: sourceTokenColumns, of: toSourceTokens, key: sourceTokenKey },
  artifacts: {
    table: 'artifacts',
    columns: artifactColumns,
    of: toArtifact,
    key: ({ sha256 }) => sha256,
    alive: noRow,
    by: { key: { where: 'sha256 = ?', values: itself } },
  },
  owners: {
    table: 'artifact_owners',
    columns: ownerColumns,
    of: toOwner,
    key: ownerKey,
    alive: noRow,
    by: {
      key: { where: 'user_id = ? AND sha256 = ?', values: twoParts },
      artifact: { where: 'sha256 = ?', values: itself },
    },
  },
  uploads: { table: 'uploads', columns: uploadColumns, of: toUpload, key: ({ uploadId }) => uploadId },
  holdings: {
    table: 'holdings',
    columns: holdingsColumns,
    of: toHoldings,
    key: ({ userId }) => userId,
    alive: noRow,
    by: { key: { where: 'user_id = ?', values: itself } },
  },
  idempotency: {
    table: 'idempotency_keys',
    columns: idempotencyColumns,
    of: toIdempotency,
    key: idempotencyKey,
    alive: noRow,
    by: { key: { where: 'user_id = ? AND key = ?', values: twoParts } },
  },
  tokens: { table: 'tokens', columns: accessTokenColumns, of: toAccessToken, key: ({ tokenSha256 }) => tokenSha256 },
  openings: { table: 'openings', columns: openingColumns, of: toOpening, key: ({ n }) => String(n) },
  meta: { table: 'meta', columns: metaColumns, of: toMeta, key: ({ name }) => name },
};

/** Whether all rows that can be looked up in this way are in memory. */
export const isWhole = (rows: string, by: string): boolean => {
  const kind = kindOf(rows);
  return kind !== undefined && (kind.by?.[by] === undefined || (kind.alive !== noRow && by !== 'key'));
};

/** Whether rows of the kind stay in memory. */
export const isKept = (rows: string): boolean => kindOf(rows)?.alive !== noRow && rows in kinds;

const kindOf = (rows: string): Kind<unknown> | undefined =>
  rows in kinds ? (kinds[rows as keyof Kinds] as Kind<unknown>) : undefined; // checked

export interface SqliteRows {
  /** Reads what is alive. */
  loadAlive(rows: WorkspaceRows): void;
  /** What a want asks for that is not in memory. */
  load(want: Want): readonly LoadedRow[];
  /** Writes what has changed, in the transaction that is open. */
  write(changed: ChangedRows): void;
}

export function createSqliteRows(db: Statements): SqliteRows {
  const names = Object.keys(kinds) as (keyof Kinds)[];
  // A name has the rows of its kind.
  const parts = new Map<string, Part>(names.map((name) => [name, part(db, kinds[name] as Kind<unknown>)]));
  return {
    loadAlive(rows) {
      for (const name of names) parts.get(name)?.loadAlive(rows[name] as Rows<unknown>); // as above
    },
    load: (want) => parts.get(want.rows)?.load(want) ?? [],
    write(changed) {
      for (const name of names) parts.get(name)?.write(changed[name].changes());
    },
  };
}

interface Part {
  loadAlive(rows: Rows<unknown>): void;
  load(want: Want): readonly LoadedRow[];
  write(changes: Iterable<Changed<unknown>>): void;
}

function part<R>(db: Statements, kind: Kind<R>): Part {
  const { table, columns, of, key, alive = '1', by = {} } = kind;
  const all = db.prepare(`${kind.read ?? `SELECT * FROM ${table}`} WHERE ${alive}`);
  const put = createWriter(db, table, columns);
  const putPart = kind.createPartWriter?.(db);
  const remove = createRemover(db, table, columns);
  const some = new Map(
    Object.entries(by).map(([name, { where, values }]) => {
      const statement = db.prepare(`SELECT * FROM ${table} WHERE ${where}`);
      return [name, (is: string) => statement.all(...values(is))];
    }),
  );
  const loaded = (row: Row): LoadedRow => {
    const value = of(row);
    return [key(value), value];
  };
  return {
    loadAlive(rows) {
      if (alive === noRow) return;
      for (const row of all.all()) rows.load(...loaded(row));
    },
    load: ({ rows, by: name, is }) => {
      const find = some.get(name);
      if (find === undefined) throw new Error(`${rows} are not looked up by ${name}`);
      return find(is).map(loaded);
    },
    write(changes) {
      for (const { before, after } of changes) {
        // Rows of its own kind.
        if (after !== undefined) put(after as R);
        else if (before !== undefined) remove(before as R);
        putPart?.(before as R | undefined, after as R | undefined);
      }
    },
  };
}
