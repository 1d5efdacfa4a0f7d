/** Puts a bound on work that can wait: it is asked to stop through its signal, and left behind if it does not listen. */
import type { Clock } from '../clock.ts';
import { onAbort } from './abort.ts';
import { TransientError } from './transient.ts';

/** The work did not end in time. What it was doing may still take effect. */
export class TimeLimitError extends TransientError {
  constructor(what: string, limitMs: number) {
    super(`${what} did not end within ${limitMs} ms`);
    this.name = 'TimeLimitError';
  }
}

/**
 * Runs `work` for at most `limitMs`. Rejects with TimeLimitError, or with the parent signal's reason, as soon as that
 * happens, even if `work` continues: the caller must look at the world again before it acts on it.
 */
export function withTimeLimit<T>(
  clock: Clock,
  what: string,
  limitMs: number,
  parent: AbortSignal | undefined,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    if (parent?.aborted) return reject(parent.reason);
    const controller = new AbortController();
    const giveUp = (reason: unknown) => {
      end();
      controller.abort(reason);
      reject(reason);
    };
    const cancelTimer = clock.after(limitMs, () => giveUp(new TimeLimitError(what, limitMs)));
    const release = onAbort(parent, () => giveUp(parent?.reason));
    const end = () => {
      cancelTimer();
      release();
    };
    work(controller.signal).then(
      (value) => {
        end();
        resolve(value);
      },
      (error: unknown) => {
        end();
        // After giveUp this reject is a no-op: the promise is settled already.
        reject(error);
      },
    );
  });
}
