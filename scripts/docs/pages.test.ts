import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { integer, plainText } from '#common/env-config.ts';
import { problemCodes } from '#common/problem-codes.ts';
import { checkoutPath } from '../process/checkout.ts';
import { errorsPage } from './errors-page.ts';
import { table } from './markdown.ts';
import { variablesPage } from './variables-page.ts';

it('a table keeps its shape whatever its cells hold', () => {
  expect(table(['a', 'b'], [['x|y', 'line\nbreak <tag>']])).toBe(
    '| a | b |\n| --- | --- |\n| x\\|y | line break &lt;tag> |',
  );
});

describe('docs/ERRORS.md', () => {
  it('is what the table of codes makes', () => {
    expect(readFileSync(checkoutPath('docs/ERRORS.md'), 'utf8'), 'cure: npm run docs').toBe(errorsPage());
  });

  it('lists every code once, with its cause and cure', () => {
    const lines = errorsPage().split('\n');
    for (const [name, kind] of Object.entries(problemCodes)) {
      const rows = lines.filter((line) => line.startsWith(`| \`${name}\` |`));
      expect(rows).toHaveLength(1);
      expect(rows[0]).toContain(kind.cure.replaceAll('|', '\\|').replaceAll('<', '&lt;'));
    }
  });
});

describe('docs/CONFIGURATION.md', () => {
  it('lists each variable with its other names, default and meaning', () => {
    const page = variablesPage([
      {
        program: 'Cook',
        variables: {
          heat: integer({ name: 'HEAT', aliases: ['HOT'], doc: 'How hot, in K.', min: 0, max: 9 }, 5),
          dish: plainText({ name: 'DISH', doc: 'What to cook.' }, undefined),
        },
      },
    ]);
    expect(page).toContain('## Cook');
    expect(page).toContain('| `HEAT` or `HOT` | 5 | How hot, in K. |');
    expect(page).toContain('| `DISH` | none | What to cook. |');
  });
});
