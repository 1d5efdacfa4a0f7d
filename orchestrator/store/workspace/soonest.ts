/** Rows by time: which comes first. Outdated times are left in its heap until they come up. */
import { Heap } from './heap.ts';
import type { LookUp } from './loading.ts';
import type { Index } from './rows.ts';

interface Entry {
  readonly at: number;
  readonly key: string;
}

/** What is wanted for the first time of all. */
const first = 'first';

export class Soonest<R> implements Index<R> {
  readonly #timeOf: (row: R) => number | undefined;
  readonly #times = new Map<string, number>();
  readonly #heap = new Heap<Entry>((a, b) => a.at < b.at);
  #lookUp: LookUp | undefined;

  /** `timeOf`: undefined for a row that waits for no time. */
  constructor(timeOf: (row: R) => number | undefined) {
    this.#timeOf = timeOf;
  }

  bind(lookUp: LookUp | undefined): void {
    this.#lookUp = lookUp;
  }

  /** `first`: any that waits for a time; otherwise those that are due at it. */
  includes(row: R, is: string): boolean {
    const at = this.#timeOf(row);
    return at !== undefined && (is === first || at <= Number(is));
  }

  changed(key: string, _before: R | undefined, after: R | undefined): void {
    const at = after === undefined ? undefined : this.#timeOf(after);
    if (at === this.#times.get(key)) return;
    if (at === undefined) {
      this.#times.delete(key);
      return;
    }
    this.#times.set(key, at);
    this.#heap.add({ at, key });
    // Far more old times than true ones: start over.
    if (this.#heap.size > 1_024 && this.#heap.size > 4 * this.#times.size) {
      this.#heap.reset([...this.#times].map(([of, time]) => ({ at: time, key: of })));
    }
  }

  /** The first time; undefined when nothing waits. */
  next(): number | undefined {
    this.#lookUp?.need(first);
    return this.#next();
  }

  #next(): number | undefined {
    for (let top = this.#heap.first; top !== undefined; top = this.#heap.first) {
      if (this.#times.get(top.key) === top.at) return top.at;
      this.#heap.dropFirst();
    }
    return undefined;
  }

  /** Keys of what is due, soonest first, equal times by key: always in the same order. Looks at nothing that is not due. */
  until(at: number): string[] {
    this.#lookUp?.need(String(at));
    const due: Entry[] = [];
    for (let next = this.#next(); next !== undefined && next <= at; next = this.#next()) {
      const top = this.#heap.first;
      if (top === undefined) break;
      due.push(top);
      this.#heap.dropFirst();
    }
    for (const entry of due) this.#heap.add(entry);
    due.sort((a, b) => a.at - b.at || (a.key < b.key ? -1 : 1));
    return [...new Set(due.map(({ key }) => key))];
  }
}
