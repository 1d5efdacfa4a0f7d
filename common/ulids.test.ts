import { decodeTime } from 'ulid';
import { expect, test } from 'vitest';
import { createUlids } from './ulids.ts';

test('ids are of their time and differ over many blocks of random bytes', () => {
  const next = createUlids();
  const ids = Array.from({ length: 5_000 }, () => next(1_700_000_000_000));
  expect(new Set(ids).size).toBe(ids.length);
  for (const id of ids) expect(id).toMatch(/^[0-9A-HJKMNP-TV-Z]{26}$/);
  expect(decodeTime(ids.at(-1) ?? '')).toBe(1_700_000_000_000);
});

test('every character is drawn at every place', () => {
  const next = createUlids();
  const ids = Array.from({ length: 2_000 }, () => next(0));
  for (let place = 10; place < 26; place++) expect(new Set(ids.map((id) => id[place])).size).toBe(32);
});
