/** Rows by time: which comes first. A binary heap; outdated times are left in it until they come up. */
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
  #heap: Entry[] = [];
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
    this.#heap.push({ at, key });
    this.#rise(this.#heap.length - 1);
    // Far more old times than true ones: start over.
    if (this.#heap.length > 1_024 && this.#heap.length > 4 * this.#times.size) {
      this.#heap = [...this.#times].map(([of, time]) => ({ at: time, key: of })).sort((a, b) => a.at - b.at);
    }
  }

  /** The first time; undefined when nothing waits. */
  next(): number | undefined {
    this.#lookUp?.need(first);
    return this.#next();
  }

  #next(): number | undefined {
    for (let top = this.#heap[0]; top !== undefined; top = this.#heap[0]) {
      if (this.#times.get(top.key) === top.at) return top.at;
      this.#dropFirst();
    }
    return undefined;
  }

  /** Keys of what is due, soonest first, equal times by key: always in the same order. Looks at nothing that is not due. */
  until(at: number): string[] {
    this.#lookUp?.need(String(at));
    const due: Entry[] = [];
    for (let next = this.#next(); next !== undefined && next <= at; next = this.#next()) {
      const top = this.#heap[0];
      if (top === undefined) break;
      due.push(top);
      this.#dropFirst();
    }
    for (const entry of due) {
      this.#heap.push(entry);
      this.#rise(this.#heap.length - 1);
    }
    due.sort((a, b) => a.at - b.at || (a.key < b.key ? -1 : 1));
    return [...new Set(due.map(({ key }) => key))];
  }

  #at(index: number): number {
    return this.#heap[index]?.at ?? Number.POSITIVE_INFINITY;
  }

  #swap(a: number, b: number): void {
    const [one, other] = [this.#heap[a], this.#heap[b]];
    if (one === undefined || other === undefined) return;
    this.#heap[a] = other;
    this.#heap[b] = one;
  }

  #rise(start: number): void {
    for (let index = start; index > 0; ) {
      const parent = (index - 1) >> 1;
      if (this.#at(parent) <= this.#at(index)) return;
      this.#swap(parent, index);
      index = parent;
    }
  }

  #dropFirst(): void {
    const last = this.#heap.pop();
    if (last === undefined || this.#heap.length === 0) return;
    this.#heap[0] = last;
    for (let index = 0; ; ) {
      const left = 2 * index + 1;
      const child = this.#at(left + 1) < this.#at(left) ? left + 1 : left;
      if (this.#at(child) >= this.#at(index)) return;
      this.#swap(index, child);
      index = child;
    }
  }
}
