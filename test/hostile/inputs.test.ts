/**
 * INPUTS.md numbers the hostile inputs that the platform is held to. Each number has a test, wherever that is, whose title begins
 * with it: "hostile 43: a name that climbs", "hostile 58, 59: ...". So a number that loses its last test is noticed.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { checkout, checkoutPath } from '../../scripts/process/checkout.ts';

const count = 115;
const all = Array.from({ length: count }, (_, at) => at + 1);

/** The numbers in the title of a test, a suite, or a row of a table: the first text in a call or in a row. */
const numbersIn = (text: string): readonly number[] =>
  [...text.matchAll(/[([]\s*['"`]hostile (\d+(?:, \d+)*): /g)].flatMap(([, list = '']) => list.split(', ').map(Number));

it('the list has the numbers 1 to 115, each with what is right', () => {
  const rows = readFileSync(checkoutPath('test', 'hostile', 'INPUTS.md'), 'utf8').matchAll(
    /^\| (\d+) \| \S.* \| \S.* \|$/gm,
  );
  expect([...rows].map(([, number]) => Number(number))).toEqual(all);
});

it('each number has a test, and no test has another number', ({ skip }) => {
  const listed = spawnSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '-z', '*.ts'], {
    cwd: checkout,
    encoding: 'utf8',
  });
  if (listed.status !== 0) skip('this is no checkout of git');
  const paths = listed.stdout
    .split('\0')
    .filter((path) => path.endsWith('.test.ts') || path.startsWith('test/contract/'));
  const numbers = new Set(paths.flatMap((path) => numbersIn(readFileSync(checkoutPath(path), 'utf8'))));
  expect(all.filter((number) => !numbers.has(number))).toEqual([]);
  expect([...numbers].filter((number) => !all.includes(number))).toEqual([]);
});
