import { describe, expect, it } from 'vitest';
import { createManualClock } from '../test/kit/manual-clock.ts';
import { guardedClock, inBackground, later, repeat } from './background.ts';

const broken = new Error('broken');
const fail = () => {
  throw broken;
};

describe('what runs beside everything else', () => {
  it('reports a timer that throws, and continues', async () => {
    const clock = createManualClock();
    const seen: unknown[] = [];
    const guarded = guardedClock(clock, (error) => seen.push(error));
    guarded.after(10, fail);
    guarded.after(20, () => seen.push('next'));
    await clock.advanceSettled(30);
    expect(seen).toEqual([broken, 'next']);
  });

  it('repeats work whatever became of the time before, until it is ended', async () => {
    const clock = createManualClock();
    const seen: unknown[] = [];
    let n = 0;
    const stop = repeat(
      clock,
      10,
      async () => {
        n += 1;
        if (n % 2 === 1) throw broken;
      },
      (error) => seen.push(error),
    );
    for (let turn = 0; turn < 4; turn++) await clock.advanceSettled(10);
    stop();
    await clock.advanceSettled(50);
    expect(n).toBe(4);
    expect(seen).toEqual([broken, broken]);
  });

  it('survives a report that throws', async () => {
    inBackground(Promise.reject(broken), fail);
    await new Promise<void>((resolve) => {
      const cancel = later(1, resolve);
      expect(cancel).toBeTypeOf('function');
    });
  });
});
