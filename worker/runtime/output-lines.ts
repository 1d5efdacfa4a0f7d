/** Bytes that a program printed, as lines: split at line feeds, cut where they are too long, made into valid text. */

/** A longer line is cut into several. */
export const lineMaxBytes = 64 * 1024;

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

/** Calls back for each line as soon as it is whole, or too long. Holds at most one line. */
export function createLineSplitter(onLine: (text: string) => void, maxBytes = lineMaxBytes): LineSplitter {
  let held: Buffer = Buffer.alloc(0);
  const take = (end: number, skip: number) => {
    onLine(lineText(held.subarray(0, end)));
    held = held.subarray(end + skip);
  };
  return {
    push(chunk) {
      held = held.length === 0 ? chunk : Buffer.concat([held, chunk]);
      for (;;) {
        const end = held.indexOf(lineFeed);
        if (end >= 0 && end <= maxBytes) take(end, 1);
        else if (held.length > maxBytes) take(cutAt(held, maxBytes), 0);
        else break;
      }
      // A view keeps the whole chunk alive; what is held here may stay for hours.
      held = Buffer.from(held);
    },
    end() {
      if (held.length > 0) take(held.length, 0);
    },
  };
}
