import { expect, it } from 'vitest';
import { parseTimeout } from './timeout.ts';

it.each([
  ['90', 90_000],
  ['90s', 90_000],
  ['5m', 300_000],
  ['1h30m', 5_400_000],
  ['24h', 86_400_000],
])('%s is %i ms', (text, ms) => {
  expect(parseTimeout(text)).toEqual({ ok: true, value: ms });
});

it.each(['', '0', '0s', '-1', '1.5m', '25h', '5 m', 'm', '1d', '99999999999s', 'x'])('%j is refused', (text) => {
  expect(parseTimeout(text)).toMatchObject({ ok: false, problem: { code: 'INVALID_TIME' } });
});
