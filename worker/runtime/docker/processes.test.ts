import { expect, test } from 'vitest';
import { hasShellInFront } from './processes.ts';

const of = (...rows: [number, number, string][]) =>
  rows.map(([pid, parent, program]) => ({ pid: String(pid), parent: String(parent), program }));

test.each([
  ['a script that starts the bot', of([10, 1, 'docker-init'], [11, 10, 'sh'], [12, 11, 'python']), true],
  ['bash', of([12, 11, 'node'], [11, 10, 'bash'], [10, 1, 'docker-init']), true],
  ['a script that has become the bot', of([10, 1, 'docker-init'], [11, 10, 'python'], [12, 11, 'sh']), false],
  ['a bot that is a shell script itself, and waits by itself', of([10, 1, 'docker-init'], [11, 10, 'sh']), false],
  ['nothing', [], false],
])('%s', (_what, processes, expected) => {
  expect(hasShellInFront(processes)).toBe(expected);
});
