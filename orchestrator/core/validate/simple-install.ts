/** What a bot's packages are installed from: the list and the files asked for, else what its files say. Pure. */

import type { Language } from '#common/language.ts';
import { fail, ok, problem, type Result } from '#common/problem.ts';
import { asList } from '#common/requirements/as-list.ts';
import { closeOver, requirementFileMaxBytes } from '#common/requirements/closure.ts';
import { type PipFile, readPipFile } from '#common/requirements/pip-text.ts';
import { resolveInFolder } from '#common/requirements/resolve.ts';
import { usualFiles } from '#common/requirements/usual-files.ts';
import { checkRelativePath } from '#common/safe-path.ts';
import { examples } from './examples.ts';
import { type Data, isAbsent } from './fields.ts';
import { parseRequirements } from './requirements.ts';

const filesMax = 20;

export interface SimpleInstall {
  readonly requirements: readonly string[];
  readonly requirementFiles: readonly string[];
}

/** `files` is undefined where the bot is one text. */
export function parseInstall(
  data: Data,
  files: ReadonlyMap<string, string> | undefined,
  language: Language,
): Result<SimpleInstall> {
  const { requirements, requirement_files: asked } = data;
  if (isAbsent(requirements) && isAbsent(asked)) return fromFiles(files ?? new Map(), language);
  for (const [field, value] of Object.entries({ requirements, requirement_files: asked })) {
    if (isAbsent(value) || Array.isArray(value)) continue;
    return refused(`"${field}" is not a list.`, field, `Give "${field}" as a list of strings.`);
  }
  const list = parseRequirements(Array.isArray(requirements) ? requirements : [], language);
  if (!list.ok) return list;
  const paths = parseRequirementFiles(Array.isArray(asked) ? asked : [], list.value, language);
  if (!paths.ok) return paths;
  const there = checkClosure(paths.value, files ?? new Map());
  return there.ok ? ok({ requirements: list.value, requirementFiles: paths.value }) : there;
}

/** The paths, as far as they can be checked without the files. */
export function parseRequirementFiles(
  items: readonly unknown[],
  requirements: readonly string[],
  language: Language,
): Result<readonly string[]> {
  if (items.length > filesMax) {
    return refused(
      `There are ${items.length} requirements files; at most ${filesMax} are allowed.`,
      undefined,
      'One may include others.',
    );
  }
  const paths: string[] = [];
  for (const item of items) {
    const path = checkRelativePath(item, 'requirement_files');
    if (!path.ok) return path;
    paths.push(path.value);
  }
  if (language === 'node' && paths.length > 0) {
    const manifests = paths.filter((path) => /(?:^|\/)package\.json$/.test(path));
    if (manifests.length !== 1 || requirements.length > 0) {
      const message = 'A Node.js bot is installed from one package.json, or from a list of packages.';
      return refused(
        message,
        undefined,
        'Name a package.json, and the package-lock.json beside it, or use "requirements".',
      );
    }
  }
  return ok(paths);
}

/** As the command line does with a folder. */
function fromFiles(files: ReadonlyMap<string, string>, language: Language): Result<SimpleInstall> {
  const paths = [...files.keys()];
  const usual = usualFiles({ paths, folder: '', language, pyproject: files.get('pyproject.toml') });
  const [chief] = usual.files;
  if (chief === undefined) return ok({ requirements: [], requirementFiles: [] });
  const list = usual.files.length === 1 ? asList(chief, files.get(chief) ?? '') : undefined;
  if (list !== undefined) return ok({ requirements: list, requirementFiles: [] });
  const there = checkClosure(usual.files, files);
  return there.ok ? ok({ requirements: [], requirementFiles: usual.files }) : there;
}

/** Whether all files that pip opens exist. What pip does not treat as a file is only looked up. */
function checkClosure(paths: readonly string[], files: ReadonlyMap<string, string>): Result<undefined> {
  const isRead = (path: string) =>
    !/(?:^|\/)(?:pyproject\.toml|setup\.py|package\.json|package-lock\.json|npm-shrinkwrap\.json|\.npmrc)$/.test(path);
  const long = paths.find((path) => isRead(path) && (files.get(path)?.length ?? 0) > requirementFileMaxBytes);
  if (long !== undefined) {
    return refused(
      `${JSON.stringify(long.slice(0, 80))} is longer than ${requirementFileMaxBytes} letters.`,
      undefined,
      'Is it the right file?',
    );
  }
  const missing = paths.find((path) => !files.has(path));
  if (missing !== undefined) {
    return refused(
      `${JSON.stringify(missing.slice(0, 80))} is not one of the bot's files.`,
      undefined,
      'Add it to "files".',
    );
  }
  const read = new Map<string, PipFile | null>();
  const lookUp = (path: string): PipFile | null => {
    const text = files.get(path);
    const known = read.get(path) ?? (text === undefined ? null : readPipFile(text));
    read.set(path, known);
    return known;
  };
  const closed = closeOver(paths.filter(isRead), { file: lookUp, resolve: resolveInFolder });
  return closed.ok ? ok(undefined) : fail({ ...closed.problem, example: examples.files });
}

const refused = (message: string, field = 'requirement_files', hint?: string) =>
  fail(
    problem('INVALID_REQUIREMENTS', message, {
      details: { field },
      ...(hint === undefined ? {} : { hint }),
      example: field === 'requirements' ? examples.start : examples.files,
    }),
  );
