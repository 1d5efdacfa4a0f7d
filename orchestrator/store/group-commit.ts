/**
 * Group commit: all writes asked for in one turn of the event loop run in one transaction, so that they share one fsync.
 * Each runs under its own savepoint: one that throws is undone and rejected alone.
 */
import type { DatabaseSync } from 'node:sqlite';
import type { StoreHealth } from './damage.ts';

interface Queued {
  readonly run: () => unknown;
  readonly resolve: (value: unknown) => void;
  readonly reject: (reason: unknown) => void;
}

export interface GroupCommit {
  write<T>(run: () => T): Promise<T>;
  /** Commits what is queued, at once. */
  flush(): void;
}

/** `committed` is called after each commit, when the writes of it have been answered. */
export function createGroupCommit(
  db: DatabaseSync,
  health: StoreHealth,
  committed: () => void = () => undefined,
): GroupCommit {
  // Prepared: parsing them anew for each write took longer than running them.
  const begin = db.prepare('BEGIN IMMEDIATE');
  const commit = db.prepare('COMMIT');
  const savepoint = db.prepare('SAVEPOINT one');
  const release = db.prepare('RELEASE one');
  let queue: Queued[] = [];
  let scheduled = false;

  function flush(): void {
    scheduled = false;
    const batch = queue;
    queue = [];
    if (batch.length === 0) return;
    const done: (() => void)[] = [];
    try {
      begin.run();
      for (const item of batch) done.push(runOne(item));
      commit.run();
    } catch (error) {
      const reason = health.judge(error);
      rollBack();
      for (const item of batch) item.reject(reason);
      return;
    }
    for (const settle of done) settle();
    try {
      health.worked();
      committed();
    } catch (error) {
      // What was written is on disk; who listens reads it after the next commit.
      health.judge(error);
    }
  }

  function rollBack(): void {
    try {
      // SQLite may have rolled back by itself already; then there is nothing left to undo.
      if (db.isTransaction) db.exec('ROLLBACK');
    } catch (error) {
      // Of a store that answers nothing any more.
      health.judge(error);
    }
  }

  function runOne(item: Queued): () => void {
    savepoint.run();
    try {
      const value = item.run();
      release.run();
      return () => item.resolve(value);
    } catch (error) {
      // A full disk undoes the whole transaction: everybody in it must hear of it.
      if (!db.isTransaction) throw error;
      db.exec('ROLLBACK TO one');
      db.exec('RELEASE one');
      const reason = health.judge(error);
      return () => item.reject(reason);
    }
  }

  return {
    write<T>(run: () => T): Promise<T> {
      return new Promise<T>((resolve, reject) => {
        // The value comes back from the very `run` given here, so its type is T.
        queue.push({ run, resolve: resolve as (value: unknown) => void, reject });
        if (!scheduled) {
          scheduled = true;
          setImmediate(flush);
        }
      });
    },
    flush,
  };
}
