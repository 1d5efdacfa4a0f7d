import { timestampDate } from '@bufbuild/protobuf/wkt';
import { expect, it } from 'vitest';
import { parseLogTime } from './log-time.ts';

const nowMs = Date.UTC(2026, 10, 22, 15, 0, 0);
const read = (text: string) => parseLogTime('--since', text, nowMs);

it.each([
  ['10m', '2026-11-22T14:50:00.000Z'],
  ['1h30m', '2026-11-22T13:30:00.000Z'],
  ['90s', '2026-11-22T14:58:30.000Z'],
  ['1.5s', '2026-11-22T14:59:58.500Z'],
  ['250ms', '2026-11-22T14:59:59.750Z'],
  ['7d', '2026-11-15T15:00:00.000Z'],
  ['0s', '2026-11-22T15:00:00.000Z'],
  ['2026-11-22T15:00:00Z', '2026-11-22T15:00:00.000Z'],
  ['2026-11-22t15:00:00.5z', '2026-11-22T15:00:00.500Z'],
  ['2026-11-22 18:00:00+03:00', '2026-11-22T15:00:00.000Z'],
  ['2024-02-29T00:00:00Z', '2024-02-29T00:00:00.000Z'],
])('reads %j as %s', (text, iso) => {
  const time = read(text);
  expect(time.ok && timestampDate(time.value).toISOString()).toBe(iso);
});

it('keeps nanoseconds', () => {
  expect(read('2026-11-22T15:00:00.123456789Z')).toMatchObject({ ok: true, value: { nanos: 123_456_789 } });
});

it.each([
  '',
  '10',
  'm',
  '-10m',
  '10 m',
  '10y',
  'yesterday',
  '2026-11-22',
  '2026-11-22T15:00:00',
  '2026-02-30T00:00:00Z',
  '2026-13-01T00:00:00Z',
  '2026-11-22T25:00:00Z',
  '2026-11-22T15:00:00.1234567890Z',
  '99999999d99999999d99999999d',
  '1e3s',
])('refuses %j and says what it takes', (text) => {
  expect(read(text)).toMatchObject({
    ok: false,
    problem: {
      code: 'INVALID_TIME',
      message: '--since takes how long ago, such as 10m or 1h30m, or a time such as 2026-11-22T15:00:00Z.',
    },
  });
});
