/**
 * Token buckets, one for each key: so much at once, so much a second over time. Bounded: of more than `keysMax` keys, the one that was used
 * longest ago is forgotten, and is full again if it comes back. Pure: time is given.
 */

export interface Rate {
  /** What may be taken at once. */
  readonly burst: number;
  readonly perSecond: number;
}

interface Bucket {
  /** What was left, at `at`. */
  left: number;
  at: number;
}

const keysMaxDefault = 20_000;

export class Buckets {
  readonly #rate: Rate;
  readonly #keysMax: number;
  /** The one used last stands last. */
  readonly #buckets = new Map<string, Bucket>();

  constructor(rate: Rate, keysMax = keysMaxDefault) {
    this.#rate = rate;
    this.#keysMax = keysMax;
  }

  get keys(): number {
    return this.#buckets.size;
  }

  /** Takes `amount` and returns 0, or takes nothing and returns after how many seconds there is as much. `now`: monotonic, ms. */
  take(key: string, amount: number, now: number): number {
    const { burst, perSecond } = this.#rate;
    const bucket = this.#buckets.get(key) ?? { left: burst, at: now };
    bucket.left = Math.min(burst, bucket.left + ((now - bucket.at) / 1000) * perSecond);
    bucket.at = now;
    this.#buckets.delete(key);
    this.#buckets.set(key, bucket);
    if (this.#buckets.size > this.#keysMax) this.#forgetOldest();
    if (bucket.left < amount) return (amount - bucket.left) / perSecond;
    bucket.left -= amount;
    return 0;
  }

  /** As take, without taking. */
  wait(key: string, amount: number, now: number): number {
    const { burst, perSecond } = this.#rate;
    const bucket = this.#buckets.get(key);
    if (bucket === undefined) return 0;
    const left = Math.min(burst, bucket.left + ((now - bucket.at) / 1000) * perSecond);
    return left < amount ? (amount - left) / perSecond : 0;
  }

  #forgetOldest(): void {
    const [oldest] = this.#buckets.keys();
    if (oldest !== undefined) this.#buckets.delete(oldest);
  }
}
