/** One stored line, its place in the log, and its form on the wire. */
import { create } from '@bufbuild/protobuf';
import { TimestampSchema } from '@bufbuild/protobuf/wkt';
import { formatLogCursor } from '#common/log-cursor.ts';
import { type LogEntry, LogEntrySchema, LogStream } from '#gen/botrunner/v1/log_pb.js';

export interface NewEntry {
  /** Wall time in ns since 1970. */
  readonly timeNs: bigint;
  readonly stream: LogStream;
  readonly text: string;
}

export interface StoredEntry extends NewEntry {
  /** Counts the entries of one log from 1, without a hole. */
  readonly seq: number;
}

export function entryToProto(storeId: string, entry: StoredEntry): LogEntry {
  return create(LogEntrySchema, {
    cursor: formatLogCursor({ logId: storeId, seq: entry.seq }),
    time: create(TimestampSchema, {
      seconds: entry.timeNs / 1_000_000_000n,
      nanos: Number(entry.timeNs % 1_000_000_000n),
    }),
    stream: entry.stream,
    text: entry.text,
  });
}

export const wallNs = (wallMs: number): bigint => BigInt(Math.round(wallMs * 1000)) * 1000n;

/** An entry that says that lines are missing where it stands. */
export const gapEntry = (timeNs: bigint, text: string): NewEntry => ({ timeNs, stream: LogStream.GAP, text });

export { LogStream };
