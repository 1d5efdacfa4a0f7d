/** Segment files of one log: finding them, and making the newest one whole again after a crash. */
import { type FileHandle, open, readdir, readFile, stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { decodeRecord, type SourceMark } from './segment-record.ts';

export interface Segment {
  readonly firstSeq: number;
  readonly path: string;
  /** How much of the file is whole records. */
  bytes: number;
  /** Wall time of its last write, ms since 1970. */
  newestMs: number;
}

const namePattern = /^([0-9]{16})\.log$/;

export const segmentPath = (dir: string, firstSeq: number): string =>
  join(dir, `${String(firstSeq).padStart(16, '0')}.log`);

/** The segments in `dir`, oldest first. Other files are left alone. */
export async function findSegments(dir: string): Promise<Segment[]> {
  const segments: Segment[] = [];
  for (const name of (await readdir(dir)).sort()) {
    const match = namePattern.exec(name);
    if (!match) continue;
    const path = join(dir, name);
    const { size, mtimeMs } = await stat(path);
    segments.push({ firstSeq: Number(match[1]), path, bytes: size, newestMs: mtimeMs });
  }
  return segments;
}

export interface Recovered {
  readonly nextSeq: number;
  /** The newest mark in it. */
  readonly mark: SourceMark | undefined;
}

/** Reads a segment through and cuts off what follows its last whole record or group. Readers report earlier damage. */
export async function recoverSegment(segment: Segment): Promise<Recovered> {
  const content = await readFile(segment.path);
  let whole = 0;
  let nextSeq = segment.firstSeq;
  let mark: SourceMark | undefined;
  for (let start = 0; start < content.length; ) {
    const end = content.indexOf(10, start);
    if (end < 0) break;
    const record = decodeRecord(content.toString('utf8', start, end));
    start = end + 1;
    if (!record || record.isPart) continue;
    whole = start;
    nextSeq = Math.max(nextSeq, record.firstSeq + record.entries.length);
    mark = record.mark ?? mark;
  }
  if (whole < content.length) await truncate(segment.path, whole);
  segment.bytes = whole;
  return { nextSeq, mark };
}

/** Reads records of segments, and keeps the file that it read last open until `close`: who is behind reads one piece after the other. */
export class SegmentReader {
  #file: FileHandle | undefined;
  #path = '';

  /**
   * Whole records from `offset` on, about `maxBytes` of them, but at least one. Empty at the committed end; undefined when
   * the segment has been dropped.
   */
  async read(segment: Segment, offset: number, maxBytes: number): Promise<Buffer | undefined> {
    const committed = segment.bytes;
    if (offset >= committed) return Buffer.alloc(0);
    const file = await this.#open(segment.path);
    if (!file) return undefined;
    for (let want = Math.min(maxBytes, committed - offset); ; want = Math.min(want * 2, committed - offset)) {
      const buffer = Buffer.alloc(want);
      const { bytesRead } = await file.read(buffer, 0, want, offset);
      const end = buffer.lastIndexOf(10, bytesRead - 1);
      if (bytesRead > 0 && end >= 0) return buffer.subarray(0, end + 1);
      // No line end in all that is committed: the file was changed from outside; what is left of it cannot be read.
      if (bytesRead < want || want >= committed - offset) return undefined;
    }
  }

  /** To be called when nothing is read for a while, and at the end; it may read again after. */
  async close(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await file?.close();
  }

  async #open(path: string): Promise<FileHandle | undefined> {
    if (this.#file !== undefined && this.#path === path) return this.#file;
    await this.close();
    this.#file = await open(path).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined;
      throw error;
    });
    this.#path = path;
    return this.#file;
  }
}
