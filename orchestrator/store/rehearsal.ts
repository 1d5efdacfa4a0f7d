/** What a work has done, as text that is the same for works that did the same. */
import type { Alive } from './alive/alive.ts';

export interface Outcome {
  readonly failed: boolean;
  readonly value: unknown;
  readonly error: unknown;
  /** Covers its value or error, the rows that have changed in the batch, and the events that were added. */
  readonly text: string;
}

export function outcomeOf(run: () => unknown, alive: Alive): Outcome {
  let value: unknown;
  let error: unknown;
  let failed = false;
  try {
    value = run();
  } catch (reason) {
    failed = true;
    error = reason;
  }
  const rows = Object.entries(alive.rows).map(([name, kind]) => [name, [...kind.changes()].map(({ after }) => after)]);
  const said = failed ? String(error) : value;
  return { failed, value, error, text: JSON.stringify([said, rows, alive.added()], plain) };
}

/** Sealed bytes have a nonce of their own each time, and are as long. */
function plain(this: Readonly<Record<string, unknown>>, key: string, value: unknown): unknown {
  // As it was before its own toJSON.
  const own = this[key];
  if (own instanceof Uint8Array) return `${own.length} bytes`;
  if (typeof value === 'bigint') return String(value);
  if (value instanceof Map || value instanceof Set) return [...value];
  return value;
}
