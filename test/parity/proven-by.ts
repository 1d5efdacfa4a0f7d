/** Tables of lines that tests elsewhere prove. Each row is a test itself: a row whose test was renamed or removed fails. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { checkoutPath } from '../../scripts/process/checkout.ts';

/** A line of a list, the file of the test that proves it, and that test's name or the first words of its row in a table. */
export type Proof = readonly [line: string, file: string, test: string];

export function provenBy(proofs: readonly Proof[]): void {
  it.each(proofs)('%s', (_line, file, name) => {
    const text = readFileSync(checkoutPath(...file.split('/')), 'utf8');
    expect(names(text), `${file} has a test "${name}"`).toContain(name);
  });
}

/** What stands first in a call or in a row of a table, as every test's name does. */
const names = (text: string): readonly string[] =>
  [...text.matchAll(/[([]\s*(?:'((?:[^'\\\n]|\\.)*)'|"((?:[^"\\\n]|\\.)*)"|`([^`$]*)`)/g)].map(
    ([, single, double, template]) => single ?? double ?? template ?? '',
  );
