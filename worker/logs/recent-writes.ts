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
// What a reader is given at once, about; what it holds of it while it stalls is its own.
const givenBytes = 128 * 1024;
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

  /**
   * From entry `seq` on: one write, or several that are small. Undefined when it is not kept or not written yet. No more than a write
   * at once, since a reader that stalls holds what it was given: 128 KiB or one write of that size, of which the worker has 256 at most.
   */
  from(seq: number): RecentEntries | undefined {
    const first = this.#writes.findIndex(({ entries }) => seq <= lastSeq(entries));
    const write = this.#writes[first];
    if (write === undefined) return undefined;
    const skipped = seq - (write.entries[0]?.seq ?? seq);
    if (skipped < 0) return undefined;
    let end = first + 1;
    let bytes = write.bytes;
    for (let next = this.#writes[end]; next && bytes + next.bytes <= givenBytes; next = this.#writes[end]) {
      bytes += next.bytes;
      end += 1;
    }
    const { segment, offset } = this.#writes[end - 1] ?? write;
    if (end === first + 1)
      return { entries: skipped === 0 ? write.entries : write.entries.slice(skipped), segment, offset };
    const writes = this.#writes.slice(first, end);
    return { entries: writes.flatMap(({ entries }) => entries).slice(skipped), segment, offset };
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
