/** What is looked up of rows in memory, so that nothing has to look through all of them. */
import type { LookUp } from './loading.ts';
import type { Index } from './rows.ts';

/** Rows in groups. */
export abstract class Grouped<R> implements Index<R> {
  /** Undefined for a row that is in no group. */
  readonly groupOf: (row: R) => string | undefined;
  #lookUp: LookUp | undefined;

  constructor(groupOf: (row: R) => string | undefined) {
    this.groupOf = groupOf;
  }

  bind(lookUp: LookUp | undefined): void {
    this.#lookUp = lookUp;
  }

  includes(row: R, is: string): boolean {
    return this.groupOf(row) === is;
  }

  /** Sees to it that all rows of the group are here. */
  need(group: string): void {
    this.#lookUp?.need(group);
  }

  /** Whether there may be rows that are not here. */
  protected get isPartial(): boolean {
    return this.#lookUp !== undefined;
  }

  abstract changed(key: string, before: R | undefined, after: R | undefined): void;
}

/** Rows by what they have in common; those without a group are left out. */
export class Groups<R> extends Grouped<R> {
  readonly #groups = new Map<string, Map<string, R>>();

  /** In no order. */
  of(group: string): ReadonlyMap<string, R> {
    this.need(group);
    return this.#groups.get(group) ?? new Map();
  }

  has(group: string): boolean {
    this.need(group);
    return this.#groups.has(group);
  }

  /** As `has`; true where that is not loaded. */
  mayHave(group: string): boolean {
    return this.isPartial || this.#groups.has(group);
  }

  /** As `of`, of those that happen to be loaded. */
  loaded(group: string): ReadonlyMap<string, R> {
    return this.#groups.get(group) ?? new Map();
  }

  override changed(key: string, before: R | undefined, after: R | undefined): void {
    const from = before === undefined ? undefined : this.groupOf(before);
    const to = after === undefined ? undefined : this.groupOf(after);
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
export class Counts<R> extends Grouped<R> {
  readonly #countedAs: (row: R) => readonly [group: string, name: string] | undefined;
  readonly #groups: Map<string, Map<string, number>>;

  /** `shared`: several kinds of rows count into one. */
  constructor(
    countedAs: (row: R) => readonly [group: string, name: string] | undefined,
    shared: Map<string, Map<string, number>> = new Map(),
  ) {
    super((row) => countedAs(row)?.[0]);
    this.#countedAs = countedAs;
    this.#groups = shared;
  }

  override changed(_key: string, before: R | undefined, after: R | undefined): void {
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

/** The sum of a number over the rows of each group. */
export class Totals<R> extends Grouped<R> {
  readonly #counted: (row: R) => readonly [group: string, by: number] | undefined;
  readonly #totals = new Map<string, number>();

  constructor(counted: (row: R) => readonly [group: string, by: number] | undefined) {
    super((row) => counted(row)?.[0]);
    this.#counted = counted;
  }

  of(group: string): number {
    this.need(group);
    return this.#totals.get(group) ?? 0;
  }

  override changed(_key: string, before: R | undefined, after: R | undefined): void {
    const from = before === undefined ? undefined : this.#counted(before);
    const to = after === undefined ? undefined : this.#counted(after);
    if (from !== undefined) this.#add(from[0], -from[1]);
    if (to !== undefined) this.#add(to[0], to[1]);
  }

  #add(group: string, by: number): void {
    const total = (this.#totals.get(group) ?? 0) + by;
    if (total === 0) this.#totals.delete(group);
    else this.#totals.set(group, total);
  }
}

export interface Reserved {
  readonly memoryBytes: number;
  readonly cpuMillis: number;
}

/** Sums of what rows take of something. */
export class Sums<R> extends Grouped<R> {
  readonly #takes: (row: R) => (Reserved & { readonly of: string }) | undefined;
  readonly #less: () => void;
  readonly #sums = new Map<string, Reserved>();

  /** `less` is called when anything has less taken of it than before. */
  constructor(takes: (row: R) => (Reserved & { readonly of: string }) | undefined, less: () => void) {
    super((row) => takes(row)?.of);
    this.#takes = takes;
    this.#less = less;
  }

  of(name: string): Reserved {
    this.need(name);
    return this.#sum(name);
  }

  #sum(name: string): Reserved {
    return this.#sums.get(name) ?? { memoryBytes: 0, cpuMillis: 0 };
  }

  override changed(_key: string, before: R | undefined, after: R | undefined): void {
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
