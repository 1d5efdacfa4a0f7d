/**
 * The form of a log on disk: a segment is a file of records, one per line: crc32 of the rest in hex, a space, JSON.
 * A record holds entries of consecutive numbers and, if they came from a container, where to read on there. One record is
 * either there whole or not at all, so lines and the place they were read up to can never disagree.
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
}

type Wire = { f: number; e: [time: string, stream: number, text: string][]; i?: string; c?: string };

/** One line with its line end. */
export function encodeRecord(firstSeq: number, entries: readonly NewEntry[], mark: SourceMark | undefined): string {
  const wire: Wire = { f: firstSeq, e: entries.map(({ timeNs, stream, text }) => [String(timeNs), stream, text]) };
  if (mark) Object.assign(wire, { i: mark.containerId, c: mark.cursor });
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
  };
}

const checksum = (body: string): string => crc32(body).toString(16).padStart(8, '0');
