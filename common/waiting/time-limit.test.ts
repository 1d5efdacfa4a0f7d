import { describe, expect, it } from 'vitest';
import { createManualClock } from '../../test/kit/manual-clock.ts';
import { TimeLimitError, withTimeLimit } from './time-limit.ts';

describe('a time limit', () => {
  it('passes on what the work returns or throws, and leaves no timer behind', async () => {
    const clock = createManualClock();
    expect(await withTimeLimit(clock, 'work', 100, undefined, async () => 7)).toBe(7);
    await expect(withTimeLimit(clock, 'work', 100, undefined, () => Promise.reject(new Error('no')))).rejects.toThrow(
      'no',
    );
    expect(clock.pendingTimers()).toBe(0);
  });

  it('gives up work that does not listen, and aborts it', async () => {
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
