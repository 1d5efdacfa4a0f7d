/** A map whose changes can be taken back, for tables in memory that have transactions. */

export class Journal {
  #undo: (() => void)[] = [];

  /** Notes how to take a change back. */
  note(undo: () => void): void {
    this.#undo.push(undo);
  }

  /** Runs the work; what it changed is taken back when it throws, or when `keep` says so of its value. */
  transact<T>(work: () => T, keep: (value: T) => boolean): T {
    const outer = this.#undo;
    const inner: (() => void)[] = [];
    this.#undo = inner;
    let kept = false;
    try {
      const value = work();
      kept = keep(value);
      return value;
    } finally {
      this.#undo = outer;
      if (kept) outer.push(...inner);
      else for (const undo of inner.reverse()) undo();
    }
  }

  /** What has happened so far stays. */
  forget(): void {
    this.#undo = [];
  }
}

export class JournalledMap<V> {
  readonly #journal: Journal;
  readonly #values = new Map<string, V>();

  constructor(journal: Journal) {
    this.#journal = journal;
  }

  get(key: string): V | undefined {
    return this.#values.get(key);
  }

  set(key: string, value: V): void {
    const before = this.#values.get(key);
    this.#journal.note(() => (before === undefined ? this.#values.delete(key) : this.#values.set(key, before)));
    this.#values.set(key, value);
  }

  delete(key: string): boolean {
    const before = this.#values.get(key);
    if (before === undefined) return false;
    this.#journal.note(() => this.#values.set(key, before));
    return this.#values.delete(key);
  }

  values(): IterableIterator<V> {
    return this.#values.values();
  }

  entries(): IterableIterator<[string, V]> {
    return this.#values.entries();
  }

  get size(): number {
    return this.#values.size;
  }
}
