/**
 * Group commit: works that were asked for together are decided one after the other in memory and written by one transaction.
 * One that throws is taken back and rejected alone.
 *
 * 1. A batch is answered when it is on disk. The sync does not hold the event loop; what is asked for meanwhile is the next
 *    batch, which is decided when the one before has been answered. So a decision is only ever built on what is on disk.
 * 2. When a sync fails, nobody knows what is on disk: its batch is rejected, and so is everything after it.
 */
import type { DatabaseSync } from 'node:sqlite';
import type { Alive } from './alive/alive.ts';
import type { Statements, StoreHealth } from './damage.ts';
import type { LogSync } from './log-sync.ts';
import { outcomeOf } from './rehearsal.ts';

interface Queued {
  readonly run: () => unknown;
  readonly resolve: (value: unknown) => void;
  readonly reject: (reason: unknown) => void;
}

export interface GroupCommit {
  /** `soon`: nobody waits for it; it shares the commit of what comes within some milliseconds. */
  write<T>(run: () => T, when?: 'now' | 'soon'): Promise<T>;
  /** Resolves when the batch that is on its way to the disk is there, and before the next is; undefined when none is. Rejects once a sync has failed. */
  onTheWay(): Promise<void> | undefined;
  /** Commits what is queued, and resolves when it was answered. */
  drain(): Promise<void>;
}

export interface GroupCommitParts {
  readonly db: DatabaseSync;
  readonly health: StoreHealth;
  readonly alive: Alive;
  /** Writes what has changed in memory. */
  readonly writeRows: () => void;
  readonly transaction: Transaction;
  readonly log: Pick<LogSync, 'sync'>;
  /** Runs every work twice, from the same beginning, and fails one that does not do the same: for tests. */
  readonly rehearses: boolean;
  /** Called after each commit, when the works of it have been answered. */
  readonly committed: () => void;
}

// A worker's reports and the next request then share an fsync: for as long as one takes, within bounds that nobody notices.
const soonMs = 2;
const soonMaxMs = 8;
// For slow disks: callers that were answered together ask again together, and one that is late by a moment would wait for
// another whole sync. An eighth of what a sync takes, for at most this long, and only where there were several.
const gatherMaxMs = 4;
const gatherShare = 1 / 8;
const severalWorks = 4;

/**
 * The transaction of a batch. Tables that are not in memory write as they are called, so it begins with the first of these
 * writes, and a savepoint with the first of each work; without any, it begins when what is in memory is written.
 */
export class Transaction {
  readonly #db: DatabaseSync;
  // Prepared: parsing them again each time took longer than running them.
  readonly #begin;
  readonly #commit;
  readonly #savepoint;
  readonly #release;
  #ofBatch = false;
  #hasSavepoint = false;

  constructor(db: DatabaseSync) {
    this.#db = db;
    this.#begin = db.prepare('BEGIN IMMEDIATE');
    this.#commit = db.prepare('COMMIT');
    this.#savepoint = db.prepare('SAVEPOINT one');
    this.#release = db.prepare('RELEASE one');
  }

  /** Statements of tables that are not in memory: what they run is part of the batch. */
  guarded(statements: Statements): Statements {
    return {
      prepare: (sql) => {
        const { get, all, run } = statements.prepare(sql);
        const guardedRun = (...values: Parameters<typeof run>) => {
          this.#enter();
          return run(...values);
        };
        return { get, all, run: guardedRun as typeof run }; // the same arguments, handed on
      },
    };
  }

  get isOpen(): boolean {
    return this.#db.isTransaction;
  }

  beginBatch(): void {
    this.#ofBatch = true;
  }

  begin(): void {
    if (!this.#db.isTransaction) this.#begin.run();
  }

  #enter(): void {
    if (!this.#ofBatch) throw new Error('the store is only written by write()');
    this.begin();
    if (this.#hasSavepoint) return;
    this.#savepoint.run();
    this.#hasSavepoint = true;
  }

  /** What the work has written stays. */
  keepWork(): void {
    if (this.#hasSavepoint) this.#release.run();
    this.#hasSavepoint = false;
  }

  /** Takes back what the work has written. False when SQLite has taken back all of the batch. */
  undoWork(): boolean {
    const had = this.#hasSavepoint;
    this.#hasSavepoint = false;
    if (!had) return true;
    // A full disk undoes the whole transaction.
    if (!this.#db.isTransaction) return false;
    this.#db.exec('ROLLBACK TO one');
    this.#release.run();
    return true;
  }

  commit(): void {
    if (this.#db.isTransaction) this.#commit.run();
  }

  rollBack(): void {
    this.#hasSavepoint = false;
    // SQLite may have rolled back already; then there is nothing left to undo.
    if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
  }

  endBatch(): void {
    this.#ofBatch = false;
  }
}

/** A batch that was decided. */
interface Decided {
  readonly batch: readonly Queued[];
  /** Answers each of its works. */
  readonly answers: readonly (() => void)[];
  /** False when it changed nothing. */
  readonly wrote: boolean;
}

export function createGroupCommit(parts: GroupCommitParts): GroupCommit {
  const { health, alive, writeRows, transaction, log, committed, rehearses } = parts;
  let queue: Queued[] = [];
  let immediate: NodeJS.Immediate | undefined;
  let timer: NodeJS.Timeout | undefined;
  let gather: NodeJS.Timeout | undefined;
  let gatherMs = 0;
  let syncMs = 0;
  /** While a batch is on its way to the disk; never rejects. */
  let syncing: Promise<void> | undefined;
  /** Whether the next batch begins as soon as that one is answered. */
  let due = false;
  /** Why the store takes nothing any more. */
  let failure: { readonly reason: unknown } | undefined;

  function flush(): void {
    clearImmediate(immediate);
    clearTimeout(timer);
    clearTimeout(gather);
    gather = undefined;
    immediate = undefined;
    timer = undefined;
    due = syncing !== undefined;
    if (due) return;
    const batch = queue;
    queue = [];
    if (failure !== undefined) rejectAll(batch, failure.reason);
    else if (batch.length > 0) decide(batch);
  }

  function decide(batch: readonly Queued[]): void {
    const answers: (() => void)[] = [];
    let wrote = false;
    transaction.beginBatch();
    try {
      for (const item of batch) answers.push(runOne(item));
      if (alive.hasChanges()) {
        transaction.begin();
        writeRows();
      }
      wrote = transaction.isOpen;
      transaction.commit();
    } catch (error) {
      const reason = health.judge(error);
      rollBack();
      rejectAll(batch, reason);
      return;
    } finally {
      transaction.endBatch();
    }
    const decided = { batch, answers, wrote };
    if (wrote) syncing = sync(decided);
    else answer(decided);
  }

  async function sync(decided: Decided): Promise<void> {
    const begun = performance.now();
    try {
      await log.sync();
    } catch (error) {
      syncing = undefined;
      failure = { reason: health.lost(error) };
      rejectAll([...decided.batch, ...queue], failure.reason);
      queue = [];
      return;
    }
    syncing = undefined;
    syncMs = performance.now() - begun;
    gatherMs = decided.batch.length < severalWorks ? 0 : Math.floor(Math.min(syncMs * gatherShare, gatherMaxMs));
    answer(decided);
    // Those who were answered go first.
    if (due) begin();
  }

  function answer({ answers, wrote }: Decided): void {
    alive.keep();
    for (const each of answers) each();
    if (!wrote) return;
    try {
      health.worked();
      committed();
    } catch (error) {
      // What was written is on disk; listeners read it after the next commit.
      health.judge(error);
    }
  }

  function begin(): void {
    if (syncing !== undefined) due = true;
    else if (gatherMs > 0) gather ??= setTimeout(flush, gatherMs);
    else immediate ??= setImmediate(flush);
  }

  function rejectAll(batch: readonly Queued[], reason: unknown): void {
    for (const { reject } of batch) reject(reason);
  }

  function rollBack(): void {
    alive.discard();
    try {
      transaction.rollBack();
    } catch (error) {
      // The store no longer answers.
      health.judge(error);
    }
  }

  function runOne(item: Queued): () => void {
    const begun = alive.undo.mark();
    try {
      const value = rehearses ? rehearsed(item.run, begun) : item.run();
      transaction.keepWork();
      return () => item.resolve(value);
    } catch (error) {
      // It must fail everybody in the batch.
      if (!transaction.undoWork()) throw error;
      alive.undo.back(begun);
      const reason = health.judge(error);
      return () => item.reject(reason);
    }
  }

  function rehearsed(run: () => unknown, begun: number): unknown {
    const first = outcomeOf(run, alive);
    alive.undo.back(begun);
    // SQLite has undone all of the batch: there is nothing to begin from again.
    if (!transaction.undoWork()) throw first.error;
    const second = outcomeOf(run, alive);
    if (first.text !== second.text) {
      throw new Error(`a work did not do the same when it was run again:\n${first.text}\n${second.text}`);
    }
    if (second.failed) throw second.error;
    return second.value;
  }

  return {
    write<T>(run: () => T, when: 'now' | 'soon' = 'now'): Promise<T> {
      return new Promise<T>((resolve, reject) => {
        // The value comes back from the very `run` given here, so its type is T.
        queue.push({ run, resolve: resolve as (value: unknown) => void, reject });
        if (when === 'soon') timer ??= setTimeout(flush, Math.min(Math.max(soonMs, syncMs), soonMaxMs));
        else begin();
      });
    },
    onTheWay() {
      if (syncing === undefined && failure === undefined) return undefined;
      return (async () => {
        await syncing;
        if (failure !== undefined) throw failure.reason;
      })();
    },
    async drain() {
      while (queue.length > 0 || syncing !== undefined) {
        flush();
        await syncing;
      }
    },
  };
}
