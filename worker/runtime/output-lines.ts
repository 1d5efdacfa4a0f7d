/** Bytes that a program printed, as lines: split at line feeds, cut where they are too long, made into valid text. */

/** A longer line is cut into several. */
export const lineMaxBytes = 64 * 1024;

/** How much of a longer line is given with each of its pieces, before and after it. Longer than any secret is. */
export const aroundMaxBytes = lineMaxBytes;

/** The text around a piece in the line it was cut from, at most `aroundMaxBytes` on each side. */
export interface Around {
  readonly before: string;
  readonly after: string;
}

const lineFeed = 0x0a;

/** The text of one line's bytes, the first `length` of these: invalid UTF-8 becomes U+FFFD, the carriage return of a Windows line end goes. */
export function lineText(bytes: Buffer, length = bytes.length): string {
  return bytes.toString('utf8', 0, bytes[length - 1] === 0x0d ? length - 1 : length);
}

/** The text of bytes that are one whole line with its line end, of a length that needs no cut; undefined if they are not. */
export function wholeLine(bytes: Buffer): string | undefined {
  const length = bytes.length - 1;
  return length <= lineMaxBytes && bytes.indexOf(lineFeed) === length ? lineText(bytes, length) : undefined;
}

/** Where to cut bytes that are longer than a line may be, so that no character is torn. */
export function cutAt(bytes: Buffer, maxBytes: number): number {
  let end = maxBytes;
  // 0b10xxxxxx continues a character; there are at most three of these in one. Anything else is not UTF-8 anyway.
  while (end > maxBytes - 4 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return end > maxBytes - 4 ? end : maxBytes;
}

export interface LineSplitter {
  push(chunk: Buffer): void;
  /** Gives out what has no line end yet. */
  end(): void;
}

/**
 * Calls back for each line as soon as it is whole. A line that is too long comes in pieces, each as soon as enough of what
 * follows it is there. Holds one line or about three pieces. However small the chunks are, each byte is searched and copied
 * a few times at most: what prints decides how it writes.
 */
export function createLineSplitter(
  onLine: (text: string, around?: Around) => void,
  maxBytes = lineMaxBytes,
): LineSplitter {
  /** What has no line end yet are the first `length` bytes. */
  let held: Buffer = Buffer.alloc(0);
  let length = 0;
  /** The end of the pieces of this line that were given out. */
  let before: Buffer = Buffer.alloc(0);
  const give = (piece: Buffer, rest: Buffer) => {
    const isLast = rest.length === 0;
    const text = isLast ? lineText(piece) : piece.toString('utf8');
    const after = rest.subarray(0, aroundMaxBytes);
    if (isLast && before.length === 0) onLine(text);
    else onLine(text, { before: before.toString('utf8'), after: after.toString('utf8') });
    before = isLast ? Buffer.alloc(0) : Buffer.from(Buffer.concat([before, piece]).subarray(-aroundMaxBytes));
  };
  /** Gives out a whole line, in pieces if it is too long. */
  const giveLine = (line: Buffer) => {
    let rest = line;
    while (rest.length > maxBytes) {
      const end = cutAt(rest, maxBytes);
      give(rest.subarray(0, end), rest.subarray(end));
      rest = rest.subarray(end);
    }
    give(rest, rest.subarray(rest.length));
  };
  /** What is held, with the chunk behind it. A copy only where something is held; room grows by doubling. */
  const joined = (chunk: Buffer): Buffer => {
    if (length === 0) return chunk;
    const needed = length + chunk.length;
    if (needed > held.length) {
      const grown = Buffer.alloc(Math.max(needed, 2 * held.length));
      held.copy(grown, 0, 0, length);
      held = grown;
    }
    chunk.copy(held, length);
    return held.subarray(0, needed);
  };
  /** Keeps the end of `bytes` for later. */
  const keep = (bytes: Buffer, from: number) => {
    const rest = bytes.subarray(from);
    const isThere = from === 0 && length > 0;
    // A view would keep a whole chunk alive, and room for one long line; what is held here may stay for hours.
    if (!isThere && (rest.length > held.length || held.length > 4 * rest.length)) held = Buffer.from(rest);
    else if (!isThere) rest.copy(held);
    length = rest.length;
  };
  return {
    push(chunk) {
      let searched = length;
      const bytes = joined(chunk);
      let at = 0;
      for (;;) {
        const end = bytes.indexOf(lineFeed, searched);
        if (end >= 0) {
          giveLine(bytes.subarray(at, end));
          at = end + 1;
          searched = at;
          continue;
        }
        searched = bytes.length;
        if (bytes.length - at <= maxBytes + aroundMaxBytes) break;
        const rest = bytes.subarray(at);
        const cut = cutAt(rest, maxBytes);
        give(rest.subarray(0, cut), rest.subarray(cut));
        at += cut;
      }
      keep(bytes, at);
    },
    end() {
      const rest = held.subarray(0, length);
      length = 0;
      if (rest.length > 0) giveLine(rest);
    },
  };
}

/** More than any line that says something. */
const wholeLineMaxBytes = 1024 * 1024;

/** As createLineSplitter, for what is masked later: a line comes whole or not at all, so that no secret in it is cut. */
export function createWholeLineSplitter(onLine: (text: string) => void): LineSplitter {
  return createLineSplitter((text, around) => {
    if (around === undefined) onLine(text);
    else if (around.before === '') onLine('[a line of more than 1 MiB was left out]');
  }, wholeLineMaxBytes);
}

/** A text that is too long for one line, as several. */
export function cutLine(text: string): readonly string[] {
  if (text.length * 3 <= lineMaxBytes || Buffer.byteLength(text) <= lineMaxBytes) return [text];
  const pieces: string[] = [];
  for (let rest = Buffer.from(text); rest.length > 0; ) {
    const length = rest.length > lineMaxBytes ? cutAt(rest, lineMaxBytes) : rest.length;
    pieces.push(rest.toString('utf8', 0, length));
    rest = rest.subarray(length);
  }
  return pieces;
}
