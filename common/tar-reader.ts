/**
 * Reads the entries of a tar (POSIX ustar and pax, and GNU tar's long names) one by one from untrusted bytes, and refuses what
 * readers take differently. It judges no names and no types: see safe-tar.ts. Our own because of what the usual package allows:
 * pax headers that it copies for each entry (4 MB of them made it work 0.7 s per entry, and no other request got its turn), and
 * anything at all behind the end of the archive.
 * Format: pax(1) of POSIX.1-2017 ("ustar Interchange Format", "pax Header Block"), and GNU tar's tar.h.
 */
import type { ByteReader } from './byte-reader.ts';
import { refuse } from './problem.ts';

export type TarEntryType = 'file' | 'folder' | 'symbolic link' | 'hard link' | 'device' | 'pipe' | 'unknown';

export interface TarEntry {
  /** As it is in the tar. U+FFFD stands where bytes were not UTF-8. */
  readonly name: string;
  readonly type: TarEntryType;
  /** 0 for all but files. */
  readonly sizeBytes: number;
  readonly mode: number;
  /** For links. */
  readonly linkName: string;
  /** What is left unread is skipped when the next entry is requested. */
  readonly content: AsyncGenerator<Buffer, void, undefined>;
}

const blockBytes = 512;
const zeroBlock = Buffer.alloc(blockBytes);
/** Limit of the headers that carry long names and other extras. */
const extraMaxBytes = 1024 * 1024;

const damaged = (what: string): never =>
  refuse('INVALID_ARCHIVE', `The archive is damaged or not a tar file: ${what}.`, {
    hint: 'Pack it again: tar -czf bot.tar.gz -C FOLDER .',
  });

const types: Readonly<Record<string, TarEntryType>> = {
  '0': 'file',
  '\0': 'file',
  '1': 'hard link',
  '2': 'symbolic link',
  '3': 'device',
  '4': 'device',
  '5': 'folder',
  '6': 'pipe',
};

/** What headers before an entry say about it. */
interface Extra {
  readonly name?: string;
  readonly linkName?: string;
  readonly sizeBytes?: number;
}

/** All entries up to the end mark, behind which only zeros may stand. Throws ProblemError INVALID_ARCHIVE. */
export async function* readTar(bytes: ByteReader): AsyncGenerator<TarEntry, void, undefined> {
  let extra: Extra = {};
  for (;;) {
    const block = await bytes.take(blockBytes);
    if (block.length < blockBytes) damaged('it ends early');
    if (block.equals(zeroBlock)) return expectZeros(bytes);
    const header = readHeader(block);
    if (isExtra(header.flag)) {
      if (header.sizeBytes > extraMaxBytes) damaged('a name or another extended header is too long');
      const data = await bytes.take(header.sizeBytes);
      if (data.length < header.sizeBytes) damaged('it ends early');
      await skipPadding(bytes, header.sizeBytes);
      extra = { ...extra, ...readExtra(header.flag, data) };
      continue;
    }
    const name = extra.name ?? header.name;
    // Before ustar a folder was a file whose name ends with a slash.
    const type = header.flag === '\0' && name.endsWith('/') ? 'folder' : (types[header.flag] ?? 'unknown');
    const sizeBytes = type === 'file' || type === 'unknown' ? (extra.sizeBytes ?? header.sizeBytes) : 0;
    let left = sizeBytes;
    const next = async (): Promise<Buffer | undefined> => {
      if (left === 0) return undefined;
      const piece = await bytes.some(left);
      left -= piece?.length ?? 0;
      return piece ?? damaged('it ends early');
    };
    const content = async function* () {
      for (let piece = await next(); piece !== undefined; piece = await next()) yield piece;
    };
    yield { name, type, sizeBytes, mode: header.mode, linkName: extra.linkName ?? header.linkName, content: content() };
    while ((await next()) !== undefined);
    await skipPadding(bytes, sizeBytes);
    extra = {};
  }
}

async function skipPadding(bytes: ByteReader, length: number): Promise<void> {
  const padding = (blockBytes - (length % blockBytes)) % blockBytes;
  if ((await bytes.take(padding)).length < padding) damaged('it ends early');
}

async function expectZeros(bytes: ByteReader): Promise<void> {
  for (let piece = await bytes.some(); piece !== undefined; piece = await bytes.some()) {
    for (let at = 0; at < piece.length; at += blockBytes) {
      const part = piece.subarray(at, at + blockBytes);
      if (!part.equals(zeroBlock.subarray(0, part.length))) damaged('there is data after its end');
    }
  }
}

function readHeader(block: Buffer) {
  const sum = block.reduce((total, byte, at) => total + (at >= 148 && at < 156 ? 0x20 : byte), 0);
  const magic = block.toString('latin1', 257, 263);
  if (numberOf(block, 148, 8) !== sum || (magic !== 'ustar\0' && magic !== 'ustar ')) damaged('a header is not valid');
  const prefix = magic === 'ustar\0' ? textOf(block, 345, 155) : '';
  const name = textOf(block, 0, 100);
  return {
    name: prefix === '' ? name : `${prefix}/${name}`,
    mode: numberOf(block, 100, 8),
    sizeBytes: numberOf(block, 124, 12),
    flag: block.toString('latin1', 156, 157),
    linkName: textOf(block, 157, 100),
  };
}

/** UTF-8 up to the first NUL. */
function textOf(block: Buffer, start = 0, length = block.length): string {
  const field = block.subarray(start, start + length);
  const end = field.indexOf(0);
  return field.toString('utf8', 0, end === -1 ? field.length : end);
}

/** Octal digits, or the base-256 form of GNU tar for large numbers. */
function numberOf(block: Buffer, start: number, length: number): number {
  const field = block.subarray(start, start + length);
  if (field[0] === 0x80) {
    const value = BigInt(`0x${field.toString('hex', 1)}`);
    return value <= Number.MAX_SAFE_INTEGER ? Number(value) : damaged('a number is too large');
  }
  const digits = textOf(field).trim();
  return /^[0-7]*$/.test(digits) ? Number.parseInt(digits || '0', 8) : damaged('a number is not valid');
}

const isExtra = (flag: string): boolean => flag === 'x' || flag === 'g' || flag === 'L' || flag === 'K';

function readExtra(flag: string, data: Buffer): Extra {
  if (flag === 'L') return { name: textOf(data) };
  if (flag === 'K') return { linkName: textOf(data) };
  const extra = readPax(data);
  // A global header is for comments, such as git's; one that gives every entry the same name is an attack.
  if (flag === 'g' && Object.keys(extra).length > 0) damaged('a name is set for all entries');
  return extra;
}

/** Records "LENGTH KEY=VALUE\n"; only the keys that we need are kept. */
function readPax(data: Buffer): Extra {
  let extra: Extra = {};
  for (let at = 0; at < data.length; ) {
    const space = data.indexOf(' ', at);
    const length = space > at && space - at <= 7 ? Number(data.toString('latin1', at, space)) : 0;
    const end = at + length;
    const equals = data.indexOf('=', space);
    if (!(Number.isInteger(length) && end <= data.length && equals > space && equals < end && data[end - 1] === 0x0a)) {
      return damaged('an extra header is not valid');
    }
    const key = data.toString('utf8', space + 1, equals);
    const value = () => data.toString('utf8', equals + 1, end - 1);
    if (key === 'path') extra = { ...extra, name: value() };
    else if (key === 'linkpath') extra = { ...extra, linkName: value() };
    else if (key === 'size') extra = { ...extra, sizeBytes: sizeOf(value()) };
    else if (key.startsWith('GNU.sparse.')) damaged('it contains a sparse file');
    at = end;
  }
  return extra;
}

function sizeOf(digits: string): number {
  const size = /^\d{1,16}$/.test(digits) ? Number(digits) : Number.NaN;
  return Number.isSafeInteger(size) ? size : damaged('a size is not valid');
}
