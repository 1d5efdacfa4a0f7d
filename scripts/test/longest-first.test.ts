import { existsSync } from 'node:fs';
import { expect, it } from 'vitest';
import { checkoutPath } from '../process/checkout.ts';
import { longest } from './longest-first.ts';

it('the files that are begun first are there, each once', () => {
  expect(longest.filter((path) => !existsSync(checkoutPath(path)))).toEqual([]);
  expect(new Set(longest).size).toBe(longest.length);
});
