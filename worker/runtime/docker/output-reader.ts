/**
 * Decides which lines of one look at a container's log are new. The engine's `follow` loses and doubles lines when it
 * rotates its files, so every look asks for the log since a time and finds its place again. Pure.
 *
 * Invariants:
 * 1. The place is found in the order of the file, not of the times: lines of stdout and stderr can be in the file in
 *    another order than that of their times. So a look begins `overlapNs` before the anchor and skips to it.
 * 2. The anchor (output-cursor.ts) must come back. If it does not, lines were rotated away: the batch says `gap`.
 * 3. A gap is reported once: the cursor of that batch names a line after it, or a time without an anchor.
 */
import type { OutputBatch, OutputLine } from '../container-runtime.ts';
import { formatOutputCursor, lineHash, type OutputCursor } from './output-cursor.ts';
import type { OutputFrame } from './output-frames.ts';
import { createLineJoiner } from './output-joiner.ts';

/** How far two lines can be from the order of their times: the engine stamps a line before it queues for the file. */
const overlapNs = 200_000_000n;
/** What is kept while the anchor is looked for; with more than that before it, it counts as lost. */
const heldMaxBytes = 1024 * 1024;

/**
 * The time that a look must ask for; undefined for the whole log. The whole log also while the wall clock is behind the
 * anchor: it was set back, and the lines since then have times before the anchor's.
 */
export function readSinceNs(cursor: OutputCursor, nowNs: bigint): bigint | undefined {
  const since = cursor.timeNs - overlapNs;
  return since <= 0n || nowNs < since ? undefined : since;
}

export interface LogReader {
  /** Takes the next frame; true when the batch is full, and is to be taken before the next frame. */
  push(frame: OutputFrame): boolean;
  /** Whether a batch is to be taken: after taking one there may be more. */
  isFull(): boolean;
  /** The batch that is full. The reader continues with the next one, in the same look. */
  takeFull(): OutputBatch;
  /** Whether the last line has no end yet. */
  hasUnfinished(): boolean;
  /** The last batch of the look. `ended`: the container does not run, so an unfinished line is all there will be of it. */
  finish(ended: boolean): OutputBatch;
}

const sizeOf = (line: OutputLine): number => Buffer.byteLength(line.text) + 1;

/** `maxBytes` is asked again for each batch. */
export function createFrameReader(cursor: OutputCursor, maxBytes: () => number): LogReader {
  const joiner = createLineJoiner();
  const ordinalOf = countByTime();
  let lines: OutputLine[] = [];
  /** Lines that are new, beyond what fits into the batch. */
  let over: { readonly line: OutputLine; readonly ordinal: number }[] = [];
  let held: { readonly line: OutputLine; readonly ordinal: number }[] = [];
  let heldBytes = 0;
  let bytes = 0;
  /** The line given out last, which the next look has to find again. */
  let newest: { readonly line: OutputLine; readonly ordinal: number } | undefined;
  /** The place was not found, which has yet to be reported. */
  let lost = false;
  let gap = false;
  let full = false;
  let searching = cursor.ordinal > 0;

  const emit = (line: OutputLine, ordinal: number) => {
    if (full) return void over.push({ line, ordinal });
    lines.push(line);
    bytes += sizeOf(line);
    newest = { line, ordinal };
    full = bytes >= maxBytes();
  };
  const endSearch = (missed: boolean) => {
    searching = false;
    if (missed) {
      gap = true;
      for (const { line, ordinal } of held) emit(line, ordinal);
    }
    held = [];
  };
  const anchorIsLost = () => {
    lost = true;
    endSearch(true);
  };
  const search = (line: OutputLine, ordinal: number) => {
    if (line.timeNs === cursor.timeNs && ordinal === cursor.ordinal) {
      const isAnchor = lineHash(line) === cursor.hash;
      // What was held stands before the anchor in the file: an earlier batch gave it out.
      endSearch(!isAnchor);
      // Another line in its place is new, and so is what follows. With Podman's times, whole seconds, that happens.
      if (!isAnchor) emit(line, ordinal);
      return;
    }
    if (line.timeNs <= cursor.timeNs) return;
    held.push({ line, ordinal });
    heldBytes += sizeOf(line);
    if (heldBytes > heldMaxBytes) anchorIsLost();
  };
  const take = (line: OutputLine) => {
    const ordinal = ordinalOf(line.timeNs);
    if (searching) search(line, ordinal);
    // After the anchor every line is new; without one only its time can show it.
    else if ((cursor.ordinal > 0 && !lost) || line.timeNs > cursor.timeNs) emit(line, ordinal);
  };

  const place = (): OutputCursor => {
    if (newest) return { timeNs: newest.line.timeNs, ordinal: newest.ordinal, hash: lineHash(newest.line) };
    return lost ? { timeNs: cursor.timeNs, ordinal: 0, hash: '' } : cursor;
  };

  return {
    push(frame) {
      for (const line of joiner.push(frame)) take(line);
      return full;
    },
    isFull: () => full,
    takeFull() {
      const batch = { lines, cursor: formatOutputCursor(place()), gap, more: true };
      const waiting = over;
      lines = [];
      over = [];
      bytes = 0;
      gap = false;
      full = false;
      for (const { line, ordinal } of waiting) emit(line, ordinal);
      return batch;
    },
    hasUnfinished: () => joiner.hasUnfinished(),
    finish(ended) {
      if (ended && !full) for (const line of joiner.end()) take(line);
      if (searching) anchorIsLost();
      return { lines, cursor: formatOutputCursor(place()), gap, more: full };
    },
  };
}

// Far more than the difference between the order of lines and that of their times.
const countedNs = 10n * overlapNs;

/** A line's ordinal among those with its time. Forgets times long before the newest, so that a long look costs no more. */
function countByTime(): (timeNs: bigint) => number {
  let before = new Map<bigint, number>();
  let now = new Map<bigint, number>();
  let sinceNs = 0n;
  return (timeNs) => {
    if (timeNs > sinceNs + countedNs) {
      before = now;
      now = new Map();
      sinceNs = timeNs;
    }
    const ordinal = (now.get(timeNs) ?? before.get(timeNs) ?? 0) + 1;
    now.set(timeNs, ordinal);
    return ordinal;
  };
}
