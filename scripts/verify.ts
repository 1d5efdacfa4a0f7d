/**
 * Everything CI checks: npm run verify [-- --only NAME,..] [--skip NAME,..] [--bail] [--second-chance N]
 * Every step runs, whatever failed before it; the failures are shown together at the end. The tests come last. With --bail the first
 * failure ends it: `npm run check` is that without the tests. With --second-chance N, up to N test files that failed are run once
 * more by themselves (verify/run-tests.ts).
 */
import { parseArgs } from 'node:util';
import { interrupted } from './process/interrupted.ts';
import { runTests } from './verify/run-tests.ts';
import { type Step, steps } from './verify/steps.ts';

interface Failure {
  readonly step: Step;
  readonly words: string;
}

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    skip: { type: 'string' },
    bail: { type: 'boolean' },
    'second-chance': { type: 'string', default: '0' },
  },
});
const secondChance = Number(values['second-chance']);
if (!Number.isSafeInteger(secondChance) || secondChance < 0) {
  console.error(`--second-chance takes a number of test files, not ${values['second-chance']}.`);
  process.exit(2);
}
const tests: Step = {
  name: 'tests',
  holds: 'every test',
  cure: 'npm test -- PATH runs the tests of one file or folder',
  check: (signal) => runTests(secondChance, signal),
};
const chosen = choose([...steps, tests], values.only?.split(','), values.skip?.split(',') ?? []);
process.exitCode = await verify(chosen, interrupted());

function choose(all: readonly Step[], only: readonly string[] | undefined, skip: readonly string[]): Step[] {
  const names = all.map(({ name }) => name);
  const unknown = [...(only ?? []), ...skip].filter((name) => !names.includes(name));
  if (unknown.length > 0) {
    console.error(`No such step: ${unknown.join(', ')}. There are: ${names.join(', ')}.`);
    process.exit(2);
  }
  return all.filter(({ name }) => (only?.includes(name) ?? true) && !skip.includes(name));
}

async function verify(wanted: readonly Step[], signal: AbortSignal): Promise<number> {
  const failures: Failure[] = [];
  const start = performance.now();
  for (const step of wanted) {
    if (step === tests) console.log(`      tests: ${step.holds}`);
    const begun = performance.now();
    const words = await wordsOf(step, signal);
    if (signal.aborted) return 130;
    if (words !== '') failures.push({ step, words });
    console.log(`${words === '' ? 'ok  ' : 'FAIL'}  ${step.name}: ${step.holds} (${seconds(begun)})`);
    if (failures.length > 0 && values.bail) break;
  }
  for (const { step, words } of failures) {
    console.log(`\n--- ${step.name}: ${step.holds}\n${words.trimEnd()}\nCure: ${step.cure}`);
  }
  const verdict = failures.length === 0 ? 'all is well' : `failed: ${failures.map(({ step }) => step.name).join(', ')}`;
  console.log(`\nverify: ${verdict} (${wanted.length} steps, ${seconds(start)})`);
  return failures.length === 0 ? 0 : 1;
}

/** A step that breaks is a failed step: the others still run. */
async function wordsOf(step: Step, signal: AbortSignal): Promise<string> {
  try {
    return await step.check(signal);
  } catch (error) {
    return error instanceof Error ? (error.stack ?? error.message) : String(error);
  }
}

function seconds(since: number): string {
  return `${((performance.now() - since) / 1000).toFixed(1)} s`;
}
