/**
 * A number of slots, shared out fairly among users: bounds how many builds run at once, and keeps one user's builds from
 * holding up everybody's.
 *
 * 1. Of more than one slot, no user has all: one is left for the others, whatever one of them builds.
 * 2. A slot that is free goes to who has the fewest, then to who was served longest ago, then to who has waited longest.
 * 3. What one user asks for is served in the order of asking.
 */

interface Waiter {
  /** Orders all who wait. */
  readonly asked: number;
  readonly grant: () => void;
}

interface User {
  held: number;
  /** When it was served last, as a number that grows; 0 for never. */
  served: number;
  readonly queue: Waiter[];
}

export class Slots {
  readonly #perUser: number;
  #free: number;
  #count = 0;
  /** Users that hold a slot or wait for one. */
  readonly #users = new Map<string, User>();

  constructor(count: number) {
    this.#free = count;
    this.#perUser = Math.max(1, count - 1);
  }

  /** Waits for a slot; `release` gives it back, once. Rejects with the signal's reason. */
  async take(signal: AbortSignal, userId = ''): Promise<() => void> {
    signal.throwIfAborted();
    const user = this.#users.get(userId) ?? { held: 0, served: 0, queue: [] };
    this.#users.set(userId, user);
    // Who waits while a slot is free has as many as one may have.
    if (this.#free > 0 && user.held < this.#perUser) this.#give(user);
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

  #give(user: User): void {
    this.#free -= 1;
    user.held += 1;
    user.served = ++this.#count;
  }

  #shareOut(): void {
    while (this.#free > 0) {
      const [next] = [...this.#users.values()]
        .filter(({ held, queue }) => queue.length > 0 && held < this.#perUser)
        .sort((a, b) => a.held - b.held || a.served - b.served || askedFirst(a) - askedFirst(b));
      const waiter = next?.queue.shift();
      if (next === undefined || waiter === undefined) return;
      this.#give(next);
      waiter.grant();
    }
  }

  #forget(userId: string, { held, queue }: User): void {
    if (held === 0 && queue.length === 0) this.#users.delete(userId);
  }

  #wait(userId: string, user: User, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        asked: ++this.#count,
        grant: () => {
          signal.removeEventListener('abort', onAbort);
          resolve();
        },
      };
      const onAbort = () => {
        const index = user.queue.indexOf(waiter);
        if (index >= 0) user.queue.splice(index, 1);
        this.#forget(userId, user);
        reject(signal.reason);
      };
      user.queue.push(waiter);
      signal.addEventListener('abort', onAbort, { once: true });
    });
  }
}

const askedFirst = ({ queue }: User): number => queue[0]?.asked ?? 0;
