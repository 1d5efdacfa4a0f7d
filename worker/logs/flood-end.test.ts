import { expect, it } from 'vitest';
import { createManualClock } from '../../test/kit/manual-clock.ts';
import { FloodEnd } from './flood-end.ts';

const mib = 1024 * 1024;

function watchForTests() {
  const clock = createManualClock();
  let collections = 0;
  const end = new FloodEnd(clock, () => {
    collections += 1;
  });
  return { clock, end, collections: () => collections };
}

it('has the garbage of a flood collected once, when it is over', () => {
  const { clock, end, collections } = watchForTests();
  for (let second = 0; second < 30; second += 1) {
    end.moved(5 * mib);
    clock.advance(1000);
  }
  expect(collections()).toBe(0);
  clock.advance(60_000);
  expect(collections()).toBe(1);
});

it('takes what little comes after a flood for its end, and no few lines for a flood', () => {
  const { clock, end, collections } = watchForTests();
  end.moved(100 * mib);
  for (let second = 0; second < 60; second += 1) {
    clock.advance(1000);
    end.moved(1000);
  }
  expect(collections()).toBe(1);
  for (let second = 0; second < 600; second += 1) {
    clock.advance(1000);
    end.moved(mib / 2);
  }
  expect(collections()).toBe(1);
});

it('collects nothing once it is closed', () => {
  const { clock, end, collections } = watchForTests();
  end.moved(100 * mib);
  clock.advance(10_000);
  end.close();
  // From a log that is being closed.
  end.moved(100 * mib);
  expect(clock.pendingTimers()).toBe(0);
  clock.advance(60_000);
  expect(collections()).toBe(0);
});

it('knows a flood that takes its time, as on a busy machine, from a bot that just prints much', () => {
  const { clock, end, collections } = watchForTests();
  for (let second = 0; second < 60; second += 1) {
    end.moved(0.4 * mib);
    clock.advance(1000);
  }
  expect(collections()).toBe(0);
  clock.advance(60_000);
  expect([collections(), clock.pendingTimers()]).toEqual([1, 0]);
  for (let second = 0; second < 3600; second += 1) {
    end.moved(0.08 * mib);
    clock.advance(1000);
  }
  clock.advance(200_000);
  expect([collections(), clock.pendingTimers()]).toEqual([1, 0]);
});
