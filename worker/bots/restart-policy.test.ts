import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { afterEnd, describeEnd, freshPolicy } from './restart-policy.ts';

const crash = { exitCode: 1, oomKilled: false, ranMs: 100, interruptedBy: undefined };

describe('the restart policy', () => {
  it('hostile 91: leaves a bot that ended with 0 alone', () => {
    expect(afterEnd({ ...crash, exitCode: 0 }, { crashes: 4 }, 0)).toMatchObject({
      kind: 'exited',
      policy: freshPolicy,
    });
  });

  it('tries again after 1, 2, 4 ... 300 s', () => {
    let policy = freshPolicy;
    const delays: number[] = [];
    for (let n = 0; n < 11; n += 1) {
      const verdict = afterEnd(crash, policy, 0);
      if (verdict.kind === 'crash_loop') delays.push(verdict.delayMs / 1000);
      policy = verdict.policy;
    }
    expect(delays).toEqual([1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
  });

  it('shortens each delay by at most a quarter, and never goes beyond 300 s', () => {
    fc.assert(
      fc.property(fc.nat(1e9), fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), (crashes, random) => {
        const full = Math.min(1000 * 2 ** Math.min(crashes, 20), 300_000);
        const verdict = afterEnd(crash, { crashes }, random);
        if (verdict.kind !== 'crash_loop') throw new Error('a crash was not taken as one');
        expect(verdict.delayMs).toBeLessThanOrEqual(full);
        expect(verdict.delayMs).toBeGreaterThanOrEqual(full * 0.75 - 1);
      }),
    );
  });

  it('hostile 91: starts over after ten minutes up', () => {
    expect(afterEnd({ ...crash, ranMs: 600_000 }, { crashes: 9 }, 0)).toMatchObject({
      delayMs: 1000,
      policy: { crashes: 1 },
    });
    expect(afterEnd({ ...crash, ranMs: 599_999 }, { crashes: 9 }, 0)).toMatchObject({ delayMs: 300_000 });
  });

  it('takes an end that nobody saw, and one for lack of memory, as a crash', () => {
    expect(afterEnd({ ...crash, exitCode: undefined }, freshPolicy, 0).kind).toBe('crash_loop');
    expect(afterEnd({ ...crash, exitCode: 0, oomKilled: true }, freshPolicy, 0).kind).toBe('crash_loop');
  });

  it('starts a bot again that went down with its engine or worker, even with exit code 0, and does not count it', () => {
    const end = { ...crash, exitCode: 0 };
    const policy = { crashes: 3 };
    const kind = 'crash_loop';
    expect(afterEnd({ ...end, interruptedBy: 'engine' }, policy, 0)).toMatchObject({ kind, delayMs: 1000, policy });
    expect(afterEnd({ ...end, interruptedBy: 'worker' }, policy, 0)).toMatchObject({ kind, delayMs: 0, policy });
  });

  it('explains the end, with the cure where there is one', () => {
    const end = { exitCode: 1, oomKilled: false, interruptedBy: undefined };
    expect(describeEnd(end)).toBe('ended with exit code 1');
    expect(describeEnd({ ...end, exitCode: 139 })).toBe('ended with exit code 139 (SIGSEGV)');
    expect(describeEnd({ ...end, exitCode: 127 })).toContain('was not found');
    expect(describeEnd({ ...end, oomKilled: true })).toContain('give it more with --memory');
    expect(describeEnd({ ...end, oomKilled: true, memoryBytes: 64 * 1024 * 1024 })).toBe(
      'killed because it exceeded its memory limit of 64 MB; give it more, for example with --memory 128m',
    );
  });
});
