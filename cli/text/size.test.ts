import { expect, it } from 'vitest';
import { sizeText } from './size.ts';

it.each([
  [0, '0 B'],
  [999, '999 B'],
  [2560, '2.6 kB'],
  [12_345, '12 kB'],
  [999_949, '1000 kB'],
  [200_000_000, '200 MB'],
])('%i bytes are %s', (bytes, text) => {
  expect(sizeText(bytes)).toBe(text);
});
