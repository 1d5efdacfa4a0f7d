/**
 * The engine's log stream, taken apart: frames of an 8-byte header (stream, three zeros, length as big-endian) and a
 * payload of a timestamp, a space and at most 16 KiB of output
 * (https://docs.docker.com/reference/api/engine/version/v1.41/#tag/Container/operation/ContainerAttach). Frames may come
 * in pieces of any size. Pure.
 */
import type { OutputStream } from '../container-runtime.ts';

export interface OutputFrame {
  readonly stream: OutputStream;
  /** Wall time in ns since 1970 when the engine read it. Parts of one long line have the same. */
  readonly timeNs: bigint;
  /** What the bot printed; ends with a line feed if this is the end of a line. */
  readonly content: Buffer;
}

const headerBytes = 8;
// The engine cuts at 16 KiB. Far more means that this is not a log stream, and waiting for it would fill the memory.
const payloadMaxBytes = 1024 * 1024;
// Longest form: 2026-11-22T16:35:50.123456789+00:00
const stampMaxBytes = 40;
const nothing = Buffer.alloc(0);

/** Returns a function that takes the next piece and gives the frames that it completes. Throws on anything but a log stream. */
export function createFrameParser(): (piece: Buffer) => readonly OutputFrame[] {
  let held: Buffer = nothing;
  const timeOf = createTimeParser();
  const frameOf = (stream: OutputStream, bytes: Buffer, start: number, end: number): OutputFrame => {
    const space = bytes.indexOf(0x20, start);
    if (space < 0 || space >= end || space - start > stampMaxBytes) throw new Error('a log frame without a timestamp');
    return { stream, timeNs: timeOf(bytes.toString('latin1', start, space)), content: bytes.subarray(space + 1, end) };
  };
  return (piece) => {
    held = held.length === 0 ? piece : Buffer.concat([held, piece]);
    const frames: OutputFrame[] = [];
    let at = 0;
    while (held.length - at >= headerBytes) {
      const length = held.readUInt32BE(at + 4);
      const stream = streamOf(held[at]);
      if (length > payloadMaxBytes) throw new Error(`a log frame of ${length} bytes`);
      if (held.length - at < headerBytes + length) break;
      frames.push(frameOf(stream, held, at + headerBytes, at + headerBytes + length));
      at += headerBytes + length;
    }
    held = at === held.length ? nothing : Buffer.from(held.subarray(at));
    return frames;
  };
}

function streamOf(type: number | undefined): OutputStream {
  if (type === 1) return 'stdout';
  if (type === 2) return 'stderr';
  throw new Error(`a log frame of the unknown stream ${type}`);
}

/** As parseTimeNs, for times of which many are of the same second: a bot can print a hundred thousand lines in one. */
function createTimeParser(): (text: string) => bigint {
  let second = '';
  let secondNs = 0n;
  return (text) => {
    // Nine digits and Z, as Docker writes it.
    if (text.length !== 30 || text[19] !== '.' || text[29] !== 'Z') return parseTimeNs(text);
    if (!text.startsWith(second) || second === '') {
      const timeNs = parseTimeNs(text);
      second = text.slice(0, 20);
      secondNs = timeNs - (timeNs % 1_000_000_000n);
      return timeNs;
    }
    let nanos = 0;
    for (let at = 20; at < 29; at += 1) {
      const digit = text.charCodeAt(at) - 48;
      if (digit < 0 || digit > 9) return parseTimeNs(text);
      nanos = nanos * 10 + digit;
    }
    return secondNs + BigInt(nanos);
  };
}

/** ns since 1970 of an RFC 3339 time with up to nine digits after the second. Throws on anything else. */
export function parseTimeNs(text: string): bigint {
  const match = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)$/.exec(text);
  const seconds = match ? Date.parse(`${match[1]}${match[3]}`) / 1000 : Number.NaN;
  if (!match || !Number.isInteger(seconds)) throw new Error('a time that is not RFC 3339');
  return BigInt(seconds) * 1_000_000_000n + BigInt((match[2] ?? '').padEnd(9, '0'));
}

/** A time as the `since` parameter takes it at full precision: seconds, a point, nine digits. */
export function sinceParameter(timeNs: bigint): string {
  const nanos = (timeNs % 1_000_000_000n).toString().padStart(9, '0');
  return `${timeNs / 1_000_000_000n}.${nanos}`;
}
