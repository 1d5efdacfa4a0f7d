/** Files in words. */
import { sizeText } from './size.ts';

/** "1 file (9 B)", "12 files (3.4 MB)". */
export const filesText = (count: number, sizeBytes: number): string =>
  `${count} ${count === 1 ? 'file' : 'files'} (${sizeText(sizeBytes)})`;

const shownMax = 10;

/** "a, b, c", or the first ten "and 5 more". */
export const namesText = (names: readonly string[]): string =>
  names.length <= shownMax
    ? names.join(', ')
    : `${names.slice(0, shownMax).join(', ')} and ${names.length - shownMax} more`;
