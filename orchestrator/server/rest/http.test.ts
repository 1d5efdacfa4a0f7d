import { expect, it } from 'vitest';
import { takesGzip } from './http.ts';

it.each([
  [undefined, false],
  ['', false],
  ['gzip', true],
  ['br, GZIP;q=0.5', true],
  ['gzip;q=0', false],
  ['gzip; q=0.000', false],
  ['gzip;q=0.001', true],
  ['identity, *;q=0', false],
  ['gzipped', false],
])('Accept-Encoding: %s', (header, expected) => {
  expect(takesGzip(header)).toBe(expected);
});
