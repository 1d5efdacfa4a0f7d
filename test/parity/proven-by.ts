/**
 * Tables of lines that tests elsewhere prove. Each row is a test itself, which counts as the test ended that it rests on:
 * failed with it, skipped where it was not run (scripts/test/proofs.ts). A row whose test was renamed or removed fails at once.
 */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { checkoutPath } from '../../scripts/process/checkout.ts';

/**
 * A line of a list, the test file that proves it, and that test's name or the first words of its row in a table. The last
 * one names the file in which the test is written, where the test file only calls it, as those of a contract suite do.
 */
export type Proof = readonly [line: string, file: string, test: string, writtenIn?: string];

export function provenBy(proofs: readonly Proof[]): void {
  for (const [line, file, test, writtenIn = file] of proofs) {
    it(line, { meta: { provenBy: { file, test } } }, () => {
      const text = readFileSync(checkoutPath(...writtenIn.split('/')), 'utf8');
      expect(names(text), `${writtenIn} has a test "${test}"`).toContain(test);
    });
  }
}

/** The first text in a call or in a row of a table, which is where every test's name is. */
const names = (text: string): readonly string[] =>
  [...text.matchAll(/[([]\s*(?:'((?:[^'\\\n]|\\.)*)'|"((?:[^"\\\n]|\\.)*)"|`([^`$]*)`)/g)].map(
    ([, single, double, template]) => single ?? double ?? template ?? '',
  );
