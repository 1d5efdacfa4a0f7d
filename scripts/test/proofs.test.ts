import { describe, expect, it } from 'vitest';
import { judge, type Outcome } from './proofs.ts';

const proof = { file: 'a.test.ts', test: 'a bot runs' };
const outcome = (state: Outcome['state'], name = 'on Docker > a bot runs', file = 'a.test.ts'): Outcome => ({
  file,
  name,
  state,
});

describe('a row that rests on a test elsewhere', () => {
  it('is proven when that test passed', () => {
    expect(judge(proof, [outcome('passed'), outcome('failed', 'another')])).toEqual({ is: 'proven' });
  });

  it('failed when that test failed, never came to an end, or is not there', () => {
    for (const outcomes of [[outcome('failed')], [outcome('pending')], [outcome('passed', 'another')]]) {
      expect(judge(proof, outcomes)).toMatchObject({ is: 'failed' });
    }
  });

  it('failed when one row of a table failed', () => {
    const rows = [outcome('passed', 'a bot runs with 1'), outcome('failed', 'a bot runs with 2')];
    expect(judge(proof, rows)).toMatchObject({ is: 'failed' });
  });

  it('is not proven when that test was skipped or its file was not run, and says why', () => {
    expect(judge(proof, [{ ...outcome('skipped'), reason: 'no engine' }])).toEqual({
      is: 'unproven',
      reason: 'rests on a test in a.test.ts that was skipped: no engine',
    });
    expect(judge(proof, [outcome('passed', 'a bot runs', 'b.test.ts')])).toEqual({
      is: 'unproven',
      reason: 'rests on a.test.ts, which was not part of this run',
    });
  });
});
