import { expect, test } from 'vitest';
import { EventRing } from './event-ring.ts';
import { anEvent } from './testing/rows.ts';

test('a batch of any size is taken in, and the newest of it are kept', () => {
  // More than one call can have arguments.
  const events = Array.from({ length: 200_000 }, (_, n) => ({ ...anEvent(`e${n}`, 'echo'), seq: n + 1 }));
  const onDisk = (seq: number, limit: number) => events.slice(seq, seq + limit);
  const ring = new EventRing(onDisk, 0);
  ring.add(events);
  expect(ring.lastSeq).toBe(200_000);
  expect(ring.after(199_998, 10).map(({ seq }) => seq)).toEqual([199_999, 200_000]);
  expect(ring.after(3, 2).map(({ seq }) => seq)).toEqual([4, 5]);
});
