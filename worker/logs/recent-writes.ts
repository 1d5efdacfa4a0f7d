/**
 * What was written to a log last, for readers that keep up with it: they need not read it back from the disk. Kept only while
 * somebody reads, and about `keptBytes` of it; who is further behind reads the files.
 */
import type { StoredEntry } from './log-entry.ts';
import type { Segment } from './segment-file.ts';

/** Where a reader of the files would continue behind these entries. */
export interface RecentEntries {
  readonly entries: readonly StoredEntry[];
  readonly segment: Segment;
  readonly offset: number;
}

interface Write extends RecentEntries {
  readonly bytes: number;
}

const keptBytes = 1024 * 1024;
// What an entry takes in memory besides its text.
const entryBytes = 128;

export class RecentWrites {
  #writes: Write[] = [];
  #bytes = 0;

  /** Entries that follow those of the write before. */
  add(entries: readonly StoredEntry[], segment: Segment): void {
    const bytes = entries.reduce((sum, { text }) => sum + text.length + entryBytes, 0);
    if (entries.length === 0) return;
    this.#writes.push({ entries, segment, offset: segment.bytes, bytes });
    this.#bytes += bytes;
    while (this.#bytes > keptBytes && this.#writes.length > 1) this.#drop();
  }

  /** All from entry `seq` on, of one write or several; undefined when it is not kept or not written yet. */
  from(seq: number): RecentEntries | undefined {
    const first = this.#writes.findIndex(({ entries }) => seq <= lastSeq(entries));
    const last = this.#writes.at(-1);
    const write = this.#writes[first];
    if (last === undefined || write === undefined) return undefined;
    const skipped = seq - (write.entries[0]?.seq ?? seq);
    if (skipped < 0) return undefined;
    const { segment, offset } = last;
    if (write === last)
      return { entries: skipped === 0 ? write.entries : write.entries.slice(skipped), segment, offset };
    return {
      entries: this.#writes
        .slice(first)
        .flatMap(({ entries }) => entries)
        .slice(skipped),
      segment,
      offset,
    };
  }

  /** Drops what has no entry behind `seq`. */
  forget(seq: number): void {
    while (this.#writes[0] !== undefined && lastSeq(this.#writes[0].entries) <= seq) this.#drop();
  }

  clear(): void {
    this.forget(Number.POSITIVE_INFINITY);
  }

  #drop(): void {
    this.#bytes -= this.#writes.shift()?.bytes ?? 0;
  }
}

const lastSeq = (entries: readonly StoredEntry[]): number => entries.at(-1)?.seq ?? 0;
