import { describe, expect, it } from 'vitest';
import { createManualClock } from '../test/kit/manual-clock.ts';
import { AgeClock, type AgeMark } from './age-clock.ts';
import { guardedClock } from './background.ts';
import { ClockSteps } from './clock-steps.ts';

const hour = 3_600_000;
const day = 24 * hour;

describe('steps of the wall clock', () => {
  it('are reported once each, in both directions, and running is none', () => {
    const clock = createManualClock();
    const steps = new ClockSteps(clock);
    clock.advance(50 * day);
    expect(steps.take()).toBe(0);
    clock.setWall(clock.wallMs() - hour);
    expect([steps.pending(), steps.take(), steps.take()]).toEqual([-hour, -hour, 0]);
    clock.setWall(clock.wallMs() + 2 * hour);
    expect(steps.take()).toBe(2 * hour);
  });

  it('that could not be acted on are reported again', () => {
    const clock = createManualClock();
    const steps = new ClockSteps(clock);
    clock.setWall(clock.wallMs() + hour);
    steps.giveBack(steps.take());
    expect(steps.take()).toBe(hour);
  });

  it('too small to matter add up until they do', () => {
    const clock = createManualClock();
    const steps = new ClockSteps(clock);
    clock.setWall(clock.wallMs() + 600);
    expect(steps.take()).toBe(0);
    clock.setWall(clock.wallMs() + 600);
    expect(steps.take()).toBe(1200);
  });

  it('between two processes are seen on the same boot alone', () => {
    const clock = createManualClock({ bootId: 'a' });
    const mark = new ClockSteps(clock).mark();
    clock.advance(hour);
    clock.setWall(clock.wallMs() - day);
    expect(new ClockSteps(clock, mark).pending()).toBe(-day);
    expect(new ClockSteps(createManualClock({ bootId: 'b' }), mark).pending()).toBe(0);
    expect(new ClockSteps(createManualClock()).mark()).toBeUndefined();
  });
});

it('is seen through a guarded clock, as programs use it', () => {
  const clock = guardedClock(createManualClock({ bootId: 'a' }), () => undefined);
  expect(new ClockSteps(clock).mark()?.bootId).toBe('a');
});

describe('the clock for ages', () => {
  it('believes a step forward after a day, also over restarts of the program', () => {
    const clock = createManualClock({ bootId: 'a' });
    let kept: AgeMark | undefined;
    const begin = () => new AgeClock(clock, kept, (mark) => (kept = mark));
    let ages = begin();
    const born = ages.nowMs();
    clock.setWall(clock.wallMs() + 365 * day);
    expect(ages.nowMs()).toBe(born);
    clock.advance(20 * hour);
    ages = begin();
    expect(ages.nowMs()).toBe(born + 20 * hour);
    clock.advance(4 * hour);
    expect(ages.nowMs()).toBe(clock.wallMs());
  });

  it('believes a step back at once, and one forward that was taken back never', () => {
    const clock = createManualClock();
    const ages = new AgeClock(clock);
    const born = ages.nowMs();
    clock.setWall(clock.wallMs() + 30 * day);
    ages.nowMs();
    clock.advance(hour);
    clock.setWall(born + hour);
    expect(ages.nowMs()).toBe(born + hour);
    clock.advance(2 * day);
    expect(ages.nowMs()).toBe(clock.wallMs());
    clock.setWall(clock.wallMs() - 5 * day);
    expect(ages.nowMs()).toBe(clock.wallMs());
  });

  it('takes the clock of a machine that was started again as it is', () => {
    const kept = { bootId: 'a', offsetMs: 0 };
    const clock = createManualClock({ bootId: 'b' });
    expect(new AgeClock(clock, kept).nowMs()).toBe(clock.wallMs());
  });
});
