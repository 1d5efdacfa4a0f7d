import { describe, expect, it } from 'vitest';
import { freshAge, judgeAge } from './max-runtime.ts';

const hour = 3_600_000;
const minute = 60_000;
const born = Date.UTC(2026, 0, 1);
const age = freshAge(born, hour);

describe('the limit on how long bots run', () => {
  it('is none unless the operator sets one', () => {
    expect(judgeAge(freshAge(born, 0), born + 10_000 * hour, 0)).toEqual({ kind: 'too-early' });
  });

  it('warns ten minutes before, and stops then', () => {
    expect(judgeAge(age, born + 50 * minute - 1, hour)).toEqual({ kind: 'too-early' });
    expect(judgeAge(age, born + 50 * minute, hour)).toMatchObject({
      kind: 'warn',
      stopsAt: born + hour,
      notice: { code: 'MAX_RUNTIME_SOON', message: expect.stringContaining('stopped at 2026-01-01T01:00:00.000Z') },
    });
    const warned = { ...age, ageWarned: true };
    expect(judgeAge(warned, born + hour - 1, hour)).toEqual({ kind: 'too-early' });
    expect(judgeAge(warned, born + hour, hour)).toMatchObject({
      kind: 'stop',
      notice: { code: 'MAX_RUNTIME_REACHED' },
    });
  });

  it('gives ten minutes also when nobody could warn in time', () => {
    expect(judgeAge(age, born + 5 * hour, hour)).toMatchObject({
      kind: 'warn',
      stopsAt: born + 5 * hour + 10 * minute,
    });
  });
});
