/** Sizes for people. */

/** Decimal units: "640 B", "2.5 kB", "12 MB". */
export function sizeText(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  const [unit, value] = bytes < 999_950 ? ['kB', bytes / 1e3] : ['MB', bytes / 1e6];
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${unit}`;
}
