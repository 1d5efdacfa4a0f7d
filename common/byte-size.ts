/** Amounts of memory and disk as people write them: 256m, 1.5g, 512 KiB. Pure. */

/** As Docker has them: 1k is 1024 bytes. */
const units: Readonly<Record<string, number>> = { b: 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 };

export interface ByteSize {
  /** A whole number, at most Number.MAX_SAFE_INTEGER. */
  readonly bytes: number;
  /** A bare number is bytes to Docker and megabytes to most people: callers that ask people may require a unit. */
  readonly hasUnit: boolean;
}

/** Undefined for anything but a size, or for too large a number. */
export function parseByteSize(text: string): ByteSize | undefined {
  const match = /^(\d{1,13}(?:\.\d{1,6})?) ?(?:([bkmg])(?:i?b)?)?$/i.exec(text.trim());
  if (match === null) return undefined;
  const [, number, unit] = match;
  const bytes = Math.round(Number(number) * (units[unit?.toLowerCase() ?? 'b'] ?? Number.NaN));
  return Number.isSafeInteger(bytes) ? { bytes, hasUnit: unit !== undefined } : undefined;
}
