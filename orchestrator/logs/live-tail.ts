/**
 * The end of one bot's log as it grows, for all who follow it: one tail of the worker, the newest lines kept once, and
 * readers that are merely places among them.
 *
 * Invariants:
 * 1. It never waits for a reader. One so slow that its place is no longer kept is notified and reads on from the worker.
 * 2. It keeps `keptBytes` at most, however many read.
 * 3. It ends when nobody reads, or all readers have fallen behind: nothing is pulled without a reader.
 */
import { inBackground } from '#common/background.ts';
import { formatLogCursor, type LogCursor } from '#common/log-cursor.ts';
import { Bell } from '#common/waiting/bell.ts';
import type { LogBatch, TailMessage } from './log-batch.ts';

export interface LogPart {
  readonly batch: LogBatch;
  /** Where to continue after this part. */
  readonly cursor: string;
}

/** behind: read on from the worker. over: the log has ended. */
export type LiveEnd = 'behind' | 'over';

interface Kept {
  readonly batch: LogBatch;
  readonly last: LogCursor;
}

interface Reader {
  /** Counts all batches there ever were; the next one it takes. */
  next: number;
  readonly bell: Bell;
}

const keptBytes = 1024 * 1024;
// What a batch takes in memory besides its lines: measured, for batches of one line.
const batchBytes = 400;

const sizeOf = (kept: Kept | undefined): number => (kept === undefined ? 0 : kept.batch.bytes + batchBytes);

export class LiveTail {
  readonly #logId: string;
  /** What comes before the first batch kept. */
  #seqBeforeKept: number;
  #kept: Kept[] = [];
  #keptBytes = 0;
  /** The number of the first batch kept. */
  #firstKept = 0;
  readonly #readers = new Set<Reader>();
  readonly #ending = new AbortController();
  #end: { readonly how: LiveEnd } | { readonly error: unknown } | undefined;

  /** `open` opens the worker's tail with a signal that ends it; it must begin right after `from`. */
  constructor(from: LogCursor, open: (signal: AbortSignal) => AsyncIterable<TailMessage>) {
    this.#logId = from.logId;
    this.#seqBeforeKept = from.seq;
    inBackground(this.#pull(open(this.#ending.signal)), (error) => this.#finish({ error }));
  }

  /** False when a reader at this place has to look elsewhere. */
  fits({ logId }: LogCursor): boolean {
    return this.#end === undefined && logId === this.#logId;
  }

  /** Ends it for all its readers with this error. */
  fail(error: unknown): void {
    this.#finish({ error });
  }

  /** What follows `from`, as it comes. Throws what the tail threw, when all that came before was read. */
  async *read(from: LogCursor, signal: AbortSignal): AsyncGenerator<LogPart, LiveEnd> {
    if (from.seq < this.#seqBeforeKept) {
      this.#endIfIdle();
      return 'behind';
    }
    const ahead = this.#kept.findIndex(({ last }) => last.seq > from.seq);
    const reader: Reader = { next: this.#firstKept + (ahead < 0 ? this.#kept.length : ahead), bell: new Bell() };
    this.#readers.add(reader);
    try {
      while (!signal.aborted) {
        const kept = this.#kept[reader.next - this.#firstKept];
        if (reader.next < this.#firstKept) return 'behind';
        if (kept !== undefined) {
          reader.next += 1;
          const { batch, last } = kept;
          if (last.seq > from.seq) yield { batch: batch.after(from.seq), cursor: formatLogCursor(last) };
        } else if (this.#end !== undefined) {
          if ('error' in this.#end) throw this.#end.error;
          return this.#end.how;
        } else {
          await reader.bell.wait({ signal });
        }
      }
      return 'over';
    } finally {
      this.#readers.delete(reader);
      this.#endIfIdle();
    }
  }

  async #pull(messages: AsyncIterable<TailMessage>): Promise<void> {
    try {
      for await (const { batch } of messages) {
        if (batch.count > 0 && !this.#take(batch)) return this.#finish({ how: 'behind' });
      }
      this.#finish({ how: 'over' });
    } catch (error) {
      this.#finish({ error });
    }
  }

  /** False when these are lines of another log: it was started over. */
  #take(batch: LogBatch): boolean {
    const { last } = batch;
    if (last?.logId !== this.#logId) return false;
    const kept: Kept = { batch, last };
    this.#kept.push(kept);
    this.#keptBytes += sizeOf(kept);
    let dropped = 0;
    // The newest batch stays whatever its size: the transport bounds it.
    for (; this.#keptBytes > keptBytes && dropped < this.#kept.length - 1; dropped += 1) {
      this.#keptBytes -= sizeOf(this.#kept[dropped]);
      this.#seqBeforeKept = this.#kept[dropped]?.last.seq ?? this.#seqBeforeKept;
    }
    this.#kept.splice(0, dropped);
    this.#firstKept += dropped;
    for (const reader of [...this.#readers]) {
      // It finds out when it comes back; until then it keeps nothing alive.
      if (reader.next < this.#firstKept) this.#readers.delete(reader);
      else reader.bell.ring();
    }
    this.#endIfIdle();
    return true;
  }

  #endIfIdle(): void {
    if (this.#readers.size === 0) this.#finish({ how: 'behind' });
  }

  #finish(end: { readonly how: LiveEnd } | { readonly error: unknown }): void {
    if (this.#end !== undefined) return;
    this.#end = end;
    this.#ending.abort();
    for (const { bell } of this.#readers) bell.ring();
  }
}
