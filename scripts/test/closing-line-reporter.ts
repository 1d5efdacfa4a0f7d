/**
 * A vitest reporter that counts: writes a Tally as JSON to the file that BOTRUNNER_TEST_TALLY names, for scripts/test.ts,
 * which prints it once vitest has ended and can print nothing more.
 *
 * The reason of a skip is the note of `context.skip(note)`, or `meta.skipReason` of the test or of a suite around it:
 *     describe.skipIf(reason !== undefined)('on a real engine', { meta: { skipReason: reason } }, () => { ... })
 *
 * A test with `meta.provenBy` is a row that rests on another test, and counts as that one ended (proofs.ts).
 */
import { writeFileSync } from 'node:fs';
import type { Reporter, SerializedError, TestCase, TestModule, TestSuite } from 'vitest/node';
import { judge, type Outcome, type Proof } from './proofs.ts';
import type { Skipped, Tally } from './tally.ts';

declare module 'vitest' {
  interface TaskMeta {
    /** Why the test, or everything in the suite, is skipped. */
    skipReason?: string;
  }
}

export default class ClosingLineReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly SerializedError[]): void {
    const file = process.env['BOTRUNNER_TEST_TALLY'];
    if (file === undefined) throw new Error('BOTRUNNER_TEST_TALLY is not set: run the tests by npm test');
    writeFileSync(file, JSON.stringify(tallyOf(modules, unhandledErrors.length)));
  }
}

function tallyOf(modules: readonly TestModule[], unhandledErrors: number): Tally {
  const tests = modules.flatMap((module) => [...module.children.allTests()]);
  const broken = modules.flatMap((module) => [module, ...module.children.allSuites()]).filter(isBroken);
  const stateIs = (state: string) => tests.filter((test) => test.result().state === state);
  // A pending test was begun and never came to an end.
  const bad = [...stateIs('failed'), ...stateIs('pending')];
  const outcomes = tests.map(outcomeOf);
  const rows = stateIs('passed').flatMap((test) => {
    const { provenBy } = test.meta();
    return provenBy === undefined ? [] : [{ test, provenBy, verdict: judge(provenBy, outcomes) }];
  });
  const failedRows = rows.filter(({ verdict }) => verdict.is === 'failed');
  const unproven = rows.flatMap(({ test, verdict }) =>
    verdict.is === 'unproven' ? [{ ...skippedOf(test), reason: verdict.reason }] : [],
  );
  const failedFiles = modules
    .filter((module) => broken.some((part) => moduleOf(part) === module) || bad.some((test) => test.module === module))
    .map(({ relativeModuleId }) => relativeModuleId);
  // A row may also fail because there is no such test.
  const restsOnTest = ({ file, test }: Proof) =>
    outcomes.some((outcome) => outcome.file === file && outcome.name.includes(test));
  const areAll = unhandledErrors === 0 && failedRows.every(({ provenBy }) => restsOnTest(provenBy));
  return {
    passed: stateIs('passed').length - failedRows.length - unproven.length,
    failed: bad.length + broken.length + unhandledErrors + failedRows.length,
    skipped: [...stateIs('skipped').map(skippedOf), ...unproven],
    failedFiles: areAll ? failedFiles : [],
    failedRows: failedRows.map(({ test, verdict }) => ({
      ...skippedOf(test),
      reason: verdict.is === 'proven' ? undefined : verdict.reason,
    })),
  };
}

const outcomeOf = (test: TestCase): Outcome => ({
  file: test.module.relativeModuleId,
  name: test.fullName,
  state: test.result().state,
  reason: reasonOf(test),
});

/** Whether a file or suite has errors of its own: it did not load, or its set-up or tear-down failed. */
const isBroken = (part: TestModule | TestSuite): boolean => part.errors().length > 0;

const moduleOf = (part: TestModule | TestSuite): TestModule => (part.type === 'module' ? part : part.module);

function skippedOf(test: TestCase): Skipped {
  return { test: test.fullName, file: test.module.relativeModuleId, reason: reasonOf(test) };
}

function reasonOf(test: TestCase): string | undefined {
  const result = test.result();
  if (result.state === 'skipped' && result.note !== undefined) return result.note;
  for (let part: TestCase | TestSuite | TestModule = test; ; part = part.parent) {
    const stated = part.meta().skipReason;
    if (stated !== undefined) return stated;
    if (part.type !== 'test' && isBroken(part)) return `the set-up of ${part.type} failed`;
    if (part.type === 'module') return undefined;
  }
}
