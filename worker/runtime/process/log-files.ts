/**
 * What a bot of the process runtime printed: one file for each stream, written by the bot itself. A cursor counts
 * bytes since the first one ever printed. A file that grows too large is emptied; what it held is lost, and reading across
 * that place reports a gap.
 */
import { open, stat, truncate } from 'node:fs/promises';
import { refuse } from '#common/problem.ts';
import { isErrno, readJsonIfAny, writeFileAtomic } from '../../state/atomic-file.ts';
import type { OutputBatch, OutputLine, OutputStream } from '../container-runtime.ts';
import { type Around, aroundMaxBytes, cutAt, lineMaxBytes, lineText } from '../output-lines.ts';
import type { containerFiles } from './layout.ts';

type Files = ReturnType<typeof containerFiles>;

const streams = ['stdout', 'stderr'] as const satisfies readonly OutputStream[];

/** Both streams together may hold 30 MB. */
const logMaxBytes = 15 * 1024 * 1024;

/** How many bytes were printed before the first one of the file, for each stream. */
type Bases = Readonly<Record<OutputStream, number>>;

async function readBases(files: Files): Promise<Bases> {
  const bases = await readJsonIfAny<Bases>(files.logBases);
  return { stdout: Number(bases?.stdout) || 0, stderr: Number(bases?.stderr) || 0 };
}

/** Empties a file that has grown too large. The caller sees to it that nobody reads at the same time. */
export async function trimLogs(files: Files): Promise<void> {
  for (const stream of streams) {
    const size = (await statIfAny(files[stream]))?.size ?? 0;
    if (size <= logMaxBytes) continue;
    const bases = await readBases(files);
    // One more than was there: what the bot prints until the file is emptied is lost too, so no place before is the same
    // as any place after. First the note, then the act: killed in between, a reader sees a gap too many, never one too few.
    await writeFileAtomic(files.logBases, JSON.stringify({ ...bases, [stream]: bases[stream] + size + 1 }));
    await truncate(files[stream]);
  }
}

/** Sizes of both files, for noticing that something was printed. */
export async function logSizes(files: Files): Promise<string> {
  const sizes = await Promise.all(streams.map(async (stream) => (await statIfAny(files[stream]))?.size ?? 0));
  return sizes.join('/');
}

/** Ends a line that an earlier run left without its end, so that the next run's first line is one of its own. */
export async function endLastLines(files: Files): Promise<void> {
  for (const stream of streams) {
    const size = (await statIfAny(files[stream]))?.size ?? 0;
    if (size === 0) continue;
    const file = await open(files[stream], 'a+');
    try {
      const { buffer } = await file.read(Buffer.alloc(1), 0, 1, size - 1);
      if (buffer[0] !== 0x0a) await file.write('\n');
    } finally {
      await file.close();
    }
  }
}

interface Place {
  readonly id: string;
  readonly at: Bases;
}

const cursorPattern = /^p1:([0-9a-f]{12}):(\d{1,15}):(\d{1,15})$/;

function parseCursor(text: string): Place {
  const match = cursorPattern.exec(text);
  if (!match) return refuse('INVALID_CURSOR', 'The log cursor was not issued by this worker.');
  return { id: match[1] ?? '', at: { stdout: Number(match[2]), stderr: Number(match[3]) } };
}

/** As ContainerRuntime.readOutput. `ended`: nothing more can follow, so a last line without an end is given out. */
export async function readLogs(
  files: Files,
  containerId: string,
  cursor: string | undefined,
  maxBytes: number,
  ended: boolean,
): Promise<OutputBatch> {
  const id = containerId.slice(0, 12);
  const bases = await readBases(files);
  const place = cursor === undefined ? { id, at: bases } : parseCursor(cursor);
  const isOther = place.id !== id;
  const from = isOther ? bases : place.at;
  const parts: Part[] = [];
  for (const stream of streams) {
    parts.push(await readPart(files[stream], stream, bases[stream], from[stream], Math.ceil(maxBytes / 2), ended));
  }
  const at = Object.fromEntries(parts.map(({ stream, next }) => [stream, next]));
  return {
    // When a line was printed is not known; the file that was written to last goes last.
    lines: parts.sort((a, b) => (a.timeNs < b.timeNs ? -1 : 1)).flatMap(({ lines }) => lines),
    cursor: `p1:${id}:${at['stdout']}:${at['stderr']}`,
    gap: isOther || parts.some(({ gap }) => gap),
    more: parts.some(({ more }) => more),
  };
}

interface Part {
  readonly stream: OutputStream;
  readonly lines: readonly OutputLine[];
  readonly timeNs: bigint;
  readonly next: number;
  readonly gap: boolean;
  readonly more: boolean;
}

async function readPart(
  path: string,
  stream: OutputStream,
  base: number,
  from: number,
  maxBytes: number,
  ended: boolean,
): Promise<Part> {
  const found = await statIfAny(path);
  const size = found?.size ?? 0;
  // Before the base: emptied since. Beyond the end (but for the line end to come, see below): not the cursor's file.
  const gap = from < base || from > base + size + 1;
  const start = gap ? 0 : Math.min(from - base, size);
  // The time of the last write is the latest that any of these lines can have been printed.
  const timeNs = found?.mtimeNs ?? 0n;
  // What comes before may be the beginning of the line.
  const lead = Math.min(start, aroundMaxBytes);
  const wanted = Math.min(size - start, maxBytes + lineMaxBytes + aroundMaxBytes + 1);
  const bytes = await readBytes(path, start - lead, lead + wanted);
  const atEnd = start - lead + bytes.length === size;
  const lines: OutputLine[] = [];
  let at = lead + Math.max(0, gap ? 0 : from - base - size);
  while (at < bytes.length && at - lead < maxBytes) {
    const rest = bytes.subarray(at);
    const feed = rest.indexOf(0x0a);
    const isOver = feed >= 0 || (ended && atEnd);
    const lineEnd = feed >= 0 ? feed : rest.length;
    // A piece is given out when enough is there of what follows it.
    if (!isOver && lineEnd <= lineMaxBytes + aroundMaxBytes) break;
    const length = lineEnd > lineMaxBytes ? cutAt(rest, lineMaxBytes) : lineEnd;
    const isLast = length === lineEnd;
    const text = isLast ? lineText(rest.subarray(0, length)) : rest.toString('utf8', 0, length);
    const around = aroundOf(bytes, at, at + length, at + lineEnd);
    lines.push({ timeNs, stream, text, ...(around && { around }) });
    // Past the line end, also past one that is not there yet: endLastLines writes it before the next run.
    at += isLast ? length + 1 : length;
  }
  const more = at - lead >= maxBytes && start - lead + at < size;
  return { stream, lines, timeNs, next: base + start - lead + at, gap, more };
}

/** Undefined for a whole line. */
function aroundOf(bytes: Buffer, start: number, end: number, lineEnd: number): Around | undefined {
  const lineStart = start === 0 ? 0 : bytes.lastIndexOf(0x0a, start - 1) + 1;
  if (lineStart === start && end === lineEnd) return undefined;
  return {
    before: bytes.toString('utf8', Math.max(lineStart, start - aroundMaxBytes), start),
    after: bytes.toString('utf8', end, Math.min(lineEnd, end + aroundMaxBytes)),
  };
}

async function readBytes(path: string, start: number, length: number): Promise<Buffer> {
  if (length <= 0) return Buffer.alloc(0);
  const file = await open(path, 'r');
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, start);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

async function statIfAny(path: string): Promise<{ size: number; mtimeNs: bigint } | undefined> {
  try {
    const { size, mtimeNs } = await stat(path, { bigint: true });
    return { size: Number(size), mtimeNs };
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}
