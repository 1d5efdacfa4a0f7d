import { describe, expect, it } from 'vitest';
import { eventually } from '../../test/kit/eventually.ts';
import { createManualClock } from '../../test/kit/manual-clock.ts';
import { EngineUnavailableError } from '../runtime/container-runtime.ts';
import { Bell, unlessAborted } from './bell.ts';
import { Slots } from './slots.ts';
import { TimeLimitError, withTimeLimit } from './time-limit.ts';
import { passesByItself, pauseAfterFailures, retryPauseMs } from './try-later.ts';

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

describe('a time limit', () => {
  it('passes on what the work returns or throws, and leaves no timer behind', async () => {
    const clock = createManualClock();
    expect(await withTimeLimit(clock, 'work', 100, undefined, async () => 7)).toBe(7);
    await expect(withTimeLimit(clock, 'work', 100, undefined, () => Promise.reject(new Error('no')))).rejects.toThrow(
      'no',
    );
    expect(clock.pendingTimers()).toBe(0);
  });

  it('gives up work that does not listen, and tells it to stop', async () => {
    const clock = createManualClock();
    let told: AbortSignal | undefined;
    const limited = withTimeLimit(clock, 'asking', 100, undefined, (signal) => {
      told = signal;
      return new Promise(() => undefined);
    });
    const seen = limited.catch((error: unknown) => error);
    await clock.advanceSettled(100);
    const error = await seen;
    expect(error).toBeInstanceOf(TimeLimitError);
    expect(String(error)).toContain('asking did not end within 100 ms');
    expect(told?.aborted).toBe(true);
  });

  it('ends with its parent', async () => {
    const clock = createManualClock();
    const parent = new AbortController();
    const limited = withTimeLimit(clock, 'work', 100, parent.signal, () => new Promise(() => undefined));
    parent.abort(new Error('over'));
    await expect(limited).rejects.toThrow('over');
    expect(clock.pendingTimers()).toBe(0);
  });
});

describe('work that may not listen', () => {
  it('is waited for to its end, good or bad', async () => {
    const { signal } = new AbortController();
    await unlessAborted(signal, Promise.resolve());
    await expect(unlessAborted(signal, Promise.reject(new Error('no')))).rejects.toThrow('no');
  });

  it('is left behind on abort', async () => {
    const controller = new AbortController();
    const waiting = unlessAborted(controller.signal, new Promise(() => undefined));
    controller.abort();
    await waiting;
  });
});

describe('slots', () => {
  const never = new AbortController().signal;

  it('are given in the order of asking', async () => {
    const slots = new Slots(1);
    const order: string[] = [];
    const first = await slots.take(never);
    const others = ['b', 'c'].map(async (name) => {
      const release = await slots.take(never);
      order.push(name);
      release();
    });
    first();
    first();
    await Promise.all(others);
    expect(order).toEqual(['b', 'c']);
  });

  /** Who gets a slot, in order, as the ones before let go; each asks for as many as it is named. */
  async function order(count: number, asked: string): Promise<string> {
    const slots = new Slots(count);
    const served: string[] = [];
    const releases: (() => void)[] = [];
    const all = [...asked].map((user) =>
      slots.take(never, user).then((release) => {
        served.push(user);
        releases.push(release);
      }),
    );
    for (let n = 0; n < asked.length; n += 1) {
      await eventually(
        'somebody is served',
        () => releases.length,
        (length) => length > n,
      );
      releases[n]?.();
    }
    await Promise.all(all);
    return served.join('');
  }

  it('go round among users, however many one of them asks for', async () => {
    expect(await order(1, 'bbbbbac')).toBe('bacbbbb');
    expect(await order(1, 'bbbaaa')).toBe('bababa');
    expect(await order(3, 'bbbbba')).toMatch(/^bba/);
  });

  it('are never all one user’s: one is there for the others at once', async () => {
    const slots = new Slots(2);
    await slots.take(never, 'bob');
    let second = false;
    const waiting = slots.take(never, 'bob').then((release) => {
      second = true;
      return release;
    });
    const alices = await slots.take(never, 'alice');
    expect(second).toBe(false);
    alices();
    expect(second).toBe(false);
    (await slots.take(never, 'carol'))();
    expect(second).toBe(false);
    void waiting;
  });

  it('keep nothing of users who are gone', async () => {
    const slots = new Slots(1);
    const release = await slots.take(never, 'a');
    const controller = new AbortController();
    const givenUp = slots.take(controller.signal, 'b');
    controller.abort(new Error('no longer'));
    await expect(givenUp).rejects.toThrow('no longer');
    release();
    (await slots.take(never, 'c'))();
  });

  it('do not count one who gave up waiting', async () => {
    const slots = new Slots(1);
    const release = await slots.take(never);
    const controller = new AbortController();
    const givenUp = slots.take(controller.signal);
    controller.abort(new Error('no longer'));
    await expect(givenUp).rejects.toThrow('no longer');
    release();
    (await slots.take(never))();
  });
});

describe('failures that pass', () => {
  it('are those of an engine or orchestrator that is away or slow, not bugs', () => {
    expect(passesByItself(new EngineUnavailableError('gone'))).toBe(true);
    expect(passesByItself(new TimeLimitError('x', 1))).toBe(true);
    expect(passesByItself(new TypeError('bug'))).toBe(false);
  });

  it('of other machines are tried again after pauses that grow to 30 s, each up to a quarter shorter', () => {
    expect([1, 2, 3, 4, 5, 6, 7, 50].map((n) => retryPauseMs(n, 0))).toEqual([
      500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000,
    ]);
    expect(retryPauseMs(50, 0.999)).toBe(22_508);
  });

  it('are tried again after pauses that grow to 5 s', () => {
    expect([1, 2, 3, 4, 5, 50].map(pauseAfterFailures)).toEqual([500, 1000, 2000, 4000, 5000, 5000]);
  });
});
