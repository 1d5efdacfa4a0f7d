/**
 * A database in memory that several backends may write to, as several orchestrators do to one PostgreSQL. It loads what it is asked for,
 * as of one moment, and compares the guards of a batch before it takes all of it in. Rows of jobs come back as JSON has them.
 */
import { botKeyText } from '#common/ids.ts';
import { parseJobInput, storedParams } from '../../core/job-params.ts';
import type { EventRecord, JobRecord } from '../../core/records.ts';
import { type Batch, type Committed, Conflict, type Loaded } from '../backend.ts';
import { type Want, wantText } from '../want.ts';
import type { JobRow } from '../workspace/jobs.ts';
import type { LatestRow } from '../workspace/outbox.ts';
import type { Rows } from '../workspace/rows.ts';
import { createWorkspace, type LoadedRow, type RowOf, type WorkspaceRows } from '../workspace/workspace.ts';

export type Kind = keyof WorkspaceRows;

export class MemoryDatabase {
  readonly #rows = new Map<string, Map<string, unknown>>();
  readonly #latest = new Map<string, LatestRow>();
  readonly #versions = new Map<string, number>();
  readonly #committed = new Map<string, Committed>();
  /** Only for which rows a look-up is about. */
  readonly #lookUps = createWorkspace({ isWhole: () => true, isKept: () => true }, 0).rows;
  readonly chunks = new Map<string, Map<number, Uint8Array>>();
  events: EventRecord[] = [];
  floor = 0;
  readonly floors = new Map<string, number>();
  lastSeq = 0;
  /** As a full disk: batches are refused. */
  isFull = false;

  kind<K extends Kind>(kind: K): Map<string, RowOf<K>> {
    const rows = this.#rows.get(kind) ?? new Map<string, unknown>();
    this.#rows.set(kind, rows);
    return rows as Map<string, RowOf<K>>; // a name has the rows of its kind
  }

  load(wants: readonly Want[]): Loaded {
    const versions = new Map<string, number>();
    const note = (key: string) => versions.set(key, this.#versions.get(key) ?? 0);
    const loaded = wants.map((want) => {
      note(wantText(want));
      const rows = this.rowsOf(want);
      for (const [key] of rows) note(wantText({ rows: want.rows, by: 'key', is: key }));
      return { want, rows };
    });
    return { wants: loaded, versions, lastSeq: this.lastSeq };
  }

  rowsOf({ rows, by, is }: Want): readonly LoadedRow[] {
    if (rows === 'latest') {
      const row = this.#latest.get(is);
      return row === undefined ? [] : [[is, row]];
    }
    if (!(rows in this.#lookUps)) throw new Error(`there are no rows named ${rows}`);
    const kind = this.kind(rows as Kind); // checked
    if (by === 'key') {
      const row = kind.get(is);
      return row === undefined ? [] : [[is, asRead(rows, row)]];
    }
    const lookUps = this.#lookUps[rows as Kind] as Rows<unknown>; // as above
    return [...kind].filter(([, row]) => lookUps.includes(row, by, is)).map(([key, row]) => [key, asRead(rows, row)]);
  }

  /** Throws Conflict when a guard fails; then nothing has happened. `guarded`: false for the only one that writes. */
  commit(batch: Batch, guarded = true): Committed {
    if (guarded) {
      const moved = batch.guards().find(({ key, version }) => (this.#versions.get(key) ?? 0) !== version);
      if (moved !== undefined) throw new Conflict(moved.key);
      for (const key of batch.moved()) this.#versions.set(key, (this.#versions.get(key) ?? 0) + 1);
    }
    // Others may have added events meanwhile: what was numbered as if nobody had, moves on.
    const later = this.lastSeq - batch.afterSeq;
    for (const name of Object.keys(batch.rows) as Kind[]) {
      const rows: Map<string, unknown> = this.kind(name);
      for (const { key, after } of batch.rows[name].changes()) {
        if (after === undefined) rows.delete(key);
        else rows.set(key, later === 0 ? after : renumbered(after, batch.afterSeq, later));
      }
    }
    for (const event of batch.events) this.#add({ ...event, seq: event.seq + later });
    for (const change of batch.chunks) {
      const upload = this.chunks.get(change.uploadId) ?? new Map<number, Uint8Array>();
      this.chunks.set(change.uploadId, upload.set(change.n, change.bytes));
    }
    const committed = { lastSeq: this.lastSeq };
    this.#committed.set(batch.id, committed);
    return committed;
  }

  /** A copy of all that is in it now. */
  copy(): MemoryDatabase {
    const copy = new MemoryDatabase();
    for (const [name, rows] of this.#rows) copy.#rows.set(name, new Map(rows));
    for (const [key, row] of this.#latest) copy.#latest.set(key, row);
    for (const [key, version] of this.#versions) copy.#versions.set(key, version);
    for (const [uploadId, chunks] of this.chunks) copy.chunks.set(uploadId, new Map(chunks));
    copy.events = [...this.events];
    copy.floor = this.floor;
    for (const [userId, seq] of this.floors) copy.floors.set(userId, seq);
    copy.lastSeq = this.lastSeq;
    return copy;
  }

  outcome(batchId: string): Committed | undefined {
    return this.#committed.get(batchId);
  }

  #add(event: EventRecord): void {
    this.lastSeq = event.seq;
    this.events.push(event);
    if (event.body.kind === 'bot') this.#latest.set(botKeyText(event), { event, botSeq: event.botSeq });
  }
}

/** A decision of the batch is as late as its events. */
function renumbered(row: unknown, afterSeq: number, later: number): unknown {
  if (typeof row !== 'object' || row === null || !('decidedSeq' in row)) return row;
  const decidedSeq = Number(row.decidedSeq);
  return decidedSeq > afterSeq ? { ...row, decidedSeq: decidedSeq + later } : row;
}

/** A job as it comes back from a disk: its input is written as JSON. */
function asRead(rows: string, row: unknown): unknown {
  if (rows !== 'jobs') return row;
  const { job, steps } = row as JobRow; // by its name
  const stored = JSON.parse(JSON.stringify(storedParams(job)));
  const { action: _action, params: _params, ...rest } = job;
  return { job: { ...rest, ...parseJobInput(job.action, stored) } as JobRecord, steps }; // a job is its fields and its input
}
