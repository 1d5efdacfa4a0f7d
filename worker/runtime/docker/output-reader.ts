/**
 * Decides which lines of one look at a container's log are new. The engine's `follow` loses and doubles lines when it
 * rotates its files, so every look asks for the log since a time and finds its place again. Pure.
 *
 * Invariants:
 * 1. The place is found in the order of the file, not of the times: lines of stdout and stderr can be in the file in
 *    another order than that of their times. So a look begins `overlapNs` before the anchor and skips to it.
 * 2. The anchor (output-cursor.ts) must come back. If it does not, lines were rotated away: the batch says `gap`.
 * 3. A gap is reported once: the cursor of that batch names a line after it, or a time without an anchor.
 * 4. The last lines of the log will do if the anchor is among them, and no line with its time can be missing before them: one of its
 *    stream with an earlier time is there, or it is more than `overlapNs` later than the oldest. In one stream times do not go back,
 *    and two streams do not have the same nanosecond. The same must hold for each line that is given out, since it may be the next
 *    anchor: before one for which it does not hold, the look ends. If the anchor is not found so, nothing is concluded.
 */
import type { OutputBatch, OutputLine, OutputStream } from '../container-runtime.ts';
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

/** Two streams do have the same time, and are not in its order, when times are whole seconds, as with Podman. */
const tailSlackNs = ({ timeNs }: OutputCursor): bigint => (timeNs % 1_000_000_000n === 0n ? 2_000_000_000n : 0n);

/**
 * How many of the last frames to look at, when the anchor was not among the last `tail`, the oldest of which has the time `oldestNs`: as many
 * as reach back to it if the bot prints as fast as in these, and some more. Three times to ten times as many as before: few requests,
 * and not far more frames than needed, each of which costs the engine more than a request does when it is many thousands.
 */
export function nextTail(tail: number, oldestNs: bigint, anchorNs: bigint, newestNs: bigint): number {
  const seen = Number(newestNs - oldestNs);
  const wanted = seen <= 0 ? 0 : (1.25 * tail * Number(newestNs - anchorNs)) / seen;
  return Math.ceil(Math.min(Math.max(wanted, 3 * tail), 10 * tail));
}

export interface LogReader {
  /** The time of the first frame; 0 before it. */
  readonly oldestNs: bigint;
  /** Takes the next frame; true when the batch is full, and is to be taken before the next frame. */
  push(frame: OutputFrame): boolean;
  /** Whether a batch is to be taken: after taking one there may be more. */
  isFull(): boolean;
  /** The batch that is full. The reader continues with the next one, in the same look. */
  takeFull(): OutputBatch;
  /** Whether the place was not found so far. */
  isSearching(): boolean;
  /** Whether the rest of a tail will not be looked at. */
  isInVain(): boolean;
  /** Whether the last line has no end yet. */
  hasUnfinished(): boolean;
  /** The container does not run: the unfinished line is all there will be of it. In a tail, that may undo that the place was found. */
  end(): void;
  /** The last batch of the look. */
  finish(): OutputBatch;
}

const sizeOf = (line: OutputLine): number => Buffer.byteLength(line.text) + 1;

/** For the log since `readSinceNs`. `maxBytes` is asked again for each batch. */
export const createFrameReader = (cursor: OutputCursor, maxBytes: () => number): LogReader =>
  createReader(cursor, maxBytes, false);

/** For the last frames of the log: gives out nothing before the anchor is found, and is only to be finished once it is. */
export const createTailReader = (cursor: OutputCursor, maxBytes: () => number): LogReader =>
  createReader(cursor, maxBytes, true);

function createReader(cursor: OutputCursor, maxBytes: () => number, isTail: boolean): LogReader {
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
  let isInVain = false;
  let isFirst = true;
  let oldestNs = 0n;
  /** Of a tail: the time of the first line of each stream. */
  const firstNs = new Map<OutputStream, bigint>();
  /** The look has to end here, though there is more. */
  let isCut = false;

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
      if (isTail && !(isAnchor && isCounted(line))) return giveUp();
      // What was held stands before the anchor in the file: an earlier batch gave it out.
      endSearch(!isAnchor);
      // Another line in its place is new, and so is what follows. With Podman's times, whole seconds, that happens.
      if (!isAnchor) emit(line, ordinal);
      return;
    }
    if (line.timeNs <= cursor.timeNs) return;
    held.push({ line, ordinal });
    heldBytes += sizeOf(line);
    if (heldBytes > heldMaxBytes && isTail) giveUp();
    else if (heldBytes > heldMaxBytes) anchorIsLost();
  };
  const giveUp = () => {
    isInVain = true;
    held = [];
  };
  /** Whether no line with its time and stream can stand before the tail. */
  const isCounted = ({ stream, timeNs }: OutputLine) =>
    timeNs > (firstNs.get(stream) ?? timeNs) || timeNs > oldestNs + overlapNs;
  const take = (line: OutputLine) => {
    if (isInVain) return;
    if (isTail && !firstNs.has(line.stream)) firstNs.set(line.stream, line.timeNs);
    if (isTail && !searching && !isCounted(line)) {
      isCut = newest !== undefined;
      searching = !isCut;
      return giveUp();
    }
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
    get oldestNs() {
      return oldestNs;
    },
    push(frame) {
      // The oldest of a tail: when it is no earlier, what stands before the anchor is not in it.
      if (isFirst) oldestNs = frame.timeNs;
      if (isTail && isFirst && frame.timeNs >= cursor.timeNs - tailSlackNs(cursor)) giveUp();
      isFirst = false;
      for (const line of joiner.push(frame)) take(line);
      return full;
    },
    isFull: () => full,
    isSearching: () => searching,
    isInVain: () => isInVain,
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
    end() {
      for (const line of joiner.end()) take(line);
    },
    finish() {
      if (searching) anchorIsLost();
      return { lines, cursor: formatOutputCursor(place()), gap, more: full || isCut };
    },
  };
}

interface Counts {
  readonly fromNs: bigint;
  /** By the distance from `fromNs`: small numbers as keys, since a bot can print a hundred thousand lines in a second. */
  readonly byDistance: Map<number, number>;
}

/** A line's ordinal among those with its time. Forgets times that are `overlapNs` before the newest: a long look costs no more. */
function countByTime(): (timeNs: bigint) => number {
  const begin = (fromNs: bigint): Counts => ({ fromNs, byDistance: new Map() });
  let before: Counts | undefined;
  let now: Counts | undefined;
  return (timeNs) => {
    now ??= begin(timeNs);
    if (timeNs >= now.fromNs + overlapNs) {
      before = now;
      now = begin(timeNs);
    }
    // Before the first of all, or so far back (the clock was set) that a number is not exact: 104 days.
    if (before === undefined || !Number.isSafeInteger(Number(timeNs - before.fromNs))) before = begin(timeNs);
    const { fromNs, byDistance } = timeNs < now.fromNs ? before : now;
    const distance = Number(timeNs - fromNs);
    const ordinal = (byDistance.get(distance) ?? 0) + 1;
    byDistance.set(distance, ordinal);
    return ordinal;
  };
}
