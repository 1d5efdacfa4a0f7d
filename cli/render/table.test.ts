import { expect, it } from 'vitest';
import { displayWidth, renderFacts, renderTable } from './table.ts';

it('lines columns up, also with markers that take two columns', () => {
  expect(
    renderTable(
      ['BOT', 'STATE', 'N'],
      [
        ['a', '🟢 running', '1'],
        ['long-name', '⚪ exited', ''],
      ],
    ),
  ).toBe(['BOT        STATE       N', 'a          🟢 running  1', 'long-name  ⚪ exited'].join('\n'));
  expect(displayWidth('🟢 x')).toBe(4);
});

it('leaves out facts without a value', () => {
  expect(
    renderFacts([
      ['Name', 'x'],
      ['None', undefined],
      ['Empty', ''],
      ['Longer', 'y'],
    ]),
  ).toBe('  Name    x\n  Longer  y');
  expect(renderFacts([])).toBe('');
});
