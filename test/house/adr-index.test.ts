/** The index of the decisions names each page once, in the order of their numbers, and no two pages have one number. */
import { readdirSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { checkoutPath } from '../../scripts/process/checkout.ts';

const pages = readdirSync(checkoutPath('docs', 'adr'))
  .filter((name) => name !== 'README.md')
  .sort();
const index = readFileSync(checkoutPath('docs', 'adr', 'README.md'), 'utf8');

it('numbers are unique, and the title of a page has the number of its file', () => {
  const numbers = pages.map((name) => name.slice(0, 4));
  expect(new Set(numbers).size).toBe(numbers.length);
  for (const name of pages) {
    const [title] = readFileSync(checkoutPath('docs', 'adr', name), 'utf8').split('\n');
    expect(title, name).toMatch(new RegExp(`^# ${name.slice(0, 4)}: .`));
  }
});

it('the index has all of them, in order', () => {
  const rows = [...index.matchAll(/^\| \[(\d{4})\]\(([^)]+)\) \| .+ \|$/gm)];
  expect(rows.map((row) => row[2])).toEqual(pages);
  expect(rows.map((row) => row[1])).toEqual(pages.map((name) => name.slice(0, 4)));
});
