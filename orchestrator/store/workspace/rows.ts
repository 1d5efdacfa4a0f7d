/** One kind of row in memory: by key, with what is looked up of it kept in step, and what has changed since the last commit. */
import { wantText } from '../want.ts';
import type { Loading, LookUp } from './loading.ts';
import type { Undo } from './undo.ts';

/** Kept in step with rows: called for each change, including one that is undone. */
export interface Index<R> {
  changed(key: string, before: R | undefined, after: R | undefined): void;
  /** How to find out whether all rows of a look-up are loaded. */
  bind?(lookUp: LookUp | undefined): void;
  /** Whether the row is one of those that are looked up by the value. */
  includes?(row: R, is: string): boolean;
  /** The group that the row is in; an index without is looked at for advice. */
  groupOf?(row: R): string | undefined;
}

export interface Changed<R> {
  readonly key: string;
  /** As it is on disk; undefined where there is none. */
  readonly before: R | undefined;
  readonly after: R | undefined;
}

export interface RowsParts<R> {
  readonly name: string;
  readonly undo: Undo;
  readonly loading: Loading;
  readonly indexes?: Readonly<Record<string, Index<R>>>;
}

export class Rows<R> {
  readonly #name: string;
  readonly #undo: Undo;
  readonly #named: readonly (readonly [string, Index<R>])[];
  readonly #indexes: readonly Index<R>[];
  readonly #byKey: LookUp | undefined;
  readonly #isKept: boolean;
  readonly #all: LookUp | undefined;
  readonly #rows = new Map<string, R>();
  /** Each with the row as it is on disk. */
  readonly #changed = new Map<string, R | undefined>();
  /** Loaded for a while, where not all are. */
  readonly #borrowed = new Set<string>();

  constructor({ name, undo, loading, indexes = {} }: RowsParts<R>) {
    this.#name = name;
    this.#undo = undo;
    this.#named = Object.entries(indexes);
    this.#indexes = Object.values(indexes);
    this.#byKey = loading.lookUp(name, 'key', false);
    this.#isKept = loading.isKept(name);
    this.#all = loading.lookUp(name, 'all', false);
    for (const [by, index] of this.#named) index.bind?.(loading.lookUp(name, by, index.groupOf === undefined));
  }

  /** As it is on disk, and kept in memory. */
  load(key: string, row: R): void {
    this.#set(key, this.#rows.get(key), row);
  }

  /** As it is on disk, until `giveBack`. One that is here already stays as it is. */
  borrow(key: string, row: R): void {
    this.#byKey?.know(key);
    if (this.#rows.has(key)) return;
    this.#borrowed.add(key);
    this.#set(key, undefined, row);
  }

  giveBack(): void {
    if (this.#borrowed.size === 0) return;
    for (const key of this.#borrowed) this.evict(key);
    this.#borrowed.clear();
  }

  get(key: string): R | undefined {
    const row = this.#rows.get(key);
    if (this.#byKey === undefined || (row !== undefined && !this.#byKey.guards)) return row;
    this.#byKey.need(key);
    return this.#rows.get(key);
  }

  /** The row, if it happens to be here. */
  loaded(key: string): R | undefined {
    return this.#rows.get(key);
  }

  /** All of them. */
  values(): IterableIterator<R> {
    this.#all?.need('');
    return this.#rows.values();
  }

  /** Those that happen to be here. */
  entries(): IterableIterator<[string, R]> {
    return this.#rows.entries();
  }

  /** Whether the row is one of those that are looked up by the value. */
  includes(row: R, by: string, is: string): boolean {
    if (by === 'all') return true;
    return this.#named.find(([name]) => name === by)?.[1].includes?.(row, is) ?? false;
  }

  /** A row that is not loaded is taken for a new one: if there is one, the commit conflicts. */
  put(key: string, row: R): void {
    if (this.#byKey?.guards) this.#byKey.assume(key);
    if (!this.#isKept) this.#borrowed.add(key);
    this.#change(key, row);
  }

  remove(key: string): void {
    if (this.get(key) === undefined) return;
    // It is still on disk, and must not be loaded again.
    this.#byKey?.know(key);
    this.#change(key, undefined);
  }

  /** Forgets a row that is on disk and need not be in memory. */
  evict(key: string): void {
    this.#set(key, this.#rows.get(key), undefined);
  }

  get hasChanges(): boolean {
    // What was taken back is none.
    return this.#changed.size > 0 && !this.changes().next().done;
  }

  /** Each row that has changed, once. */
  *changes(): Generator<Changed<R>> {
    for (const [key, before] of this.#changed) {
      const after = this.#rows.get(key);
      // It was taken back.
      if (after !== before) yield { key, before, after };
    }
  }

  /** What the changes make a guard fail of: the rows, and the groups that they were or are in. */
  *moved(): Generator<string> {
    for (const { key, before, after } of this.changes()) {
      yield wantText({ rows: this.#name, by: 'key', is: key });
      yield wantText({ rows: this.#name, by: 'all', is: '' });
      for (const [by, index] of this.#named) {
        for (const row of [before, after]) {
          const is = row === undefined ? undefined : index.groupOf?.(row);
          if (is !== undefined) yield wantText({ rows: this.#name, by, is });
        }
      }
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
