import { expect, it } from 'vitest';
import { submodulePaths } from './gitmodules.ts';

it('reads the paths of the submodules', () => {
  const text =
    '[submodule "a"]\r\n\tpath = libs/a\r\n\turl = https://host/a.git?path = x\n[submodule "b"]\npath="b = c"\n path =\n';
  expect(submodulePaths(text)).toEqual(['libs/a', 'b = c']);
  expect(submodulePaths('')).toEqual([]);
});
