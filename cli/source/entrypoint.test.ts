import { expect, it } from 'vitest';
import { CliError } from '../errors.ts';
import type { Source } from './collect.ts';
import { chooseEntrypoint } from './entrypoint.ts';

const source = (paths: readonly string[], firstFile?: string): Source => ({
  files: paths.map((path) => ({ path, diskPath: `/x/${path}`, sizeBytes: 0, executable: false })),
  wholeFolder: firstFile === undefined,
  firstFile,
  leftOut: [],
});

it.each<[readonly string[], string | undefined, string | undefined, string]>([
  [['a.py', 'bot.py'], 'a.py', undefined, 'a.py'],
  [['a.py', 'bot.py', 'main.py'], undefined, undefined, 'bot.py'],
  [['a.py', 'main.py'], undefined, undefined, 'main.py'],
  [['bot.mjs', 'lib.js'], undefined, undefined, 'bot.mjs'],
  [['index.js', 'lib.js'], undefined, undefined, 'index.js'],
  [['bot.py', 'src/run.py'], undefined, 'src/run.py', 'src/run.py'],
  [['bot.py'], 'bot.py', './bot.py', 'bot.py'],
])('of %j with first file %j and --entrypoint %j is %s', (paths, firstFile, asked, expected) => {
  expect(chooseEntrypoint(source(paths, firstFile), asked)).toBe(expected);
});

const hintOf = (paths: readonly string[], asked?: string): string => {
  try {
    return chooseEntrypoint(source(paths), asked);
  } catch (error) {
    if (error instanceof CliError) return `${error.message} ${error.complaint.hint}`;
    throw error;
  }
};

it('lists the candidates when there is no usual one', () => {
  expect(hintOf(['app.py', 'lib/x.py', 'notes.txt'])).toBe(
    'None of the files is a usual entrypoint. Say --entrypoint FILE with one of: app.py, lib/x.py.',
  );
  expect(hintOf(['notes.txt'])).toBe(
    'None of the files is a usual entrypoint. There is no .py, .js, .mjs or .cjs file to run.',
  );
  const many = Array.from({ length: 12 }, (_, index) => `f${index}.py`);
  expect(hintOf(many)).toMatch(/f9\.py, and 2 more\.$/);
});

it('refuses one that is not among the files', () => {
  expect(hintOf(['bot.py'], '../bot.py')).toBe(
    'The entrypoint ../bot.py is not one of the files. Say --entrypoint FILE with one of: bot.py.',
  );
});

it('refuses one that cannot be run', () => {
  expect(() => chooseEntrypoint(source(['notes.txt'], 'notes.txt'), undefined)).toThrow('does not end in .py');
});
