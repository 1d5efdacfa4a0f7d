/**
 * Two minutes of a storm with a fixed seed; longer ones, and others, by the command: npm run storm -- --seed N --minutes M.
 * Beside the two minutes it takes what it needs to start the parts, to wait until everything is final, and to remove all.
 */
import { expect, it } from 'vitest';
import { faultKinds, makePlan } from './plan.ts';
import { reportOf } from './report.ts';
import { runStorm } from './storm.ts';

const seed = 20_261_128;
const minutes = 2;
/** Enough for a machine with much else to do; alone the storm takes less than half. */
const budgetMs = 12 * 60_000;

it('loses, doubles and leaves behind nothing in a storm of two minutes', { timeout: budgetMs }, async ({ signal }) => {
  const plan = makePlan(seed, minutes * 60_000);
  expect(faultKinds.filter((kind) => !plan.faults.some((fault) => fault.kind === kind))).toEqual([]);
  const begun = performance.now();
  const result = await runStorm(plan, { say: () => undefined, signal });
  const seconds = Math.round((performance.now() - begun) / 1000);
  console.log([...reportOf(plan, result), `${seconds} s of a budget of ${budgetMs / 1000} s`].join('\n'));
  expect(result.findings).toEqual([]);
  expect(result.record.requests.length).toBeGreaterThan(50);
});
