/**
 * Lines on their way from a worker to their readers, as the worker encoded them: most are only passed on, and to decode and encode each was
 * most of the work that a flood made here. Pure.
 */
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { type LogCursor, parseLogCursor } from '#common/log-cursor.ts';
import { type StreamLogsResponse, StreamLogsResponseSchema } from '#gen/botrunner/v1/bot_service_pb.js';
import { type LogEntry, LogEntrySchema } from '#gen/botrunner/v1/log_pb.js';
import { type TailLogsRequest, TailLogsRequestSchema } from '#gen/botrunner/v1/worker_service_pb.js';

/** Whole lines in order, as the field `entries` of a StreamLogsResponse: each a tag, a length and a LogEntry. */
export class LogBatch {
  readonly #encoded: Uint8Array;
  readonly count: number;
  /** The cursors of the first line and of the last one; undefined for no line, and for a cursor that is none. */
  readonly first: LogCursor | undefined;
  readonly last: LogCursor | undefined;

  private constructor(encoded: Uint8Array, count: number, first: LogEntry | undefined, last: LogEntry | undefined) {
    this.#encoded = encoded;
    this.count = count;
    this.first = first && parseLogCursor(first.cursor);
    this.last = last && parseLogCursor(last.cursor);
  }

  static readonly empty = new LogBatch(new Uint8Array(0), 0, undefined, undefined);

  static of(entries: readonly LogEntry[]): LogBatch {
    const encoded = toBinary(StreamLogsResponseSchema, create(StreamLogsResponseSchema, { entries: [...entries] }));
    return new LogBatch(encoded, entries.length, entries[0], entries.at(-1));
  }

  /** Takes the entries out of an encoded TailLogsRequest; the rest is what is not of them. Throws on what cannot be decoded. */
  static cut(message: Uint8Array): { readonly batch: LogBatch; readonly rest: Uint8Array } {
    const reader = new BinaryReader(message);
    // Of a size of its own: the message's memory is shared with whatever came with it.
    const entries = Buffer.allocUnsafeSlow(message.length);
    let length = 0;
    const others = new BinaryWriter();
    let count = 0;
    let first: Uint8Array | undefined;
    let last: Uint8Array | undefined;
    while (reader.pos < reader.len) {
      const start = reader.pos;
      const [field, type] = reader.tag();
      const behindTag = reader.pos;
      if (field === entriesOfTail && type === WireType.LengthDelimited) {
        last = reader.bytes();
        first ??= last;
        count += 1;
        entries.writeUInt8((entriesOfAnswer << 3) | WireType.LengthDelimited, length);
        entries.set(message.subarray(behindTag, reader.pos), length + 1);
        length += 1 + reader.pos - behindTag;
      } else {
        reader.skip(type, field);
        others.raw(message.subarray(start, reader.pos));
      }
    }
    const decoded = (entry: Uint8Array | undefined) => entry && fromBinary(LogEntrySchema, entry);
    const encoded = entries.subarray(0, length);
    return { batch: new LogBatch(encoded, count, decoded(first), decoded(last)), rest: others.finish() };
  }

  get bytes(): number {
    return this.#encoded.length;
  }

  /** Decoded anew each time. */
  get entries(): readonly LogEntry[] {
    return this.count === 0 ? [] : fromBinary(StreamLogsResponseSchema, this.#encoded).entries;
  }

  /** The lines with a higher number. */
  after(seq: number): LogBatch {
    if ((this.first?.seq ?? 0) > seq) return this;
    return this.filter(({ cursor }) => (parseLogCursor(cursor)?.seq ?? 0) > seq);
  }

  filter(wanted: (entry: LogEntry) => boolean): LogBatch {
    return LogBatch.of(this.entries.filter(wanted));
  }

  /** A StreamLogsResponse of these lines, encoded, in parts that follow one another. */
  answer(cursor: string): readonly Uint8Array[] {
    return [this.#encoded, toBinary(StreamLogsResponseSchema, create(StreamLogsResponseSchema, { cursor }))];
  }

  /** The same, not encoded. */
  message(cursor: string): StreamLogsResponse {
    return create(StreamLogsResponseSchema, { entries: [...this.entries], cursor });
  }
}

const entriesOfTail = TailLogsRequestSchema.field.entries.number;
const entriesOfAnswer = StreamLogsResponseSchema.field.entries.number;

/** What a worker says on a tail. */
export interface TailMessage extends Pick<TailLogsRequest, 'tailId' | 'error' | 'end'> {
  readonly batch: LogBatch;
}

/** Throws on what cannot be decoded. */
export function decodeTailMessage(bytes: Uint8Array): TailMessage {
  const { batch, rest } = LogBatch.cut(bytes);
  const { tailId, error, end } = fromBinary(TailLogsRequestSchema, rest);
  return { tailId, batch, ...(error && { error }), ...(end && { end }) };
}

/** For messages that were decoded on their way. */
export async function* tailMessages(requests: AsyncIterable<TailLogsRequest>): AsyncGenerator<TailMessage> {
  for await (const { tailId, entries, error, end } of requests)
    yield { tailId, batch: LogBatch.of(entries), ...(error && { error }), ...(end && { end }) };
}
