import { expect, it } from 'vitest';
import { preferredType } from './preferred-type.ts';

it.each([
  [undefined, 'text/plain'],
  ['', 'text/plain'],
  ['*/*', 'text/plain'],
  ['text/html', 'text/html'],
  ['text/html,application/xhtml+xml,*/*;q=0.8', 'text/html'],
  ['TEXT/HTML;Q=0.5, */*;q=0.1', 'text/html'],
  ['text/html;q=0, */*', 'text/plain'],
  ['text/*', 'text/plain'],
  ['application/json', 'application/json'],
  ['image/png', 'text/plain'],
  ['text/html;q=nonsense', 'text/plain'],
])('of plain text, HTML and JSON, Accept %j is best served by %s', (accept, type) => {
  expect(preferredType(accept, ['text/plain', 'text/html', 'application/json'])).toBe(type);
});
