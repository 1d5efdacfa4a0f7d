/** What a work has done, as text that is the same for works that did the same. */

import { NotLoaded } from './want.ts';
import type { Rows } from './workspace/rows.ts';
import type { Workspace } from './workspace/workspace.ts';

export interface Outcome {
  readonly failed: boolean;
  readonly value: unknown;
  readonly error: unknown;
  /** Covers its value or error, the rows that it has changed, and the events that it has added. */
  readonly text: string;
}

export function outcomeOf(run: () => unknown, workspace: Workspace): Outcome {
  let value: unknown;
  let error: unknown;
  let failed = false;
  // What the works before it in the batch have done is the same both times, and may be much.
  const kinds = Object.entries(workspace.rows).map(([name, kind]) => ({ name, kind, begun: rowsOf(kind) }));
  const eventsBegun = workspace.added().length;
  try {
    value = run();
  } catch (reason) {
    // It has not been run: what it needs is loaded first.
    if (reason instanceof NotLoaded) throw reason;
    failed = true;
    error = reason;
  }
  const rows = kinds.map(({ name, kind, begun }) => [
    name,
    [...rowsOf(kind)].filter(([key, row]) => !begun.has(key) || begun.get(key) !== row),
  ]);
  const said = failed ? String(error) : value;
  return { failed, value, error, text: JSON.stringify([said, rows, workspace.added().slice(eventsBegun)], plain) };
}

/** The rows that have changed in the batch, as they are now. */
const rowsOf = (kind: Pick<Rows<unknown>, 'changes'>): ReadonlyMap<string, unknown> =>
  new Map([...kind.changes()].map(({ key, after }) => [key, after]));

/** Sealed bytes have a nonce of their own each time, and are as long. */
function plain(this: Readonly<Record<string, unknown>>, key: string, value: unknown): unknown {
  // As it was before its own toJSON.
  const own = this[key];
  if (own instanceof Uint8Array) return `${own.length} bytes`;
  if (typeof value === 'bigint') return String(value);
  if (value instanceof Map || value instanceof Set) return [...value];
  return value;
}
