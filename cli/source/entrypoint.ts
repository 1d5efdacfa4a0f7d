/** Which file of a bot is run. Pure. */
import { checkEntrypoint, shownName } from '#common/safe-path.ts';
import { packagesOf } from '#common/start/choose-start.ts';
import { complain } from '../failures/errors.ts';
import { exitCodes } from '../failures/exit-codes.ts';
import { namesText } from '../text/files-text.ts';
import type { RunOptions, Runtime } from './choice.ts';
import type { Source } from './collect.ts';
import { isRunBy } from './language.ts';

/** What a folder's entrypoint is usually called, the likeliest first. */
export const usualNames = ['bot', 'main', 'index'].flatMap((name) =>
  ['.py', '.mjs', '.js', '.cjs', '.ts', '.mts'].map((end) => name + end),
);

/** The path to run: the one asked for, else the first named file, else a usual name in the folder. Throws with the candidates. */
export function chooseEntrypoint(
  { files, namedFiles }: Pick<Source, 'files' | 'namedFiles'>,
  { entrypoint, runtime }: Pick<RunOptions, 'entrypoint' | 'runtime'>,
): string {
  const paths = files.map(({ path }) => path);
  const named = runtime === undefined ? namedFiles[0] : namedFiles.find((path) => isRunBy(path, runtime));
  const usual = usualNames.find((name) => isRunBy(name, runtime) && paths.includes(name));
  const wanted = entrypoint?.replace(/^(\.\/)+/, '') ?? named ?? usual;
  if (wanted === undefined) throw refused('None of the files has a usual entrypoint name.', paths, runtime);
  if (!paths.includes(wanted)) throw refused(`The entrypoint ${wanted} is not one of the files.`, paths, runtime);
  const checked = checkEntrypoint(wanted, paths);
  if (!checked.ok) throw complain(exitCodes.failed, 'INVALID_ENTRYPOINT', checked.problem.message, renameHint(wanted));
  checkRuntime(checked.value, runtime);
  return checked.value;
}

const renameHint = (path: string): string =>
  `Rename ${shownName(path)}: the name of the file that is run has letters, digits, ".", "_", "-" and "/", and ends in .py, .js, .mjs, .cjs, .ts or .mts.`;

/** Throws CliError if the file is not one that the asked runtime runs. */
export function checkRuntime(entrypoint: string, runtime: Runtime | undefined): void {
  if (isRunBy(entrypoint, runtime)) return;
  const message = `The entrypoint ${entrypoint} does not match --runtime ${runtime}.`;
  throw complain(
    exitCodes.usage,
    'INVALID_ENTRYPOINT',
    message,
    'Leave out --runtime: the extension of the file decides.',
  );
}

function refused(message: string, paths: readonly string[], runtime: Runtime | undefined) {
  const packages = runtime === 'node' ? [] : packagesOf(paths);
  const fit = paths.filter((path) => isRunBy(path, runtime));
  const candidates = [...packages, ...fit.filter((path) => checkEntrypoint(path).ok)];
  const [odd] = fit;
  if (candidates.length === 0 && odd !== undefined) {
    return complain(exitCodes.failed, 'INVALID_ENTRYPOINT', message, renameHint(odd));
  }
  const endings = { python: '.py', node: '.js, .mjs, .cjs, .ts or .mts' };
  const hint =
    candidates.length === 0
      ? `There is no ${runtime === undefined ? '.py, .js, .mjs, .cjs, .ts or .mts' : endings[runtime]} file to run.`
      : `Give --entrypoint ${packages.length > 0 ? 'NAME' : 'FILE'} with one of: ${namesText(candidates)}.`;
  return complain(exitCodes.failed, 'INVALID_ENTRYPOINT', message, hint);
}
