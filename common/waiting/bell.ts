/** A bell wakes what waits on it. A ring while nobody waits is remembered once, so that no wake-up is lost. */
import type { Clock } from '../clock.ts';
import { onAbort } from './abort.ts';

export type Wakeup = 'rung' | 'timeout' | 'aborted';

export interface WaitBounds {
  /** The clock that measures `afterMs`. */
  readonly clock?: Clock;
  readonly afterMs?: number;
  readonly signal?: AbortSignal | undefined;
}

export class Bell {
  #rung = false;
  readonly #waiters = new Set<() => void>();

  /** Wakes all who wait. */
  ring(): void {
    this.#rung = true;
    for (const waiter of [...this.#waiters]) waiter();
  }

  /** Returns when rung (also if it rang since the last wait), when `afterMs` have passed, or when aborted. Never throws. */
  async wait({ clock, afterMs, signal }: WaitBounds = {}): Promise<Wakeup> {
    if (signal?.aborted) return 'aborted';
    if (this.#rung) {
      this.#rung = false;
      return 'rung';
    }
    return new Promise<Wakeup>((resolve) => {
      const end = (how: Wakeup) => {
        this.#waiters.delete(onRing);
        release();
        cancelTimer?.();
        resolve(how);
      };
      const onRing = () => {
        this.#rung = false;
        end('rung');
      };
      this.#waiters.add(onRing);
      const release = onAbort(signal, () => end('aborted'));
      const cancelTimer = clock && afterMs !== undefined ? clock.after(afterMs, () => end('timeout')) : undefined;
    });
  }
}

/** Returns after `ms`, or at once when aborted. Never throws. */
export async function pause(clock: Clock, ms: number, signal?: AbortSignal): Promise<void> {
  await new Bell().wait({ clock, afterMs: ms, signal });
}
