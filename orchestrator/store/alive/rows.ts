/** One kind of row in memory: by key, with what is looked up of it kept in step, and what has changed since the last commit. */
import type { Undo } from './undo.ts';

/** Kept in step with rows: called for each change, including one that is undone. */
export interface Index<R> {
  changed(key: string, before: R | undefined, after: R | undefined): void;
}

export class Rows<R> {
  readonly #undo: Undo;
  readonly #indexes: readonly Index<R>[];
  readonly #rows = new Map<string, R>();
  /** Each with the row as it is on disk. */
  readonly #changed = new Map<string, R | undefined>();

  constructor(undo: Undo, indexes: readonly Index<R>[] = []) {
    this.#undo = undo;
    this.#indexes = indexes;
  }

  /** As it is on disk. */
  load(key: string, row: R): void {
    this.#set(key, this.#rows.get(key), row);
  }

  get(key: string): R | undefined {
    return this.#rows.get(key);
  }

  values(): IterableIterator<R> {
    return this.#rows.values();
  }

  put(key: string, row: R): void {
    this.#change(key, row);
  }

  remove(key: string): void {
    if (this.#rows.has(key)) this.#change(key, undefined);
  }

  /** Forgets a row that is on disk and need not be in memory. */
  evict(key: string): void {
    this.#set(key, this.#rows.get(key), undefined);
  }

  get hasChanges(): boolean {
    return this.#changed.size > 0;
  }

  /** Each row that has changed, once: as it is on disk and as it is now; undefined where there is none. */
  *changes(): Generator<{ readonly key: string; readonly before: R | undefined; readonly after: R | undefined }> {
    for (const [key, before] of this.#changed) {
      const after = this.#rows.get(key);
      // It was taken back.
      if (after !== before) yield { key, before, after };
    }
  }

  /** They are on disk, or taken back. */
  settle(): void {
    this.#changed.clear();
  }

  #change(key: string, row: R | undefined): void {
    const before = this.#rows.get(key);
    if (!this.#changed.has(key)) this.#changed.set(key, before);
    this.#set(key, before, row);
    this.#undo.push(() => this.#set(key, row, before));
  }

  #set(key: string, before: R | undefined, after: R | undefined): void {
    if (after === undefined) this.#rows.delete(key);
    else this.#rows.set(key, after);
    for (const index of this.#indexes) index.changed(key, before, after);
  }
}
