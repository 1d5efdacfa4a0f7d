/**
 * What the installation of a bot's packages needs: nothing but these files (`apart`), or the bot's own code too (`in_place`).
 * The files of a plan are all that decides what is installed apart, so that the same files may be installed once for many
 * versions of the code.
 */

import type { Language } from '#common/language.ts';
import { fail, problem, type Result, unwrap } from '#common/problem.ts';
import { closeOver, requirementFileMaxBytes } from '#common/requirements/closure.ts';
import { readPackageJson, withoutScripts } from '#common/requirements/package-json.ts';
import { decodePipText, type PipFile, readPipFile } from '#common/requirements/pip-text.ts';
import { resolveInFolder } from '#common/requirements/resolve.ts';
import { isBuiltByPip } from '#common/requirements/usual-files.ts';
import type { SourceTar } from '../../state/source-tar.ts';
import { pythonInstaller, pythonInstallerName } from './python-installer.ts';
import { requirementsFile } from './requirements-list.ts';
import { readSourceFiles, type SourceFiles } from './source-files.ts';

export interface InstallWish {
  readonly language: Language;
  readonly requirements: readonly string[];
  /** Files of the bot to install from; see SimpleSource.requirement_files. */
  readonly requirementFiles: readonly string[];
  readonly sourceTar: SourceTar;
}

export interface InstallFile {
  /** Relative to the folder of the installation. */
  readonly name: string;
  readonly content: string | Uint8Array;
}

export interface InstallPlan {
  /**
   * `list`: from a file that we made of plain requirements. `apart`: from files of the bot, copied to `files/` (Python) or the
   * folder itself (Node). `in_place`: in the bot's folder, with all that is in it.
   */
  readonly how: 'list' | 'apart' | 'in_place';
  readonly files: readonly InstallFile[];
}

/** A lock file names every package with its sum, in a few lines each. */
const lockMaxBytes = 32 * 1024 * 1024;

/** Undefined when there is nothing to install. ProblemError INVALID_REQUIREMENTS, or for a source that cannot be parsed. */
export async function planInstall(wish: InstallWish, signal: AbortSignal): Promise<InstallPlan | undefined> {
  if (wish.requirementFiles.length > 0) {
    return wish.language === 'python' ? planPython(wish, signal) : planNode(wish, signal);
  }
  const file = unwrap(requirementsFile(wish.language, wish.requirements));
  return file && { how: 'list', files: [file] };
}

async function planPython(wish: InstallWish, signal: AbortSignal): Promise<InstallPlan> {
  const { requirementFiles, requirements, sourceTar } = wish;
  // A list that came along is checked as ever: it becomes arguments of pip.
  unwrap(requirementsFile('python', requirements));
  const isProject = (path: string) => /(?:^|\/)(?:pyproject\.toml|setup\.py)$/.test(path);
  const roots = requirementFiles.filter((path) => !isProject(path));
  let known: SourceFiles = await readSourceFiles(sourceTar, requirementFiles, requirementFileMaxBytes, signal);
  const read = new Map<string, PipFile | null>();
  for (;;) {
    const { contents, paths } = known;
    for (const [path, bytes] of contents) {
      if (!read.has(path)) read.set(path, bytes === undefined ? null : readPipFile(decodePipText(bytes)));
    }
    const step = unwrap(closeOver(roots, { file: (path) => read.get(path), resolve: resolveInFolder }));
    if (step.kind === 'wanted') {
      const more = await readSourceFiles(sourceTar, step.paths, requirementFileMaxBytes, signal);
      known = { paths, contents: new Map([...contents, ...more.contents]) };
      continue;
    }
    const projects = requirementFiles.filter(isProject);
    for (const path of projects) if (contents.get(path) === undefined) unwrap(absent(path));
    const needsSource = step.closure.needsSource || projects.some((path) => isBuilt(path, contents.get(path), paths));
    const copied = needsSource ? [] : [...new Set([...step.closure.files, ...projects])];
    return {
      how: needsSource ? 'in_place' : 'apart',
      files: [
        { name: pythonInstallerName, content: pythonInstaller },
        { name: 'install.json', content: `${JSON.stringify({ requirements, files: requirementFiles })}\n` },
        ...copied.map((path) => ({ name: `files/${path}`, content: contents.get(path) ?? '' })),
      ],
    };
  }
}

function isBuilt(path: string, bytes: Uint8Array | undefined, paths: ReadonlySet<string>): boolean {
  if (path.endsWith('setup.py')) return true;
  const src = `${path.slice(0, -'pyproject.toml'.length)}src/`;
  return isBuiltByPip(
    decodePipText(bytes ?? new Uint8Array()),
    [...paths].some((each) => each.startsWith(src)),
  );
}

async function planNode(wish: InstallWish, signal: AbortSignal): Promise<InstallPlan> {
  const { requirementFiles, requirements, sourceTar } = wish;
  const [manifest] = requirementFiles.filter((path) => /(?:^|\/)package\.json$/.test(path));
  if (requirements.length > 0 || manifest === undefined) {
    return unwrap(
      refused('A Node.js bot is installed from one package.json, or from a list of packages.', manifest ?? ''),
    );
  }
  const { contents } = await readSourceFiles(sourceTar, requirementFiles, lockMaxBytes, signal);
  const folder = manifest.slice(0, -'package.json'.length);
  for (const path of requirementFiles) {
    if (contents.get(path) === undefined) unwrap(absent(path));
    if (!path.startsWith(folder) || path.slice(folder.length).includes('/')) {
      unwrap(refused(`${path} is not beside ${manifest}.`, path));
    }
  }
  const text = Buffer.from(contents.get(manifest) ?? '').toString();
  const { needsSource } = unwrap(readPackageJson(text, manifest));
  if (needsSource) {
    if (folder !== '') unwrap(refused(`${manifest} names folders of the bot, and is not at its root.`, manifest));
    return { how: 'in_place', files: [] };
  }
  return {
    how: 'apart',
    files: requirementFiles.map((path) => ({
      name: path.slice(folder.length),
      content: path === manifest ? withoutScripts(text) : (contents.get(path) ?? ''),
    })),
  };
}

const absent = (path: string): Result<never> =>
  refused(`${path}, from which the bot's packages are installed, is not one of its files.`, path);

const refused = (message: string, path: string): Result<never> =>
  fail(
    problem('INVALID_REQUIREMENTS', message, {
      details: { field: 'requirement_files', path },
      hint: 'Send the file along, or say with "requirements" or "requirement_files" what to install.',
    }),
  );
