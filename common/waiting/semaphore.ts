/**
 * A number of permits: bounds how much of something continues at once, and shares it out fairly among users.
 *
 * 1. No user holds more than `perUserMax` permits, however many are free.
 * 2. A free permit goes to the owner with the fewest, then to the one served longest ago, then to the longest wait.
 * 3. What one user asks for is served in the order of asking. With one user this is a plain queue.
 */
import { onAbort } from './abort.ts';

interface Waiter {
  /** Orders all who wait. */
  readonly asked: number;
  readonly grant: () => void;
}

interface User {
  held: number;
  /** When it was served last, as a number that grows; 0 for never. */
  served: number;
  /** In the order of asking. */
  readonly waiters: Set<Waiter>;
}

export interface SemaphoreOptions {
  /** Default: all of them. */
  readonly perUserMax?: number;
}

export class Semaphore {
  readonly #perUserMax: number;
  #free: number;
  #count = 0;
  /** Users that hold a permit or wait for one. */
  readonly #users = new Map<string, User>();

  constructor(permits: number, { perUserMax = permits }: SemaphoreOptions = {}) {
    this.#free = permits;
    this.#perUserMax = Math.max(1, perUserMax);
  }

  /** Waits for a permit; the returned function gives it back, once. Rejects with the signal's reason. */
  async acquire(signal: AbortSignal, userId = ''): Promise<() => void> {
    signal.throwIfAborted();
    const user = this.#users.get(userId) ?? { held: 0, served: 0, waiters: new Set() };
    this.#users.set(userId, user);
    // Who waits while a permit is free has as many as one may have.
    if (this.#free > 0 && user.held < this.#perUserMax) this.#give(user);
    else await this.#wait(userId, user, signal);
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      user.held -= 1;
      this.#free += 1;
      this.#shareOut();
      this.#forget(userId, user);
    };
  }

  /** What `work` returns or throws, with a permit held meanwhile. Rejects with the signal's reason when aborted before it had one. */
  async run<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    const release = await this.acquire(signal);
    try {
      return await work();
    } finally {
      release();
    }
  }

  #give(user: User): void {
    this.#free -= 1;
    user.held += 1;
    user.served = ++this.#count;
  }

  #shareOut(): void {
    while (this.#free > 0) {
      const next = this.#nextUser();
      const waiter = next && firstOf(next);
      if (next === undefined || waiter === undefined) return;
      next.waiters.delete(waiter);
      this.#give(next);
      waiter.grant();
    }
  }

  #nextUser(): User | undefined {
    let next: User | undefined;
    for (const user of this.#users.values()) {
      if (user.waiters.size === 0 || user.held >= this.#perUserMax) continue;
      if (next === undefined || goesBefore(user, next)) next = user;
    }
    return next;
  }

  #forget(userId: string, { held, waiters }: User): void {
    if (held === 0 && waiters.size === 0) this.#users.delete(userId);
  }

  #wait(userId: string, user: User, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        asked: ++this.#count,
        grant: () => {
          release();
          resolve();
        },
      };
      user.waiters.add(waiter);
      const release = onAbort(signal, () => {
        user.waiters.delete(waiter);
        this.#forget(userId, user);
        reject(signal.reason);
      });
    });
  }
}

/** With more than one permit, no user gets all: one is left for the others, whatever one of them asks for. */
export const fairSemaphore = (permits: number): Semaphore => new Semaphore(permits, { perUserMax: permits - 1 });

const firstOf = ({ waiters }: User): Waiter | undefined => waiters.values().next().value;

const goesBefore = (a: User, b: User): boolean =>
  (a.held - b.held || a.served - b.served || (firstOf(a)?.asked ?? 0) - (firstOf(b)?.asked ?? 0)) < 0;
