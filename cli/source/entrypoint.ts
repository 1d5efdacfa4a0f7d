/** Which file of a bot is run. Pure. */
import { unwrap } from '#common/problem.ts';
import { checkEntrypoint } from '#common/safe-path.ts';
import { complain } from '../errors.ts';
import { exitCodes } from '../exit-codes.ts';
import type { Source } from './collect.ts';

/** What a folder's entrypoint is usually called, the likeliest first. */
const usualNames = ['bot', 'main', 'index'].flatMap((name) => ['.py', '.mjs', '.js', '.cjs'].map((end) => name + end));

const isRunnable = (path: string): boolean => /\.(py|mjs|js|cjs)$/.test(path);

/** The path to run: the one asked for, else the first named file, else a usual name in the folder. Throws with the candidates. */
export function chooseEntrypoint(source: Source, asked: string | undefined): string {
  const paths = source.files.map(({ path }) => path);
  const wanted = asked?.replace(/^(\.\/)+/, '') ?? source.firstFile ?? usualNames.find((name) => paths.includes(name));
  if (wanted === undefined) throw refused('None of the files is a usual entrypoint.', paths);
  if (!paths.includes(wanted)) throw refused(`The entrypoint ${wanted} is not one of the files.`, paths);
  return unwrap(checkEntrypoint(wanted, paths));
}

const shownMax = 10;

function refused(message: string, paths: readonly string[]) {
  const candidates = paths.filter(isRunnable);
  const more = candidates.length > shownMax ? `, and ${candidates.length - shownMax} more` : '';
  const hint =
    candidates.length === 0
      ? 'There is no .py, .js, .mjs or .cjs file to run.'
      : `Say --entrypoint FILE with one of: ${candidates.slice(0, shownMax).join(', ')}${more}.`;
  return complain(exitCodes.failed, 'INVALID_ENTRYPOINT', message, hint);
}
