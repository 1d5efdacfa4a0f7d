/** Reads a part of a log that has a bound, so that nobody needs to hold a stream open to continue later. */
import type { Clock } from '#common/clock.ts';
import type { NewEntry, StoredEntry } from './log-entry.ts';
import { createLogFilter, type LogFilter } from './log-filter.ts';
import { type ReadFrom, readLog } from './log-reader.ts';
import type { LogStore } from './log-store.ts';

export interface PageQuery {
  /** The last entries that pass the filter, all of them, or those after an entry. */
  readonly from: ReadFrom | { readonly all: true };
  readonly filter: LogFilter;
  /** About; each entry counts as its text and `entryBytes`. 0 means to the end of the log. */
  readonly maxBytes: number;
}

/** What an entry costs in memory, besides its text. */
export const entryBytes = 128;
// A segment is dated by its last write; an entry can be stamped by an engine whose clock is a little ahead.
const clockSlackMs = 60_000;

/** Batches as of readLog; returns the number of the last entry that was looked at. */
export async function* readPage(
  store: LogStore,
  query: PageQuery,
  options: { readonly clock: Clock; readonly signal: AbortSignal },
): AsyncGenerator<readonly StoredEntry[], number, undefined> {
  const wanted = createLogFilter(query.filter);
  const reading = { ...options, follow: false };
  const from = await resolveFrom(store, query, wanted, reading);
  let lastSeq = firstSeq(store, from) - 1;
  let bytes = 0;
  for await (const batch of readLog(store, from, reading)) {
    const passing: StoredEntry[] = [];
    for (const entry of batch) {
      if (query.maxBytes > 0 && bytes >= query.maxBytes) break;
      lastSeq = entry.seq;
      if (wanted && !wanted(entry)) continue;
      passing.push(entry);
      bytes += entry.text.length + entryBytes;
    }
    if (passing.length > 0) yield passing;
    if (query.maxBytes > 0 && bytes >= query.maxBytes) break;
  }
  return lastSeq;
}

function firstSeq(store: LogStore, from: ReadFrom): number {
  if ('lastLines' in from) return Math.max(1, store.nextSeq - from.lastLines);
  return from.sameLog ? Math.min(from.afterSeq + 1, store.nextSeq) : 1;
}

async function resolveFrom(
  store: LogStore,
  { from, filter }: PageQuery,
  wanted: ((entry: NewEntry) => boolean) | undefined,
  reading: { readonly follow: false | boolean; readonly clock: Clock; readonly signal: AbortSignal },
): Promise<ReadFrom> {
  if ('sameLog' in from) return from;
  const beginning = { afterSeq: firstSince(store, filter.sinceNs) - 1, sameLog: true } as const;
  if ('all' in from) return beginning;
  if (!wanted) return from;
  // The entries themselves are not kept while the last ones are looked for: lines can be long.
  const found: number[] = [];
  let next = 0;
  for await (const batch of readLog(store, beginning, reading)) {
    for (const entry of batch) {
      if (!wanted(entry)) continue;
      found[next] = entry.seq;
      next = (next + 1) % from.lastLines;
    }
  }
  const first = found.length < from.lastLines ? found[0] : found[next];
  return { afterSeq: first === undefined ? store.nextSeq - 1 : first - 1, sameLog: true };
}

/** The first entry that may be of this time or later. */
function firstSince(store: LogStore, sinceNs: bigint | undefined): number {
  if (sinceNs === undefined) return store.firstSeq;
  const sinceMs = Number(sinceNs / 1_000_000n) - clockSlackMs;
  return store.segments.find(({ newestMs }) => newestMs >= sinceMs)?.firstSeq ?? store.nextSeq;
}
