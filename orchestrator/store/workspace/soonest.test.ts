import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Soonest } from './soonest.ts';

interface Row {
  readonly at: number | undefined;
}

test('whatever rows come, change and go, it knows the soonest and those that are due, and no others', () => {
  const step = fc.record({ key: fc.nat(20), at: fc.option(fc.nat(50), { nil: undefined }), gone: fc.boolean() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), fc.nat(50), (steps, now) => {
      const soonest = new Soonest<Row>(({ at }) => at);
      const rows = new Map<string, Row>();
      for (const { key: number, at, gone } of steps) {
        const key = `k${number}`;
        const after = gone ? undefined : { at };
        soonest.changed(key, rows.get(key), after);
        if (after === undefined) rows.delete(key);
        else rows.set(key, after);
        const times = [...rows.values()].flatMap((row) => row.at ?? []);
        expect(soonest.next()).toBe(times.length === 0 ? undefined : Math.min(...times));
      }
      const due = [...rows].filter(([, row]) => row.at !== undefined && row.at <= now).map(([key]) => key);
      // Asked twice: looking changes nothing.
      for (let time = 0; time < 2; time++) expect(soonest.until(now).sort()).toEqual(due.sort());
    }),
  );
});

test('old times do not pile up', () => {
  const soonest = new Soonest<Row>(({ at }) => at);
  for (let at = 0; at < 100_000; at++) soonest.changed('k', undefined, { at: 100_000 - at });
  expect(soonest.next()).toBe(1);
  expect(soonest.until(5)).toEqual(['k']);
});

test('gives what is due at one time in the order of the keys, whatever was taken back before', () => {
  const soonest = new Soonest<number>((row) => row);
  for (const key of ['c', 'a', 'b']) soonest.changed(key, undefined, 5);
  expect(soonest.until(5)).toEqual(['a', 'b', 'c']);
  soonest.changed('a', 5, undefined);
  soonest.changed('a', undefined, 5);
  expect(soonest.until(5)).toEqual(['a', 'b', 'c']);
});
