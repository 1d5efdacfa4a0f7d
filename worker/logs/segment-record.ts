/**
 * The form of a log on disk: a segment is a file of records, one per line: crc32 of the rest in hex, a space, JSON.
 * A record holds entries of consecutive numbers and, if they came from a container, where to read on there. One record is
 * either there whole or not at all, so lines and the place they were read up to can never disagree. Many lines are several
 * records; all but the last say that they are a part.
 */
import { crc32 } from 'node:zlib';
import type { NewEntry, StoredEntry } from './log-entry.ts';

/** Up to where a container's output is in the log. */
export interface SourceMark {
  readonly containerId: string;
  /** OutputBatch.cursor. */
  readonly cursor: string;
}

export interface SegmentRecord {
  /** The number of the first entry, or of the next one if the record has none. */
  readonly firstSeq: number;
  readonly entries: readonly StoredEntry[];
  readonly mark: SourceMark | undefined;
  /** More records follow that were written together with this one; without the last of them none counts. */
  readonly isPart: boolean;
}

type Wire = { f: number; e: [time: string, stream: number, text: string][]; i?: string; c?: string; p?: 1 };

// Finding one entry means decoding a whole record.
const recordChars = 64 * 1024;

/** One or several lines, each with its line end, that count only together; the last has the mark. */
export function encodeRecords(firstSeq: number, entries: readonly NewEntry[], mark: SourceMark | undefined): string {
  let lines = '';
  let first = 0;
  let chars = 0;
  for (const [index, { text }] of entries.entries()) {
    if (chars > 0 && chars + text.length > recordChars) {
      lines += encodeRecord(firstSeq + first, entries.slice(first, index), undefined, true);
      first = index;
      chars = 0;
    }
    chars += text.length + 1;
  }
  return lines + encodeRecord(firstSeq + first, first === 0 ? entries : entries.slice(first), mark, false);
}

function encodeRecord(
  firstSeq: number,
  entries: readonly NewEntry[],
  mark: SourceMark | undefined,
  isPart: boolean,
): string {
  const wire: Wire = { f: firstSeq, e: entries.map(({ timeNs, stream, text }) => [String(timeNs), stream, text]) };
  if (mark) Object.assign(wire, { i: mark.containerId, c: mark.cursor });
  if (isPart) wire.p = 1;
  const body = JSON.stringify(wire);
  return `${checksum(body)} ${body}\n`;
}

/** Undefined for a line that is torn or damaged. `line` is without its line end. */
export function decodeRecord(line: string): SegmentRecord | undefined {
  const body = line.slice(9);
  if (line[8] !== ' ' || line.slice(0, 8) !== checksum(body)) return undefined;
  // The checksum says that encodeRecord wrote this, so it has the shape of Wire.
  const wire = JSON.parse(body) as Wire;
  return {
    firstSeq: wire.f,
    entries: wire.e.map(([time, stream, text], index) => ({ seq: wire.f + index, timeNs: BigInt(time), stream, text })),
    mark: wire.i !== undefined && wire.c !== undefined ? { containerId: wire.i, cursor: wire.c } : undefined,
    isPart: wire.p === 1,
  };
}

const checksum = (body: string): string => crc32(body).toString(16).padStart(8, '0');
