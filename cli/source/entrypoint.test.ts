import { expect, it } from 'vitest';
import { CliError } from '../failures/errors.ts';
import type { Runtime } from './choice.ts';
import type { Source } from './collect.ts';
import { chooseEntrypoint } from './entrypoint.ts';

const source = (
  paths: readonly string[],
  namedFiles: readonly string[] = [],
): Pick<Source, 'files' | 'namedFiles'> => ({
  files: paths.map((path) => ({ kind: 'file', path, diskPath: `/x/${path}`, sizeBytes: 0, executable: false })),
  namedFiles,
});
const asking = (entrypoint: string | undefined, runtime?: Runtime) => ({ entrypoint, runtime });

it.each<[readonly string[], readonly string[], string | undefined, Runtime | undefined, string]>([
  [['a.py', 'bot.py'], ['a.py', 'bot.py'], undefined, undefined, 'a.py'],
  [['a.py', 'bot.py', 'main.py'], [], undefined, undefined, 'bot.py'],
  [['a.py', 'main.py'], [], undefined, undefined, 'main.py'],
  [['bot.mjs', 'lib.js'], [], undefined, undefined, 'bot.mjs'],
  [['index.js', 'lib.js'], [], undefined, undefined, 'index.js'],
  [['bot.ts', 'lib.ts'], [], undefined, undefined, 'bot.ts'],
  [['bot.ts', 'bot.js'], [], undefined, undefined, 'bot.js'],
  [['bot.py', 'src/run.py'], [], 'src/run.py', undefined, 'src/run.py'],
  [['bot.py'], ['bot.py'], './bot.py', undefined, 'bot.py'],
  [['bot.py', 'index.js'], [], undefined, 'node', 'index.js'],
  [['bot.js', 'main.py'], [], undefined, 'python', 'main.py'],
  [['a.py', 'b.mjs'], ['a.py', 'b.mjs'], undefined, 'node', 'b.mjs'],
])(
  'of %j with named files %j, --entrypoint %j and --runtime %j is %s',
  (paths, named, entrypoint, runtime, expected) => {
    expect(chooseEntrypoint(source(paths, named), { entrypoint, runtime })).toBe(expected);
  },
);

const hintOf = (paths: readonly string[], asked?: string, runtime?: Runtime): string => {
  try {
    return chooseEntrypoint(source(paths), asking(asked, runtime));
  } catch (error) {
    if (error instanceof CliError) return `${error.message} ${error.complaint.hint}`;
    throw error;
  }
};

it('lists the candidates when there is no usual one', () => {
  expect(hintOf(['app.py', 'lib/x.py', 'notes.txt'])).toBe(
    'None of the files has a usual entrypoint name. Give --entrypoint FILE with one of: app.py, lib/x.py.',
  );
  expect(hintOf(['notes.txt'])).toBe(
    'None of the files has a usual entrypoint name. There is no .py, .js, .mjs, .cjs, .ts or .mts file to run.',
  );
  const many = Array.from({ length: 12 }, (_, index) => `f${index}.py`);
  expect(hintOf(many)).toMatch(/f9\.py and 2 more\.$/);
});

it('never proposes a file whose name no entrypoint may have', () => {
  expect(hintOf(['app.py', 'my bot.py', "it's.py"])).toMatch(/with one of: app\.py\.$/);
  for (const name of ['my bot.py', "it's.py", 'a/b c.mjs']) {
    for (const asked of [undefined, name]) {
      expect(hintOf([name], asked)).toContain(`Rename "${name}": the name of the file that is run has letters, digits`);
    }
  }
});

it('refuses one that is not among the files', () => {
  expect(hintOf(['bot.py'], '../bot.py')).toBe(
    'The entrypoint ../bot.py is not one of the files. Give --entrypoint FILE with one of: bot.py.',
  );
});

it('refuses one that cannot be run', () => {
  expect(() => chooseEntrypoint(source(['notes.txt'], ['notes.txt']), asking(undefined))).toThrow(
    'does not end in .py',
  );
});

it('refuses one that does not fit the runtime', () => {
  expect(hintOf(['bot.py', 'bot.mjs'], 'bot.py', 'node')).toBe(
    'The entrypoint bot.py does not match --runtime node. Leave out --runtime: the extension of the file decides.',
  );
  expect(hintOf(['bot.py'], undefined, 'node')).toBe(
    'None of the files has a usual entrypoint name. There is no .js, .mjs, .cjs, .ts or .mts file to run.',
  );
});
