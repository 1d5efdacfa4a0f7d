import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Counts, Groups, Sums } from './indexes.ts';
import { Loading } from './loading.ts';
import { Rows } from './rows.ts';
import { Undo } from './undo.ts';

interface Row {
  readonly group: string | undefined;
  readonly name: string;
  readonly takes: number;
}

const rowOf = fc.record({
  group: fc.constantFrom('a', 'b', undefined),
  name: fc.constantFrom('x', 'y'),
  takes: fc.nat(3),
});
/** Undefined removes; `back` takes the work back in which it happens. */
const works = fc.array(
  fc.record({
    steps: fc.array(fc.tuple(fc.nat(5), fc.option(rowOf, { nil: undefined })), { maxLength: 6 }),
    back: fc.boolean(),
    settle: fc.boolean(),
  }),
  { maxLength: 30 },
);

test('what is looked up is what a look through all rows would find, after works that stayed and works that were taken back', () => {
  fc.assert(
    fc.property(works, (all) => {
      const undo = new Undo();
      const loading = new Loading({ isWhole: () => true, isKept: () => true });
      const groups = new Groups<Row>(({ group }) => group);
      const counts = new Map<string, Map<string, number>>();
      const counted = new Counts<Row>(({ group, name }) => (group === undefined ? undefined : [group, name]), counts);
      const takes = ({ group, takes: bytes }: Row) =>
        group === undefined ? undefined : { of: group, memoryBytes: bytes, cpuMillis: 1 };
      let less = 0;
      const sums = new Sums<Row>(takes, () => {
        less += 1;
      });
      const rows = new Rows<Row>({ name: 'rows', undo, loading, indexes: { groups, counted, sums } });
      const truth = new Map<string, Row>();
      const onDisk = new Map<string, Row>();
      for (const { steps, back, settle } of all) {
        const mark = undo.mark();
        const before = new Map(truth);
        const lessBefore = less;
        const takenBefore = taken(truth);
        for (const [number, row] of steps) {
          const key = `k${number}`;
          if (row === undefined) {
            rows.remove(key);
            truth.delete(key);
          } else {
            rows.put(key, row);
            truth.set(key, row);
          }
        }
        if (back) {
          undo.back(mark);
          truth.clear();
          for (const [key, row] of before) truth.set(key, row);
        }
        for (const group of ['a', 'b']) {
          const those = [...truth].filter(([, row]) => row.group === group);
          expect(new Map(groups.of(group))).toEqual(new Map(those));
          expect(groups.has(group)).toBe(those.length > 0);
          const names = new Map<string, number>();
          for (const [, { name }] of those) names.set(name, (names.get(name) ?? 0) + 1);
          expect(counts.get(group) ?? new Map()).toEqual(names);
          expect(sums.of(group)).toEqual({
            memoryBytes: those.reduce((sum, [, row]) => sum + row.takes, 0),
            cpuMillis: those.length,
          });
          if (!back && (taken(truth).get(group) ?? 0) < (takenBefore.get(group) ?? 0)) {
            expect(less).toBeGreaterThan(lessBefore);
          }
        }
        if (!settle) continue;
        // What a commit writes makes the disk what memory is: each row once, and none that was taken back.
        for (const { key, before: was, after } of rows.changes()) {
          expect(onDisk.get(key)).toBe(was);
          expect(after).not.toBe(was);
          if (after === undefined) onDisk.delete(key);
          else onDisk.set(key, after);
        }
        expect(onDisk).toEqual(truth);
        rows.settle();
        undo.keep();
      }
    }),
  );
});

function taken(rows: ReadonlyMap<string, Row>): Map<string, number> {
  const sums = new Map<string, number>();
  for (const { group, takes } of rows.values()) {
    if (group !== undefined) sums.set(group, (sums.get(group) ?? 0) + takes);
  }
  return sums;
}
