import { expect, it } from 'vitest';
import { sleep } from '#common/clock.ts';
import { createManualClock } from './manual-clock.ts';

it('calls what falls due in order of time, each at its own time', () => {
  const clock = createManualClock({ monotonicMs: 0, wallMs: 500 });
  const seen: [string, number, number][] = [];
  const note = (name: string) => () => seen.push([name, clock.monotonicMs(), clock.wallMs()]);
  clock.after(20, note('late'));
  clock.after(10, note('early'));
  clock.after(20, note('late too'));
  clock.after(31, note('not yet'));
  clock.advance(30);
  expect(seen).toEqual([
    ['early', 10, 510],
    ['late', 20, 520],
    ['late too', 20, 520],
  ]);
  expect(clock.monotonicMs()).toBe(30);
  expect(clock.pendingTimers()).toBe(1);
  expect(clock.nextTimerMs()).toBe(1);
});

it('calls timers that a callback sets if they fall due as well', () => {
  const clock = createManualClock();
  let ticks = 0;
  const tick = () => {
    ticks++;
    clock.after(10, tick);
  };
  clock.after(10, tick);
  clock.advance(35);
  expect(ticks).toBe(3);
});

it('never calls a cancelled timer, and cancelling twice is harmless', () => {
  const clock = createManualClock();
  const cancel = clock.after(5, () => expect.unreachable());
  cancel();
  cancel();
  clock.advance(10);
  expect(clock.nextTimerMs()).toBeUndefined();
});

it('lets promises continue between timers when asked to', async () => {
  const clock = createManualClock({ monotonicMs: 0 });
  const times: number[] = [];
  const loop = (async () => {
    for (let i = 0; i < 3; i++) {
      await sleep(clock, 10);
      times.push(clock.monotonicMs());
    }
  })();
  await clock.advanceSettled(30);
  await loop;
  expect(times).toEqual([10, 20, 30]);
});

it('moves the wall clock alone on request', () => {
  const clock = createManualClock({ monotonicMs: 7 });
  clock.after(1, () => expect.unreachable());
  clock.setWall(0);
  expect([clock.wallMs(), clock.monotonicMs()]).toEqual([0, 7]);
  expect(() => clock.advance(-1)).toThrow('forward only');
});
