/** Which of a bot's files is run: the requested one, the first named file, or what the files say themselves. */
import { unwrap } from '#common/problem.ts';
import { readPackageJson } from '#common/requirements/package-json.ts';
import { checkCommand } from '#common/start/check-command.ts';
import {
  chooseStart,
  languageOfFiles,
  packageStart,
  packagesOf,
  type Start,
  startText,
} from '#common/start/choose-start.ts';
import { languageOfCommand } from '#common/start/command-line.ts';
import type { BotLanguage } from '#gen/botrunner/v1/bot_pb.js';
import { complain } from '../failures/errors.ts';
import { exitCodes } from '../failures/exit-codes.ts';
import { textFileMaxBytes } from '../text/file-limits.ts';
import { readTextFile } from '../text/read-text.ts';
import type { RunOptions, Runtime } from './choice.ts';
import type { CollectedFile, Source } from './collect.ts';
import { chooseEntrypoint, usualNames } from './entrypoint.ts';
import { isRunBy, languageNamed, languageOption } from './language.ts';

export interface RunChoice {
  /** As SimpleSource has them; one of the two is empty. */
  readonly entrypoint: string;
  readonly command: readonly string[];
  readonly language: BotLanguage;
  /** The language itself. */
  readonly runtime: Runtime;
  /** What was chosen without being asked for, and what was not, a line each. */
  readonly notes: readonly string[];
}

type Options = Pick<RunOptions, 'entrypoint' | 'command' | 'runtime'>;
type Files = Pick<Source, 'files' | 'namedFiles'>;

/** By the beginning of a note: what to do where it is why nothing was chosen. */
const cures = [
  [
    /^scripts\.start|^\w+ of the Procfile runs/,
    'Build it first and send it as well (--include sends what is left out)',
  ],
  [/^The Procfile has no/, 'Add a line such as "worker: python app.py" to it'],
] as const;

/** Throws CliError or ProblemError with the cure. */
export async function chooseRun(source: Files, run: Options, signal: AbortSignal): Promise<RunChoice> {
  const { entrypoint, command, runtime } = run;
  const paths = source.files.map(({ path }) => path);
  if (command !== undefined) return commandRun(unwrap(checkCommand(command)), run, undefined, paths);
  if (entrypoint !== undefined) {
    const folder = packagesOf(paths).find((each) => each === entrypoint.replace(/^(?:\.\/)+|\/$/g, ''));
    return folder === undefined ? fileRun(source, run) : startRun(packageStart(folder, undefined), source, run);
  }
  if (source.namedFiles.some((path) => isRunBy(path, runtime))) return fileRun(source, run);
  const [procfile, packageJson] = await Promise.all([
    rootFileText(source.files, 'Procfile', signal),
    rootFileText(source.files, 'package.json', signal),
  ]);
  const { start, notes } = chooseStart({ paths, runtime, usualNames, procfile, packageJson });
  if (start !== undefined) {
    const because = start.because === undefined ? '' : ` (${start.because})`;
    const line = `Runs ${startText(start)}${because}; --entrypoint or --command runs something else`;
    return { ...startRun(start, source, run), notes: [...notes, line] };
  }
  for (const [start, cure] of cures) {
    const fault = notes.find((note) => start.test(note));
    if (fault !== undefined) {
      const hint = `${cure}, or give --entrypoint FILE or --command TEXT.`;
      throw complain(exitCodes.failed, 'INVALID_ENTRYPOINT', `${fault}.`, hint);
    }
  }
  if (packageJson !== undefined && runtime !== 'python') unwrap(readPackageJson(packageJson, 'package.json'));
  return { ...fileRun(source, run), notes };
}

/** A file at the bot's root; undefined if it is not there. */
export async function rootFileText(
  files: readonly CollectedFile[],
  path: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  const file = files.find((each) => each.path === path);
  return file && readTextFile(file.diskPath, path, textFileMaxBytes, signal);
}

const startRun = (start: Start, source: Files, run: Options): RunChoice =>
  start.kind === 'entrypoint'
    ? fileRun(source, { ...run, entrypoint: start.path })
    : commandRun(
        start.argv,
        run,
        start.language,
        source.files.map(({ path }) => path),
      );

function fileRun(source: Files, run: Options): RunChoice {
  const entrypoint = chooseEntrypoint(source, run);
  const runtime = run.runtime ?? (isRunBy(entrypoint, 'python') ? 'python' : 'node');
  return { entrypoint, command: [], language: languageOption(run), runtime, notes: [] };
}

function commandRun(
  command: readonly string[],
  { runtime }: Options,
  language: Runtime | undefined,
  paths: readonly string[],
): RunChoice {
  const found = runtime ?? language ?? languageOfCommand(command) ?? languageOfFiles(paths);
  if (found === undefined) {
    const message = 'Nothing in the command says whether it is of Python or of Node.js.';
    throw complain(exitCodes.usage, 'INVALID_ENTRYPOINT', message, 'Say --runtime python or --runtime node.');
  }
  return { entrypoint: '', command: [...command], language: languageNamed(found), runtime: found, notes: [] };
}
