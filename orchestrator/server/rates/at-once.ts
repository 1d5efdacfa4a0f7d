/** How much is under way at the same time, for one key and for all. */
export interface AtOnceBounds {
  readonly perKey: number;
  readonly inAll: number;
}

export class AtOnce {
  readonly #bounds: AtOnceBounds;
  readonly #byKey = new Map<string, number>();
  #inAll = 0;

  constructor(bounds: AtOnceBounds) {
    this.#bounds = bounds;
  }

  /** False when there is too much already; else it counts until `ended` is called back, once. */
  begin(key: string, onEnd: (ended: () => void) => void): boolean {
    const here = this.#byKey.get(key) ?? 0;
    if (here >= this.#bounds.perKey || this.#inAll >= this.#bounds.inAll) return false;
    this.#byKey.set(key, here + 1);
    this.#inAll += 1;
    onEnd(() => {
      const left = (this.#byKey.get(key) ?? 1) - 1;
      if (left === 0) this.#byKey.delete(key);
      else this.#byKey.set(key, left);
      this.#inAll -= 1;
    });
    return true;
  }
}
