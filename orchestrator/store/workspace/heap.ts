/** A binary heap: whatever was added, the first of it is known at once. */
export class Heap<T> {
  readonly #isBefore: (a: T, b: T) => boolean;
  #values: T[] = [];

  constructor(isBefore: (a: T, b: T) => boolean) {
    this.#isBefore = isBefore;
  }

  get size(): number {
    return this.#values.length;
  }

  /** The one before which no other comes; undefined when it is empty. */
  get first(): T | undefined {
    return this.#values[0];
  }

  add(value: T): void {
    this.#values.push(value);
    for (let index = this.#values.length - 1; index > 0; ) {
      const parent = (index - 1) >> 1;
      if (!this.#goesBefore(index, parent)) return;
      this.#swap(parent, index);
      index = parent;
    }
  }

  dropFirst(): void {
    const last = this.#values.pop();
    if (last === undefined || this.#values.length === 0) return;
    this.#values[0] = last;
    for (let index = 0; ; ) {
      const left = 2 * index + 1;
      const child = this.#goesBefore(left + 1, left) ? left + 1 : left;
      if (!this.#goesBefore(child, index)) return;
      this.#swap(index, child);
      index = child;
    }
  }

  /** Holds these from now on, and nothing else. */
  reset(values: Iterable<T>): void {
    this.#values = [...values].sort((a, b) => (this.#isBefore(a, b) ? -1 : 1));
  }

  #goesBefore(index: number, other: number): boolean {
    const [one, two] = [this.#values[index], this.#values[other]];
    return one !== undefined && two !== undefined && this.#isBefore(one, two);
  }

  #swap(a: number, b: number): void {
    const [one, other] = [this.#values[a], this.#values[b]];
    if (one === undefined || other === undefined) return;
    this.#values[a] = other;
    this.#values[b] = one;
  }
}
