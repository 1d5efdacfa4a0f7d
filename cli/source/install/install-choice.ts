/** What a bot's packages are installed from: -r, else a requirements.txt, pyproject.toml, package.json ... among its files. */
import { stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { unwrap } from '#common/problem.ts';
import { asList } from '#common/requirements/as-list.ts';
import { readPackageJson } from '#common/requirements/package-json.ts';
import { exportCommandOf, usualFiles } from '#common/requirements/usual-files.ts';
import { complain } from '../../failures/errors.ts';
import { exitCodes } from '../../failures/exit-codes.ts';
import { belongsInFile, looksLikeFile, splitRequirements } from '../../options/requirements.ts';
import { fileFault, isFileMissing } from '../../text/file-fault.ts';
import { textFileMaxBytes } from '../../text/file-limits.ts';
import { readTextFile } from '../../text/read-text.ts';
import type { RunOptions, Runtime } from '../choice.ts';
import type { CollectedFile } from '../collect.ts';
import type { PackEntry } from '../pack.ts';
import type { SourceContext } from '../source.ts';
import { bundle } from './disk-closure.ts';

export interface InstallChoice {
  /** Plain packages. */
  readonly list: readonly string[];
  /** Files of the bot to install from. */
  readonly files: readonly string[];
  /** What has to be included besides the bot's own files. */
  readonly added: readonly PackEntry[];
  /** Whether -r or a file says so, even if it names none. */
  readonly isGiven: boolean;
  /** What is used without being asked for, and what is not, a line each. */
  readonly notes: readonly string[];
}

export interface InstallContext extends Pick<SourceContext, 'cwd' | 'signal'> {
  readonly files: readonly CollectedFile[];
  /** Where the folder that the user named is in the bot's folder: empty, or with "/" at its end. */
  readonly folder: string;
  readonly runtime: Runtime;
}

/** It says that there are no packages, for a bot that has some. */
export const isNothing = ({ isGiven, list, files }: InstallChoice): boolean =>
  isGiven && list.length === 0 && files.length === 0;

/** As in SimpleSource. */
export const wordsOf = ({ list, files }: InstallChoice) => ({ requirements: [...list], requirementFiles: [...files] });

const nothing: InstallChoice = { list: [], files: [], added: [], isGiven: false, notes: [] };

/** Where files go that are not the bot's: a hidden name, which no folder of a bot brings along unasked. */
const ownFolder = '.requirements';

/** `requirements` holds the values of -r, each a file or a comma list; undefined without -r. Throws with the cure. */
export async function chooseInstall(
  { requirements: asked }: Pick<RunOptions, 'requirements'>,
  context: InstallContext,
): Promise<InstallChoice> {
  if (asked === undefined) return chooseUsual(context);
  const choices: InstallChoice[] = [];
  // One after the other: each may take a folder of its own.
  for (const [index, value] of asked.entries()) choices.push(await readAsked(value, index, context));
  return {
    list: choices.flatMap(({ list }) => list),
    files: [...new Set(choices.flatMap(({ files }) => files))],
    added: choices.flatMap(({ added }) => added),
    isGiven: true,
    notes: choices.flatMap(({ notes }) => notes),
  };
}

async function readAsked(value: string, index: number, context: InstallContext): Promise<InstallChoice> {
  const diskPath = resolve(context.cwd, value);
  const facts = await stat(diskPath).catch((error: unknown) => {
    if (isFileMissing(error) && !looksLikeFile(value)) return undefined;
    throw fileFault(value, error);
  });
  // A folder may well have the name of a package.
  if (facts === undefined || (facts.isDirectory() && !looksLikeFile(value))) return fromText(value, index, context);
  return fromFile(diskPath, value, index, context);
}

/** A comma list; what no list of a request may hold becomes a file that pip reads. */
function fromText(value: string, index: number, { runtime }: InstallContext): InstallChoice {
  const items = unwrap(splitRequirements(value));
  const others = runtime === 'python' ? items.filter(belongsInFile) : [];
  if (others.length === 0) return { ...nothing, list: items };
  const path = `${ownFolder}/${index + 1}/requirements.txt`;
  return {
    ...nothing,
    list: items.filter((item) => !others.includes(item)),
    files: [path],
    added: [{ kind: 'text', path, content: others.map((item) => `${item}\n`).join('') }],
  };
}

async function fromFile(
  diskPath: string,
  name: string,
  index: number,
  context: InstallContext,
): Promise<InstallChoice> {
  const kind = basename(diskPath);
  const command = exportCommandOf(kind);
  if (command !== undefined) {
    throw complain(
      exitCodes.usage,
      'INVALID_REQUIREMENTS',
      `${name} is not read by ${command.reader}.`,
      `Run: ${command.command}`,
    );
  }
  if (kind === 'package.json') return fromPackageJson(diskPath, name, context);
  if (kind === 'pyproject.toml' || kind === 'setup.py') return { ...nothing, files: [inBot(diskPath, name, context)] };
  const { files, cwd, signal } = context;
  const found = await bundle(diskPath, { files, cwd, name, folder: `${ownFolder}/${index + 1}`, signal });
  const list = asList(name, found.text);
  return list === undefined ? { ...nothing, files: [found.path], added: found.added } : { ...nothing, list };
}

/** The file with the lock beside it, where it is the bot's; else the list that it is. */
async function fromPackageJson(diskPath: string, name: string, context: InstallContext): Promise<InstallChoice> {
  const text = await readTextFile(diskPath, name, textFileMaxBytes, context.signal);
  const { requirements, isPlain } = unwrap(readPackageJson(text, name));
  const beside = (other: string) => pathInBot(join(dirname(diskPath), other), context);
  const path = beside('package.json');
  const lock = [beside('npm-shrinkwrap.json'), beside('package-lock.json')].find((each) => each !== undefined);
  const settings = beside('.npmrc');
  if (isPlain && lock === undefined) return { ...nothing, list: requirements };
  if (path === undefined) return { ...nothing, files: [inBot(diskPath, name, context)] };
  return { ...nothing, files: [path, lock, settings].filter((each) => each !== undefined) };
}

function inBot(diskPath: string, name: string, context: InstallContext): string {
  const path = pathInBot(diskPath, context);
  if (path !== undefined) return path;
  throw complain(
    exitCodes.usage,
    'INVALID_REQUIREMENTS',
    `${name} is not one of the bot's files, and cannot be installed from without them.`,
    'Name its folder with --simple, or add it to the files.',
  );
}

const pathInBot = (diskPath: string, { files, cwd }: InstallContext): string | undefined =>
  files.find((file) => resolve(cwd, file.diskPath) === diskPath)?.path;

async function chooseUsual(context: InstallContext): Promise<InstallChoice> {
  const { files, folder, runtime, cwd, signal } = context;
  const fileAt = (path: string) => files.find((file) => file.path === path);
  const read = async (path: string): Promise<string | undefined> => {
    const file = fileAt(path);
    return file && readTextFile(file.diskPath, path, textFileMaxBytes, signal);
  };
  const pyproject = runtime === 'python' ? await read(`${folder}pyproject.toml`) : undefined;
  const usual = usualFiles({ paths: files.map(({ path }) => path), folder, language: runtime, pyproject });
  const [chief] = usual.files;
  const file = chief === undefined ? undefined : fileAt(chief);
  if (chief === undefined || file === undefined) return { ...nothing, notes: usual.notes };
  if (/\.(?:txt|in)$/i.test(chief)) {
    const found = await bundle(resolve(cwd, file.diskPath), {
      files,
      cwd,
      name: chief,
      folder: `${ownFolder}/1`,
      signal,
    });
    const list = asList(chief, found.text);
    if (list !== undefined) return listed(chief, list, usual.notes);
    const note = `Packages from ${chief}, as pip reads it`;
    return { ...nothing, files: [found.path], added: found.added, isGiven: true, notes: [note, ...usual.notes] };
  }
  if (runtime === 'node') return nodeUsual(chief, (await read(chief)) ?? '', usual.files, usual.notes);
  return {
    ...nothing,
    files: usual.files,
    isGiven: true,
    notes: [`Packages from ${chief}, as pip reads it`, ...usual.notes],
  };
}

function nodeUsual(chief: string, text: string, files: readonly string[], others: readonly string[]): InstallChoice {
  const { requirements, isPlain, hooks } = unwrap(readPackageJson(text, chief));
  const notes =
    hooks.length === 0
      ? others
      : [`${hooks.join(' and ')} of package.json ${hooks.length === 1 ? 'is' : 'are'} not run`, ...others];
  if (isPlain && files.length === 1) return listed(chief, requirements, notes);
  const lock = files.find((path) => /-(?:lock|shrinkwrap)\.json$|^npm-shrinkwrap/.test(path.split('/').at(-1) ?? ''));
  const note = `Packages from ${lock ?? chief}, by npm ${lock === undefined ? 'install' : 'ci'}`;
  return { ...nothing, files, isGiven: true, notes: [note, ...notes] };
}

const listed = (from: string, list: readonly string[], notes: readonly string[]): InstallChoice => ({
  ...nothing,
  list,
  isGiven: true,
  notes: [`Packages from ${from}: ${list.join(', ') || 'none'}`, ...notes],
});
