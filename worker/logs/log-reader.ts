/**
 * Reads a log from any place, and on as it grows. A reader holds a position in a file, and what it was giving out when it stalled
 * (about 128 KiB, recent-writes.ts); what was dropped before it got there comes as a GAP entry.
 */
import type { Clock } from '#common/clock.ts';
import { Bell, pause } from '#common/waiting/bell.ts';
import { gapEntry, type StoredEntry, wallNs } from './log-entry.ts';
import type { LogStore } from './log-store.ts';
import { type Segment, SegmentReader } from './segment-file.ts';
import { decodeRecord } from './segment-record.ts';

/** Where to begin: with the last lines, or right after an entry. */
export type ReadFrom = { readonly lastLines: number } | { readonly afterSeq: number; readonly sameLog: boolean };

const batchBytes = 64 * 1024;
// Cursor, time and stream of an entry on the wire.
const entryOverheadBytes = 40;
const batchMs = 5;

/**
 * Batches of entries in order, of about 64 KiB or 5 ms. Ends at the end of the log; with `follow` when aborted or when the
 * log is closed. The numbers of the entries only grow; a GAP entry has the number of the last one missing.
 */
export async function* readLog(
  store: LogStore,
  from: ReadFrom,
  options: { readonly follow: boolean; readonly clock: Clock; readonly signal: AbortSignal },
): AsyncGenerator<readonly StoredEntry[], void, undefined> {
  const { follow, clock, signal } = options;
  const bell = new Bell();
  const stopListening = store.onChange(() => bell.ring());
  const files = new SegmentReader();
  try {
    let nextSeq = firstWanted(store, from);
    if ('sameLog' in from && !from.sameLog) {
      yield [gap(clock, Math.max(0, nextSeq - 1), 'the log starts over here; earlier lines are gone')];
    }
    let place: { segment: Segment; offset: number } | undefined;
    while (!signal.aborted) {
      const recent = store.takeRecent(nextSeq);
      if (recent) {
        await files.close();
        place = { segment: recent.segment, offset: recent.offset };
        nextSeq += recent.entries.length;
        yield* batchesOf(recent.entries);
        if (follow && nextSeq === store.nextSeq) await pause(clock, batchMs, signal);
        continue;
      }
      place = nextPlace(store, place, nextSeq);
      const bytes = place ? await files.read(place.segment, place.offset, batchBytes) : Buffer.alloc(0);
      if (place && bytes?.length) {
        const { entries, next } = decodeBatch(bytes, nextSeq, clock);
        place.offset += bytes.length;
        nextSeq = next;
        yield* batchesOf(entries);
        // The first line after a silence goes at once; then let some gather, since lines come in bursts.
        if (follow && bytes.length < batchBytes / 2) await pause(clock, batchMs, signal);
        continue;
      }
      if (place && bytes === undefined) {
        const after = segmentAfter(store, place.segment);
        // The active segment cannot be read any more; wait for the next one rather than forever at this place.
        place = { segment: after ?? place.segment, offset: after ? 0 : place.segment.bytes };
        if (after) continue;
      }
      if (store.ended || !follow) return;
      await files.close();
      await bell.wait({ signal });
    }
  } finally {
    stopListening();
    await files.close();
  }
}

/** One record can be much larger than a batch. */
function* batchesOf(entries: readonly StoredEntry[]): Generator<readonly StoredEntry[]> {
  let first = 0;
  let bytes = 0;
  for (const [index, { text }] of entries.entries()) {
    if (bytes > 0 && bytes + text.length > batchBytes) {
      yield entries.slice(first, index);
      first = index;
      bytes = 0;
    }
    bytes += text.length + entryOverheadBytes;
  }
  if (first < entries.length) yield first === 0 ? entries : entries.slice(first);
}

function firstWanted(store: LogStore, from: ReadFrom): number {
  if ('lastLines' in from) return Math.max(store.firstSeq, store.nextSeq - from.lastLines);
  return from.sameLog ? Math.min(from.afterSeq + 1, store.nextSeq) : store.firstSeq;
}

/** Where to read on: in this segment while it has more, else in the next. Undefined at the end of the log. */
function nextPlace(store: LogStore, place: { segment: Segment; offset: number } | undefined, nextSeq: number) {
  if (!place) {
    const segment = store.segments.findLast((candidate) => candidate.firstSeq <= nextSeq) ?? store.segments[0];
    return segment && { segment, offset: 0 };
  }
  if (place.offset < place.segment.bytes) return place;
  const after = segmentAfter(store, place.segment);
  return after ? { segment: after, offset: 0 } : place;
}

const segmentAfter = (store: LogStore, segment: Segment): Segment | undefined =>
  store.segments.find((candidate) => candidate.firstSeq > segment.firstSeq);

/** The entries from `wanted` on, with GAP entries where numbers are missing. */
function decodeBatch(bytes: Buffer, wanted: number, clock: Clock): { entries: StoredEntry[]; next: number } {
  const entries: StoredEntry[] = [];
  let next = wanted;
  for (const line of bytes.toString('utf8').split('\n')) {
    const record = line === '' ? undefined : decodeRecord(line);
    // A damaged record shows as missing numbers at the next whole one.
    if (!record) continue;
    if (record.firstSeq > next) {
      const missing = record.firstSeq - next;
      entries.push(gap(clock, record.firstSeq - 1, `${missing} lines are missing here; they are no longer kept`));
      next = record.firstSeq;
    }
    for (const entry of record.entries) {
      if (entry.seq < next) continue;
      entries.push(entry);
      next = entry.seq + 1;
    }
  }
  return { entries, next };
}

const gap = (clock: Clock, seq: number, text: string): StoredEntry => ({
  ...gapEntry(wallNs(clock.wallMs()), text),
  seq,
});
