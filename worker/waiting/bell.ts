/** A bell wakes whoever waits on it. Ringing it while nobody waits is remembered once, so that no wake-up is lost. */
import type { Clock } from '#common/clock.ts';

export type Wakeup = 'rung' | 'timeout' | 'aborted';

export class Bell {
  #rung = false;
  readonly #waiters = new Set<() => void>();

  ring(): void {
    this.#rung = true;
    for (const waiter of [...this.#waiters]) waiter();
  }

  /** Returns when rung (also if it rang since the last wait), when `afterMs` have passed, or when aborted. Never throws. */
  async wait(bounds: { clock?: Clock; afterMs?: number; signal?: AbortSignal | undefined }): Promise<Wakeup> {
    const { clock, afterMs, signal } = bounds;
    if (signal?.aborted) return 'aborted';
    if (this.#rung) {
      this.#rung = false;
      return 'rung';
    }
    return new Promise<Wakeup>((resolve) => {
      const end = (how: Wakeup) => {
        this.#waiters.delete(onRing);
        signal?.removeEventListener('abort', onAbort);
        cancelTimer?.();
        resolve(how);
      };
      const onRing = () => {
        this.#rung = false;
        end('rung');
      };
      const onAbort = () => end('aborted');
      this.#waiters.add(onRing);
      signal?.addEventListener('abort', onAbort, { once: true });
      const cancelTimer = clock && afterMs !== undefined ? clock.after(afterMs, () => end('timeout')) : undefined;
    });
  }
}

/** Returns after `ms`, or at once when aborted. Never throws. */
export async function pause(clock: Clock, ms: number, signal?: AbortSignal): Promise<void> {
  await new Bell().wait({ clock, afterMs: ms, signal });
}

/** Resolves when the work has ended, or at once when aborted, whether the work listens or not. Rejects as the work does. */
export async function unlessAborted(signal: AbortSignal, work: Promise<unknown>): Promise<void> {
  const over = new AbortController();
  const finished = work.finally(() => over.abort());
  // The work may fail after nobody waits for it any more.
  finished.catch(() => undefined);
  await Promise.race([finished, new Bell().wait({ signal: AbortSignal.any([signal, over.signal]) })]);
  if (!signal.aborted) await finished;
}
