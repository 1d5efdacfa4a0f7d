/**
 * The log of one bot on disk, in segment files, bounded in size and age: it outlives containers and the worker.
 *
 * 1. Entries are numbered from 1 without a hole; a number is given when the entry is written, so a failed write leaves none.
 * 2. Only whole records, up to Segment.bytes, are ever read.
 * 3. Appends are written in the order they were asked for; those of one tick in one write.
 * 4. A segment begins with the newest mark, so that older segments can go.
 */

import { randomBytes } from 'node:crypto';
import { type FileHandle, mkdir, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { inBackground, nextTurn } from '#common/background.ts';
import type { Clock } from '#common/clock.ts';
import { SerialQueue } from '#common/waiting/serial-queue.ts';
import { readFileIfAny, writeFileAtomic } from '../state/atomic-file.ts';
import type { NewEntry, StoredEntry } from './log-entry.ts';
import { type RecentEntries, RecentWrites } from './recent-writes.ts';
import { findSegments, recoverSegment, type Segment, segmentPath } from './segment-file.ts';
import { encodeRecords, type SourceMark } from './segment-record.ts';

export interface LogLimits {
  /** Limit of one bot's log; the oldest segment is removed first. */
  readonly maxBytes: number;
  readonly maxAgeMs: number;
  readonly segmentBytes: number;
}

/** What goes at once is a segment: small enough for what is kept to be about `maxBytes`. */
export const logLimits = (maxBytes: number, maxAgeMs: number): LogLimits => ({
  maxBytes,
  maxAgeMs,
  segmentBytes: Math.min(1024 * 1024, Math.floor(maxBytes / 8)),
});

export const defaultLogLimits: LogLimits = logLimits(50 * 1024 * 1024, 7 * 24 * 3600 * 1000);

interface Append {
  readonly entries: readonly NewEntry[];
  readonly mark: SourceMark | undefined;
  readonly resolve: (stored: readonly StoredEntry[]) => void;
  readonly reject: (error: unknown) => void;
}

interface Opened {
  readonly id: string;
  readonly segments: Segment[];
  readonly nextSeq: number;
  readonly mark: SourceMark | undefined;
  readonly markIsInNewest: boolean;
  /** Called with every segment that begins. */
  readonly grew: () => void;
}

export class LogStore {
  readonly id: string;
  readonly #dir: string;
  readonly #clock: Clock;
  readonly #ageNowMs: () => number;
  readonly #limits: LogLimits;
  readonly #grew: () => void;
  readonly #segments: Segment[];
  readonly #listeners = new Set<() => void>();
  readonly #recent = new RecentWrites();
  #nextSeq: number;
  #mark: SourceMark | undefined;
  /** False when a crash tore the mark off the beginning of the newest segment. */
  #markIsInNewest: boolean;
  #file: FileHandle | undefined;
  #waiting: Append[] = [];
  /** What touches the files goes one after the other. */
  readonly #files = new SerialQueue();
  #ended = false;

  private constructor(dir: string, clock: Clock, limits: LogLimits, ageNowMs: () => number, opened: Opened) {
    this.id = opened.id;
    this.#dir = dir;
    this.#clock = clock;
    this.#ageNowMs = ageNowMs;
    this.#limits = limits;
    this.#segments = opened.segments;
    this.#nextSeq = opened.nextSeq;
    this.#mark = opened.mark;
    this.#markIsInNewest = opened.markIsInNewest;
    this.#grew = opened.grew;
  }

  /** Opens the log in `dir`, or begins one. What a crash left half-written at the end is cut off. */
  static async open(
    dir: string,
    clock: Clock,
    limits: LogLimits = defaultLogLimits,
    ageNowMs: () => number = () => clock.wallMs(),
    grew: () => void = () => undefined,
  ): Promise<LogStore> {
    await mkdir(dir, { recursive: true, mode: 0o700 });
    const id = await readOrMakeId(join(dir, 'id'));
    const segments = await findSegments(dir);
    let nextSeq = 1;
    let mark: SourceMark | undefined;
    let markIsInNewest = false;
    // Only the newest segment can be torn. It begins with the mark, so older ones are read only if that was torn off.
    for (const segment of segments.toReversed()) {
      const recovered = await recoverSegment(segment);
      nextSeq = Math.max(nextSeq, recovered.nextSeq);
      mark = recovered.mark;
      if (mark === undefined) continue;
      markIsInNewest = segment === segments.at(-1);
      break;
    }
    const store = new LogStore(dir, clock, limits, ageNowMs, { id, segments, nextSeq, mark, markIsInNewest, grew });
    await store.dropOld();
    return store;
  }

  /** Up to where a container's output is in the log; of the container that wrote last. */
  get mark(): SourceMark | undefined {
    return this.#mark;
  }

  /** The number the next entry gets. */
  get nextSeq(): number {
    return this.#nextSeq;
  }

  /** The oldest entry that is still kept; nextSeq when there is none. */
  get firstSeq(): number {
    return this.#segments[0]?.firstSeq ?? this.#nextSeq;
  }

  /** Oldest first. */
  get segments(): readonly Segment[] {
    return this.#segments;
  }

  /** What all segments take. */
  get bytes(): number {
    return this.#segments.reduce((sum, segment) => sum + segment.bytes, 0);
  }

  /** True once the log is closed or removed. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Calls back after every write and at the end; the returned function stops it. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size === 0) this.#recent.clear();
    };
  }

  /** The entries from `seq` on, if they were written a moment ago; only for who listens. */
  takeRecent(seq: number): RecentEntries | undefined {
    const recent = this.#recent.from(seq);
    // With more readers they go by age.
    if (this.#listeners.size === 1) this.#recent.forget(recent?.entries.at(-1)?.seq ?? seq - 1);
    return recent;
  }

  /** Resolves with the entries and their numbers once they are written, together with the mark; on failure none of them is. */
  append(entries: readonly NewEntry[], mark?: SourceMark): Promise<readonly StoredEntry[]> {
    if (this.#ended) return Promise.reject(new Error('this log is closed'));
    return new Promise((resolve, reject) => {
      this.#waiting.push({ entries, mark, resolve, reject });
      if (this.#waiting.length === 1)
        inBackground(
          this.#files.run(() => this.#writeWaiting()),
          () => undefined,
        );
    });
  }

  /** Drops segments beyond the limits. Run it now and then: a silent log grows old without being written. */
  dropOld(): Promise<void> {
    return this.#files.run(async () => {
      const oldest = this.#ageNowMs() - this.#limits.maxAgeMs;
      const active = this.#segments.at(-1);
      if (active && active.newestMs < oldest) await this.#beginSegment();
      for (let first = this.#segments[0]; first && this.#segments.length > 1; first = this.#segments[0]) {
        if (first.newestMs >= oldest && this.bytes <= this.#limits.maxBytes) break;
        this.#segments.shift();
        await rm(first.path, { force: true });
      }
    });
  }

  /** Drops the oldest segments until the rest takes no more than that; what is left of the newest one is its mark. */
  shrink(mostBytes: number): Promise<void> {
    return this.#files.run(async () => {
      if ((this.#segments.at(-1)?.bytes ?? 0) > mostBytes) await this.#beginSegment();
      while (this.#segments.length > 1 && this.bytes > mostBytes) {
        const [first] = this.#segments.splice(0, 1);
        if (first !== undefined) await rm(first.path, { force: true });
      }
    });
  }

  /** Holds no file open until the next write. */
  rest(): Promise<void> {
    return this.#files.run(() => this.#closeFile());
  }

  /** Waits for what is being written; nothing can be appended after. */
  async close(): Promise<void> {
    this.#ended = true;
    this.#recent.clear();
    await this.#files.run(() => this.#closeFile());
    this.#notify();
  }

  /** Closes the log and deletes its files. */
  async remove(): Promise<void> {
    await this.close();
    this.#segments.length = 0;
    await rm(this.#dir, { recursive: true, force: true });
  }

  async #writeWaiting(): Promise<void> {
    // One turn of the loop, so that appends of the same tick go into one write.
    await nextTurn();
    const group = this.#waiting;
    this.#waiting = [];
    try {
      const stored = await this.#write(group);
      for (const [index, append] of group.entries()) append.resolve(stored[index] ?? []);
    } catch (error) {
      for (const append of group) append.reject(error);
      return;
    }
    this.#notify();
  }

  async #write(group: readonly Append[]): Promise<readonly (readonly StoredEntry[])[]> {
    const { segment, file } = await this.#openSegment();
    const stored: StoredEntry[][] = [];
    let lines = this.#mark && !this.#markIsInNewest ? encodeRecords(this.#nextSeq, [], this.#mark) : '';
    let seq = this.#nextSeq;
    let mark = this.#mark;
    for (const append of group) {
      lines += encodeRecords(seq, append.entries, append.mark);
      const firstSeq = seq;
      stored.push(append.entries.map((entry, index) => ({ ...entry, seq: firstSeq + index })));
      seq += append.entries.length;
      mark = append.mark ?? mark;
    }
    segment.bytes += await writeAt(file, lines, segment.bytes);
    segment.newestMs = this.#clock.wallMs();
    this.#nextSeq = seq;
    this.#mark = mark;
    this.#markIsInNewest = true;
    if (this.#listeners.size > 0) for (const entries of stored) this.#recent.add(entries, segment);
    return stored;
  }

  async #openSegment(): Promise<{ segment: Segment; file: FileHandle }> {
    const active = this.#segments.at(-1);
    if (!active || active.bytes >= this.#limits.segmentBytes) {
      await this.#beginSegment();
      // Not awaited: it runs in the lane after this write. The next sweep fails likewise, and logs it.
      inBackground(this.dropOld(), () => undefined);
    }
    const segment = this.#segments.at(-1);
    if (!segment) throw new Error('a log without a segment');
    this.#file ??= await open(segment.path, 'r+', 0o600);
    return { segment, file: this.#file };
  }

  /** Nothing happens if the active segment has no entry yet: the new one would have its name. */
  async #beginSegment(): Promise<void> {
    if (this.#segments.at(-1)?.firstSeq === this.#nextSeq) return;
    await this.#closeFile();
    const path = segmentPath(this.#dir, this.#nextSeq);
    const first = this.#mark ? encodeRecords(this.#nextSeq, [], this.#mark) : '';
    // w: a file of that name can only be the leftover of a beginning that failed, and holds no entry.
    this.#file = await open(path, 'w', 0o600);
    const bytes = await writeAt(this.#file, first, 0);
    this.#markIsInNewest = true;
    this.#segments.push({
      firstSeq: this.#nextSeq,
      path,
      bytes,
      newestMs: this.#clock.wallMs(),
    });
    this.#grew();
  }

  async #closeFile(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await file?.close();
  }

  #notify(): void {
    for (const listener of [...this.#listeners]) listener();
  }
}

async function readOrMakeId(path: string): Promise<string> {
  const kept = (await readFileIfAny(path))?.toString();
  if (kept !== undefined && /^[0-9a-f]{16}$/.test(kept)) return kept;
  const id = randomBytes(8).toString('hex');
  await writeFileAtomic(path, id);
  return id;
}

/** Writes all of a text at `offset`, or leaves the file as long as it was. Returns its bytes. */
async function writeAt(file: FileHandle, text: string, offset: number): Promise<number> {
  const length = Buffer.byteLength(text);
  try {
    // As a text: bytes made of it here would stay until the next garbage collection.
    let done = (await file.write(text, offset)).bytesWritten;
    if (done === length) return length;
    const bytes = Buffer.from(text);
    while (done < length) {
      const { bytesWritten } = await file.write(bytes, done, bytes.length - done, offset + done);
      done += bytesWritten;
    }
    return length;
  } catch (error) {
    // A part of a record must not stay behind a shorter one written next. If this fails too, readers skip the rest.
    await file.truncate(offset).catch(() => undefined);
    throw error;
  }
}
