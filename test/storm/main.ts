/**
 * A storm on a platform of its own: npm run storm [-- --seed N] [--minutes M] [--plan] [--keep]
 * Without options: two minutes of a seed that is printed. `--plan` prints the plan and does nothing. `--keep` leaves the
 * folder with the logs of the programs and the diaries of the bots. Ends with 1 if anything was found.
 */
import { parseArgs } from 'node:util';
import { makePlan } from './plan.ts';
import { reportOf } from './report.ts';
import { runStorm } from './storm.ts';

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    minutes: { type: 'string' },
    plan: { type: 'boolean', default: false },
    keep: { type: 'boolean', default: false },
  },
});
const number = (name: 'seed' | 'minutes', fallback: number, least: number): number => {
  const text = values[name];
  const value = text === undefined ? fallback : Number(text);
  if (Number.isFinite(value) && value >= least && (name === 'minutes' || Number.isSafeInteger(value))) return value;
  console.error(`--${name} takes a number of at least ${least}, for example --${name} ${fallback}`);
  process.exit(2);
};
const seed = number('seed', Date.now() % 2 ** 31, 0);
const minutes = number('minutes', 2, 0.5);
const plan = makePlan(seed, minutes * 60_000);
if (values.plan) {
  console.log(JSON.stringify(plan, undefined, 1));
  process.exit(0);
}
console.log(`storm of seed ${seed}, ${minutes} minutes: plan ${plan.hash}`);
const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => stop.abort(new Error(`ended by ${signal}`)));
// So that what was started is ended.
process.once('uncaughtException', (error) => stop.abort(error));
const begun = performance.now();
let code = 1;
const say = (line: string) =>
  console.log(`${String(Math.round((performance.now() - begun) / 1000)).padStart(5)} s  ${line}`);
try {
  const result = await runStorm(plan, { say, signal: stop.signal, keep: values.keep });
  console.log(reportOf(plan, result).join('\n'));
  if (values.keep) console.log(`logs and diaries: ${result.dir}`);
  code = result.findings.length === 0 ? 0 : 1;
} catch (error) {
  // Why it was ended, where somebody ended it.
  console.error(stop.signal.aborted ? stop.signal.reason : error);
}
// Explicitly: Node.js 24 was seen to spin forever while closing what hundreds of child processes and connections had left.
process.exit(code);
