import { describe, expect, it } from 'vitest';
import { createManualClock } from '../../test/kit/manual-clock.ts';
import { Bell } from './bell.ts';

describe('a bell', () => {
  it('remembers one ring that nobody waited for', async () => {
    const bell = new Bell();
    bell.ring();
    bell.ring();
    expect(await bell.wait({})).toBe('rung');
    const clock = createManualClock();
    const second = bell.wait({ clock, afterMs: 10 });
    await clock.advanceSettled(10);
    expect(await second).toBe('timeout');
  });

  it('wakes its waiter at once and leaves no timer behind', async () => {
    const clock = createManualClock();
    const bell = new Bell();
    const waiting = bell.wait({ clock, afterMs: 1000 });
    bell.ring();
    expect(await waiting).toBe('rung');
    expect(clock.pendingTimers()).toBe(0);
  });

  it('lets go when aborted, before and during the wait', async () => {
    const controller = new AbortController();
    const bell = new Bell();
    const waiting = bell.wait({ signal: controller.signal });
    controller.abort();
    expect(await waiting).toBe('aborted');
    expect(await bell.wait({ signal: controller.signal })).toBe('aborted');
  });
});
