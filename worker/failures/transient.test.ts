import { describe, expect, it } from 'vitest';
import { TimeLimitError } from '#common/waiting/time-limit.ts';
import { EngineUnavailableError } from '../runtime/container-runtime.ts';
import { isTransient, pauseAfterFailures, retryPauseMs } from './transient.ts';

describe('transient failures', () => {
  it('are those of an engine or orchestrator that is away or slow, not bugs', () => {
    expect(isTransient(new EngineUnavailableError('gone'))).toBe(true);
    expect(isTransient(new TimeLimitError('x', 1))).toBe(true);
    expect(isTransient(new TypeError('bug'))).toBe(false);
  });

  it('of other machines are retried after pauses that grow to 30 s, each up to a quarter shorter', () => {
    expect([1, 2, 3, 4, 5, 6, 7, 50].map((n) => retryPauseMs(n, 0))).toEqual([
      500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000,
    ]);
    expect(retryPauseMs(50, 0.999)).toBe(22_508);
  });

  it('are retried after pauses that grow to 5 s', () => {
    expect([1, 2, 3, 4, 5, 50].map(pauseAfterFailures)).toEqual([500, 1000, 2000, 4000, 5000, 5000]);
  });
});
