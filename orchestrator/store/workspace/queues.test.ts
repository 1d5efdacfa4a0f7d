import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Queues } from './queues.ts';

/** A row is the name of its group; '' for none. */
const groupOf = (row: string): string | undefined => row || undefined;

test('whatever rows come, change and go, it knows the first of each group', () => {
  const step = fc.record({ key: fc.nat(12), group: fc.constantFrom('a', 'b', '', undefined) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), fc.array(fc.nat(12)), (steps, excepted) => {
      const queues = new Queues<string>(groupOf);
      const rows = new Map<string, string>();
      const except = new Set(excepted.map((n) => `k${n}`));
      for (const { key: number, group } of steps) {
        const key = `k${number}`;
        queues.changed(key, rows.get(key), group);
        if (group === undefined) rows.delete(key);
        else rows.set(key, group);
        for (const name of ['a', 'b']) {
          const keys = [...rows].flatMap(([of, row]) => (row === name ? [of] : [])).sort();
          expect(queues.first(name, new Set())).toBe(keys[0]);
          expect(queues.first(name, except)).toBe(keys.find((each) => !except.has(each)));
        }
      }
    }),
  );
});

/** Counts how often it was asked. */
class Asked extends Set<string> {
  times = 0;
  override has(key: string): boolean {
    this.times += 1;
    return super.has(key);
  }
}
const name = (n: number) => String(n).padStart(6, '0');

test('looks at none but the first and those that it passes over, however many wait', () => {
  const queues = new Queues<string>(groupOf);
  for (let n = 9_999; n >= 0; n--) queues.changed(name(n), undefined, 'a');
  const except = new Asked([name(0), name(1)]);
  for (let n = 2; n < 9_000; n++) {
    expect(queues.first('a', except)).toBe(name(n));
    queues.changed(name(n), 'a', '');
  }
  expect(except.times).toBe(3 * 8_998);
});
