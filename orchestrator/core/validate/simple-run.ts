/** Which of a bot's files is run: the entrypoint or command asked for, else what the files say. Pure. */

import type { Language } from '#common/language.ts';
import { fail, ok, problem, type Result } from '#common/problem.ts';
import { checkEntrypoint } from '#common/safe-path.ts';
import { checkCommand } from '#common/start/check-command.ts';
import { chooseStart, languageOfFiles, packageStart, packagesOf, type Start } from '#common/start/choose-start.ts';
import { languageOfCommand } from '#common/start/command-line.ts';
import type { SimpleRunRequest } from './bot-request.ts';
import { examples } from './examples.ts';
import { type Data, isAbsent } from './fields.ts';

const usualNames = ['bot.py', 'main.py', 'bot.mjs', 'bot.js', 'index.mjs', 'index.js'];

/** The language an entrypoint is written in, by its ending. */
export const languageOf = (entrypoint: string): Language =>
  /\.(?:[mc]?js|m?ts)$/.test(entrypoint) ? 'node' : 'python';

export function parseRun(
  data: Data,
  files: ReadonlyMap<string, string>,
  wanted: Language | undefined,
): Result<SimpleRunRequest> {
  const hasEntrypoint = !isAbsent(data['entrypoint']);
  if (!isAbsent(data['command'])) {
    if (!hasEntrypoint) return parseCommand(data['command'], wanted, [...files.keys()]);
    return fail(
      problem('CONFLICTING_FIELDS', '"entrypoint" and "command" cannot be combined.', {
        details: { fields: ['entrypoint', 'command'] },
        hint: 'Use "entrypoint" for a file to run, "command" for anything else.',
        example: examples.files,
      }),
    );
  }
  const names = [...files.keys()];
  const start = hasEntrypoint ? named(data['entrypoint'], names) : chosen(files, names, wanted);
  if (start?.kind === 'command') return parseCommand(start.argv, wanted ?? start.language, names);
  if (start === undefined && !hasEntrypoint && names.length > 0) return fail(nothingToRun());
  const entrypoint = checkEntrypoint(start === undefined ? data['entrypoint'] : start.path, names);
  if (!entrypoint.ok) return entrypoint;
  return ok({ entrypoint: entrypoint.value, command: [], language: wanted ?? languageOf(entrypoint.value) });
}

const nothingToRun = () =>
  problem('INVALID_ENTRYPOINT', 'Nothing says which of the files is run, and none has a usual entrypoint name.', {
    details: { field: 'entrypoint' },
    hint: 'Name it with "entrypoint", or give a "command". A file that a Procfile or scripts.start runs has to be among the files.',
    example: examples.files,
  });

/** A folder with a __main__.py is run as the package that it is. */
function named(entrypoint: unknown, names: readonly string[]): Start | undefined {
  const folder = packagesOf(names).find((name) => name === entrypoint);
  return folder === undefined ? undefined : packageStart(folder, undefined);
}

function chosen(
  files: ReadonlyMap<string, string>,
  names: readonly string[],
  runtime: Language | undefined,
): Start | undefined {
  const [only, ...others] = names;
  if (only !== undefined && others.length === 0) return { kind: 'entrypoint', path: only, because: undefined };
  const { start } = chooseStart({
    paths: names,
    runtime,
    usualNames,
    procfile: files.get('Procfile'),
    packageJson: files.get('package.json'),
  });
  return start;
}

/** `names` of the files, where known, show the language of a command that does not. */
export function parseCommand(
  value: unknown,
  wanted: Language | undefined,
  names: readonly string[] = [],
): Result<SimpleRunRequest> {
  const command = checkCommand(value);
  if (!command.ok) return command;
  const language = wanted ?? languageOfCommand(command.value) ?? languageOfFiles(names);
  if (language !== undefined) return ok({ entrypoint: '', command: command.value, language });
  return fail(
    problem('INVALID_ENTRYPOINT', 'Nothing in the command says whether it is of Python or of Node.js.', {
      details: { field: 'command' },
      hint: 'Say it with "runtime": "python" or "node".',
      example: examples.files,
    }),
  );
}
