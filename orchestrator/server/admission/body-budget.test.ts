import { describe, expect, it } from 'vitest';
import type { ProblemError } from '#common/problem.ts';
import { BodyBudget } from './body-budget.ts';

const open = (budget: BodyBudget, caller: string) => {
  const hold = budget.hold(caller);
  const ended: ProblemError[] = [];
  hold.onGivenUp((error) => ended.push(error));
  return { ...hold, ended };
};

describe('the memory of messages on their way', () => {
  it('is given back when they are whole', () => {
    const budget = new BodyBudget({ callerMaxBytes: 10, allMaxBytes: 10, stepBytes: 1 });
    for (let n = 0; n < 5; n++) {
      const { holds, release, ended } = open(budget, 'a');
      holds(4);
      holds(9);
      expect(budget.bytes).toBe(9);
      release();
      release();
      expect([budget.bytes, ended]).toEqual([0, []]);
    }
  });

  it('costs a caller with too many its oldest one', () => {
    const budget = new BodyBudget({ callerMaxBytes: 10, allMaxBytes: 100, stepBytes: 1 });
    const [first, second] = [open(budget, 'a'), open(budget, 'a')];
    first.holds(6);
    second.holds(4);
    expect(first.ended).toEqual([]);
    second.holds(5);
    expect(first.ended[0]?.problem.code).toBe('RATE_LIMITED');
    expect(second.ended).toEqual([]);
    // What was given up cannot take anything back.
    first.holds(9);
    expect(budget.bytes).toBe(5);
  });

  it('costs the caller with the most, not the latest one, when all together have too many', () => {
    const budget = new BodyBudget({ callerMaxBytes: 60, allMaxBytes: 100, stepBytes: 1 });
    const many = Array.from({ length: 6 }, () => open(budget, 'greedy'));
    for (const { holds } of many) holds(10);
    const other = open(budget, 'other');
    other.holds(30);
    const third = open(budget, 'third');
    third.holds(20);
    expect(many.map(({ ended }) => ended.length)).toEqual([1, 0, 0, 0, 0, 0]);
    expect([other.ended, third.ended, budget.bytes]).toEqual([[], [], 100]);
  });

  it('says so to a reader that looks only afterwards', () => {
    const budget = new BodyBudget({ callerMaxBytes: 1, allMaxBytes: 1, stepBytes: 1 });
    const hold = budget.hold('a');
    hold.holds(2);
    const ended: string[] = [];
    hold.onGivenUp(({ problem }) => ended.push(problem.code));
    expect(ended).toEqual(['RATE_LIMITED']);
  });
});
