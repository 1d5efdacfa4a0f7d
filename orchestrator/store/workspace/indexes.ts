/** What is looked up of rows in memory, so that nothing has to look through all of them. */
import type { LookUp } from './loading.ts';
import type { Index } from './rows.ts';

/** Rows by what they have in common; those without a group are left out. */
export class Groups<R> implements Index<R> {
  readonly #groupOf: (row: R) => string | undefined;
  readonly #groups = new Map<string, Map<string, R>>();
  #lookUp: LookUp | undefined;

  constructor(groupOf: (row: R) => string | undefined) {
    this.#groupOf = groupOf;
  }

  bind(lookUp: LookUp | undefined): void {
    this.#lookUp = lookUp;
  }

  groupOf(row: R): string | undefined {
    return this.#groupOf(row);
  }

  includes(row: R, is: string): boolean {
    return this.#groupOf(row) === is;
  }

  /** In no order. */
  of(group: string): ReadonlyMap<string, R> {
    this.#lookUp?.need(group);
    return this.#groups.get(group) ?? new Map();
  }

  has(group: string): boolean {
    this.#lookUp?.need(group);
    return this.#groups.has(group);
  }

  /** As `has`; true where that is not loaded. */
  mayHave(group: string): boolean {
    return this.#lookUp !== undefined || this.#groups.has(group);
  }

  /** As `of`, of those that happen to be loaded. */
  loaded(group: string): ReadonlyMap<string, R> {
    return this.#groups.get(group) ?? new Map();
  }

  changed(key: string, before: R | undefined, after: R | undefined): void {
    const from = before === undefined ? undefined : this.#groupOf(before);
    const to = after === undefined ? undefined : this.#groupOf(after);
    if (from !== undefined && from !== to) {
      const group = this.#groups.get(from);
      group?.delete(key);
      if (group?.size === 0) this.#groups.delete(from);
    }
    if (to === undefined || after === undefined) return;
    const group = this.#groups.get(to);
    if (group === undefined) this.#groups.set(to, new Map([[key, after]]));
    else group.set(key, after);
  }
}

/** How often each name is counted within a group; a name that is not counted is not there. */
export class Counts<R> implements Index<R> {
  readonly #countedAs: (row: R) => readonly [group: string, name: string] | undefined;
  readonly #groups: Map<string, Map<string, number>>;
  #lookUp: LookUp | undefined;

  /** `shared`: several kinds of rows count into one. */
  constructor(
    countedAs: (row: R) => readonly [group: string, name: string] | undefined,
    shared: Map<string, Map<string, number>> = new Map(),
  ) {
    this.#countedAs = countedAs;
    this.#groups = shared;
  }

  bind(lookUp: LookUp | undefined): void {
    this.#lookUp = lookUp;
  }

  /** Sees to it that the group counts all of its rows. */
  need(group: string): void {
    this.#lookUp?.need(group);
  }

  groupOf(row: R): string | undefined {
    return this.#countedAs(row)?.[0];
  }

  includes(row: R, is: string): boolean {
    return this.groupOf(row) === is;
  }

  changed(_key: string, before: R | undefined, after: R | undefined): void {
    const from = before === undefined ? undefined : this.#countedAs(before);
    const to = after === undefined ? undefined : this.#countedAs(after);
    if (from?.[0] === to?.[0] && from?.[1] === to?.[1]) return;
    if (to !== undefined) this.#add(to, 1);
    if (from !== undefined) this.#add(from, -1);
  }

  #add([group, name]: readonly [string, string], by: number): void {
    const names = this.#groups.get(group) ?? new Map<string, number>();
    const count = (names.get(name) ?? 0) + by;
    if (count === 0) names.delete(name);
    else names.set(name, count);
    if (names.size === 0) this.#groups.delete(group);
    else this.#groups.set(group, names);
  }
}

export interface Reserved {
  readonly memoryBytes: number;
  readonly cpuMillis: number;
}

/** Sums of what rows take of something. */
export class Sums<R> implements Index<R> {
  readonly #takes: (row: R) => (Reserved & { readonly of: string }) | undefined;
  readonly #less: () => void;
  readonly #sums = new Map<string, Reserved>();
  #lookUp: LookUp | undefined;

  /** `less` is called when anything has less taken of it than before. */
  constructor(takes: (row: R) => (Reserved & { readonly of: string }) | undefined, less: () => void) {
    this.#takes = takes;
    this.#less = less;
  }

  bind(lookUp: LookUp | undefined): void {
    this.#lookUp = lookUp;
  }

  groupOf(row: R): string | undefined {
    return this.#takes(row)?.of;
  }

  includes(row: R, is: string): boolean {
    return this.groupOf(row) === is;
  }

  of(name: string): Reserved {
    this.#lookUp?.need(name);
    return this.#sum(name);
  }

  #sum(name: string): Reserved {
    return this.#sums.get(name) ?? { memoryBytes: 0, cpuMillis: 0 };
  }

  changed(_key: string, before: R | undefined, after: R | undefined): void {
    const from = before === undefined ? undefined : this.#takes(before);
    const to = after === undefined ? undefined : this.#takes(after);
    const same = from?.of === to?.of;
    if (same && from?.memoryBytes === to?.memoryBytes && from?.cpuMillis === to?.cpuMillis) return;
    if (from !== undefined) this.#add(from, -1);
    if (to !== undefined) this.#add(to, 1);
    const grows = same && from !== undefined && to !== undefined;
    if (from !== undefined && !(grows && to.memoryBytes >= from.memoryBytes && to.cpuMillis >= from.cpuMillis)) {
      this.#less();
    }
  }

  #add({ of: name, memoryBytes, cpuMillis }: Reserved & { readonly of: string }, by: number): void {
    const sum = this.#sum(name);
    const next = { memoryBytes: sum.memoryBytes + by * memoryBytes, cpuMillis: sum.cpuMillis + by * cpuMillis };
    if (next.memoryBytes === 0 && next.cpuMillis === 0) this.#sums.delete(name);
    else this.#sums.set(name, next);
  }
}
