/** Waiting in tests: look again until a condition holds, up to a bound, and say what was seen last when it never did. */
import { inspect } from 'node:util';

export interface EventuallyOptions {
  /** Default 5000. */
  readonly timeoutMs?: number;
  /** Pause between two looks; default 20. */
  readonly everyMs?: number;
  readonly signal?: AbortSignal;
}

/**
 * Reads a state until `holds` says yes and returns that state. `what` is the sentence that should become true.
 * A read that throws counts as a state that does not hold, and is shown as such. A read that hangs is given up at the bound.
 *
 *     const bot = await eventually('the bot runs', () => client.status('echo'), (bot) => bot.state === 'running');
 */
export async function eventually<T>(
  what: string,
  read: () => T | Promise<T>,
  holds: (state: T) => boolean,
  options: EventuallyOptions = {},
): Promise<T> {
  const { timeoutMs = 5000, everyMs = 20, signal } = options;
  const endMs = performance.now() + timeoutMs;
  let last = 'nothing (the first look did not return)';
  for (;;) {
    signal?.throwIfAborted();
    const leftMs = endMs - performance.now();
    if (leftMs <= 0) throw new Error(`${what}: not within ${timeoutMs} ms; last seen: ${last}`);
    const looked = new AbortController();
    try {
      const givenUp = delay(leftMs, AbortSignal.any([looked.signal, ...(signal ? [signal] : [])]));
      const state = await Promise.race([Promise.resolve(read()), givenUp.then(() => timedOut)]);
      if (state === timedOut) continue;
      // The only other member of the race is the marker, which was just ruled out.
      if (holds(state as T)) return state as T;
      last = show(state);
    } catch (error) {
      last = `an error: ${error instanceof Error ? error.message : show(error)}`;
    } finally {
      looked.abort();
    }
    await delay(Math.min(everyMs, Math.max(0, endMs - performance.now())), signal);
  }
}

const timedOut = Symbol('timed out');

const show = (state: unknown): string =>
  typeof state === 'string' ? state : inspect(state, { depth: 6, breakLength: 120, maxStringLength: 2000 });

function delay(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal?.addEventListener('abort', end, { once: true });
    if (signal?.aborted) end();
  });
}
