/** Bytes that a program printed, as lines: split at line feeds, cut where they are too long, made into valid text. */

/** A longer line is cut into several. */
export const lineMaxBytes = 64 * 1024;

/** How much of a longer line is given with each of its pieces, before and after it. Longer than any secret is. */
export const aroundMaxBytes = lineMaxBytes;

/** What stands around a piece in the line it was cut from: all that is there, but at most `aroundMaxBytes` on each side. */
export interface Around {
  readonly before: string;
  readonly after: string;
}

const lineFeed = 0x0a;

/** The text of one line's bytes: invalid UTF-8 becomes U+FFFD, the carriage return of a Windows line end goes. */
export function lineText(bytes: Buffer): string {
  const end = bytes.at(-1) === 0x0d ? bytes.length - 1 : bytes.length;
  return bytes.toString('utf8', 0, end);
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
 * follows it is there. Holds one line or about three pieces.
 */
export function createLineSplitter(
  onLine: (text: string, around?: Around) => void,
  maxBytes = lineMaxBytes,
): LineSplitter {
  let held: Buffer = Buffer.alloc(0);
  /** The end of the pieces of this line that were given out. */
  let before: Buffer = Buffer.alloc(0);
  const take = (length: number, lineEnd: number) => {
    const isLast = length === lineEnd;
    const text = isLast ? lineText(held.subarray(0, length)) : held.toString('utf8', 0, length);
    const after = held.subarray(length, Math.min(lineEnd, length + aroundMaxBytes));
    if (isLast && before.length === 0) onLine(text);
    else onLine(text, { before: before.toString('utf8'), after: after.toString('utf8') });
    before = isLast
      ? Buffer.alloc(0)
      : Buffer.from(Buffer.concat([before, held.subarray(0, length)]).subarray(-aroundMaxBytes));
  };
  /** Gives out the line that ends at `lineEnd`, in pieces if it is too long. */
  const takeLine = (lineEnd: number, skip: number) => {
    let end = lineEnd;
    while (end > maxBytes) {
      const length = cutAt(held, maxBytes);
      take(length, end);
      held = held.subarray(length);
      end -= length;
    }
    take(end, end);
    held = held.subarray(end + skip);
  };
  return {
    push(chunk) {
      held = held.length === 0 ? chunk : Buffer.concat([held, chunk]);
      for (;;) {
        const end = held.indexOf(lineFeed);
        if (end >= 0) takeLine(end, 1);
        else if (held.length > maxBytes + aroundMaxBytes) {
          const length = cutAt(held, maxBytes);
          take(length, held.length);
          held = held.subarray(length);
        } else break;
      }
      // A view keeps the whole chunk alive; what is held here may stay for hours.
      held = Buffer.from(held);
    },
    end() {
      if (held.length > 0) takeLine(held.length, 0);
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
