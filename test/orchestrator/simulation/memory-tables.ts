/**
 * The store as the engine's functions see it, without waiting: the workspace of production over a database in memory. Either with what
 * is alive kept, as on SQLite, or with nothing kept and others in the way, as on a database that several write to: works then
 * meet rows that are not loaded and conflicts, and run again. A crash starts from what is in the database.
 */
import type { Opening } from '../../../orchestrator/core/history.ts';
import type { BotRecord } from '../../../orchestrator/core/records.ts';
import { isFinal } from '../../../orchestrator/core/records.ts';
import { Conflict, type Loaded } from '../../../orchestrator/store/backend.ts';
import { batchOf, workspaceOf } from '../../../orchestrator/store/batch.ts';
import { isKept, isWhole } from '../../../orchestrator/store/sqlite-rows.ts';
import type { Tables } from '../../../orchestrator/store/tables.ts';
import { type Kind, MemoryDatabase } from '../../../orchestrator/store/testing/memory-database.ts';
import { NotLoaded, type Want } from '../../../orchestrator/store/want.ts';
import type { Rows } from '../../../orchestrator/store/workspace/rows.ts';
import { createWorkspace, type Workspace } from '../../../orchestrator/store/workspace/workspace.ts';

export interface MemoryOptions {
  /** Nothing is kept in memory, and every so many commits conflict; 0: all that is alive is kept. */
  readonly conflictEvery: number;
}

/** A copy of all that is on disk. */
export type Backup = MemoryDatabase;

const nothing: Loaded['versions'] = new Map();

export class MemoryTables {
  #database = new MemoryDatabase();
  readonly #conflictEvery: number;
  #kept = this.#open();
  #commits = 0;
  #room = 0;

  constructor({ conflictEvery }: MemoryOptions) {
    this.#conflictEvery = conflictEvery;
  }

  /** What is there now, to look at. */
  get tables(): Tables {
    const { tables } = this.#kept;
    if (this.#conflictEvery === 0) return tables;
    return { ...tables, outbox: { ...tables.outbox, lastSeq: () => this.#database.lastSeq } };
  }

  /** Runs work as one transaction: what it did is taken back when it throws, or unless it should be kept. */
  transact<T>(work: (tables: Tables) => T, keep = true): T {
    return this.#conflictEvery > 0 ? this.#onDemand(work, keep) : this.#whole(work, keep);
  }

  #whole<T>(work: (tables: Tables) => T, keep: boolean): T {
    const kept = this.#kept;
    try {
      const value = work(kept.tables);
      if (keep) {
        this.#database.commit(this.#batch(kept, nothing), false);
        kept.keep();
      } else kept.discard();
      return value;
    } catch (error) {
      kept.discard();
      throw error;
    } finally {
      kept.release();
    }
  }

  #onDemand<T>(work: (tables: Tables) => T, keep: boolean): T {
    const wants: Want[] = [];
    for (;;) {
      const loaded = this.#database.load(wants);
      const workspace = workspaceOf(loaded);
      try {
        const value = work(workspace.tables);
        if (keep) this.#commit(workspace, loaded.versions);
        return value;
      } catch (error) {
        if (error instanceof NotLoaded) wants.push(error.want);
        else if (!(error instanceof Conflict)) throw error;
      }
    }
  }

  #commit(workspace: Workspace, versions: Loaded['versions']): void {
    const batch = this.#batch(workspace, versions);
    // Somebody else was faster: what was decided is decided anew.
    if (this.#commits % this.#conflictEvery === 0) throw new Conflict('by turns');
    this.#database.commit(batch);
    this.#room += workspace.room();
    for (const name of Object.keys(batch.rows) as Kind[]) {
      const rows = this.#kept.rows[name] as Rows<unknown>; // a name has the rows of its kind
      for (const { key, after } of batch.rows[name].changes()) {
        if (after === undefined || !isAlive(name, after)) rows.evict(key);
        else rows.load(key, after);
      }
    }
  }

  #batch(workspace: Workspace, versions: Loaded['versions']) {
    return batchOf(workspace, String(++this.#commits), versions);
  }

  /** As Store.room. */
  room(): number {
    return this.#conflictEvery > 0 ? this.#room : this.#kept.room();
  }

  /** Every bot there is. */
  bots(): readonly BotRecord[] {
    return [...this.#kept.rows.bots.values()];
  }

  /** As the store's table of openings: one more, from here on. Returns all. */
  openAgain(id: string): readonly Opening[] {
    return this.transact(({ openings }) => {
      openings.add(id, 0);
      return openings.all();
    });
  }

  backup(): Backup {
    return this.#database.copy();
  }

  /** All that was done since is lost. */
  setBack(backup: Backup): void {
    this.#database = backup.copy();
    this.crash();
  }

  /** All that was in memory is lost. */
  crash(): void {
    this.#room = 0;
    this.#kept = this.#open();
  }

  /** All that is alive. */
  #open(): Workspace {
    const loadNow = (want: Want) => workspace.take(want, this.#database.rowsOf(want));
    const workspace: Workspace = createWorkspace({ isWhole, isKept, loadNow }, this.#database.lastSeq);
    for (const name of Object.keys(workspace.rows) as Kind[]) {
      if (!isKept(name)) continue;
      const rows = workspace.rows[name] as Rows<unknown>; // as above
      for (const [key, row] of this.#database.rowsOf({ rows: name, by: 'all', is: '' })) {
        if (isAlive(name, row)) rows.load(key, row);
      }
    }
    return workspace;
  }
}

/** Whether SQLite would keep the row in memory. */
function isAlive(name: Kind, row: unknown): boolean {
  if (name === 'jobs') return !isFinal((row as { readonly job: { readonly status: 'running' } }).job.status); // a job's row
  if (name === 'tasks') return (row as { readonly status: string }).status !== 'done'; // a task's row
  return isKept(name);
}
