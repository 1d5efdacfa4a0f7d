import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { belongsInFile, looksLikeFile, splitRequirements } from './requirements.ts';

const split = (list: string) => {
  const result = splitRequirements(list);
  return result.ok ? result.value : result.problem.code;
};

describe('a comma list of requirements', () => {
  it.each<[string, readonly string[] | string]>([
    ['aiogram>=3.0', ['aiogram>=3.0']],
    ['aiogram>=3.0,<4', ['aiogram>=3.0,<4']],
    ['aiogram>=3.0, <4', ['aiogram>=3.0,<4']],
    ['a,b>=1', ['a', 'b>=1']],
    ['a>=1,!=1.5,<2,b~=3,==3.*', ['a>=1,!=1.5,<2', 'b~=3,==3.*']],
    ['a[x,y]>=1,b', ['a[x,y]>=1', 'b']],
    ['a (>=1,<2),b', ['a (>=1,<2)', 'b']],
    ['a>=1; python_version in "3.8,3.9",b', ['a>=1; python_version in "3.8,3.9"', 'b']],
    ['grammy@^1.2,@grammyjs/runner@>=2 <3', ['grammy@^1.2', '@grammyjs/runner@>=2 <3']],
    [' a , b ,, c, ', ['a', 'b', 'c']],
    ['', []],
    [',,', []],
    ['<4,a', 'INVALID_REQUIREMENTS'],
  ])('%j is %j', (list, expected) => {
    expect(split(list)).toEqual(expected);
  });

  it('gives back any list of plain requirements it was joined from', () => {
    const name = fc.stringMatching(/^[a-z][a-z0-9._-]{0,8}$/);
    const clause = fc.stringMatching(/^(>=|<=|==|!=|~=|<|>)[0-9]{1,2}(\.[0-9]{1,2})?$/);
    const requirement = fc
      .tuple(name, fc.array(clause, { maxLength: 3 }))
      .map(([package_, clauses]) => package_ + clauses.join(','));
    fc.assert(
      fc.property(fc.array(requirement), (list) => {
        expect(split(list.join(','))).toEqual(list);
      }),
    );
  });
});

it.each<[string, boolean]>([
  ['aiogram>=3,<4', false],
  ['a b', false],
  ['a @ https://example.org/a.zip', true],
  ['a[x]@git+https://example.org/a.git', true],
  ['git+https://example.org/a.git', true],
  ['./lib', true],
  ['-e .', true],
  ['--extra-index-url https://example.org/simple', true],
])('%j is for a file that pip reads: %j', (item, expected) => {
  expect(belongsInFile(item)).toBe(expected);
});

it.each<[string, boolean]>([
  ['requirements.txt', true],
  ['./deps', true],
  ['/etc/deps', true],
  ['aiogram>=3.0', false],
  ['@grammyjs/runner@2', false],
  ['a,b', false],
])('%j was meant as a file: %j', (value, expected) => {
  expect(looksLikeFile(value)).toBe(expected);
});
