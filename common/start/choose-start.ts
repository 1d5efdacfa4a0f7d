/**
 * Which of a bot's files is run, when nothing is requested: the Procfile says it, else scripts.start of the package.json, a file
 * with a usual name, a package with a __main__.py, or main of the package.json. Pure.
 */

import type { Language } from '../language.ts';
import { commandOf, commandText, entrypointOf, languageOfCommand } from './command-line.ts';
import { readPackageStart } from './package-start.ts';
import { botProcess, readProcfile } from './procfile.ts';

/** A file, or a command, whose language is known only if the command reveals it. */
export type Start =
  | { readonly kind: 'entrypoint'; readonly path: string; readonly because: string | undefined }
  | {
      readonly kind: 'command';
      readonly argv: readonly string[];
      readonly language: Language | undefined;
      readonly because: string | undefined;
    };

export interface StartFiles {
  readonly paths: readonly string[];
  /** Only this language is wanted. */
  readonly runtime: Language | undefined;
  /** Names to look for, the likeliest first. */
  readonly usualNames: readonly string[];
  /** Texts of the files at the root, if they are there. */
  readonly procfile: string | undefined;
  readonly packageJson: string | undefined;
}

export interface StartChoice {
  readonly start: Start | undefined;
  /** Sentences about what was not chosen, for people. */
  readonly notes: readonly string[];
  /** Packages any of which could be meant; more than one only where nothing was chosen. */
  readonly packages: readonly string[];
}

const fits = (language: Language | undefined, runtime: Language | undefined): boolean =>
  runtime === undefined || language === undefined || language === runtime;

const languageOfPath = (path: string): Language | undefined =>
  path.endsWith('.py') ? 'python' : /\.(?:[mc]?js|m?ts)$/.test(path) ? 'node' : undefined;

/** The only language that files are of; undefined for none and for both. */
export function languageOfFiles(paths: readonly string[]): Language | undefined {
  const [one, ...others] = new Set(paths.map(languageOfPath).filter((language) => language !== undefined));
  return others.length === 0 ? one : undefined;
}

export function chooseStart(files: StartFiles): StartChoice {
  const { paths, runtime } = files;
  const there = new Set(paths);
  const notes: string[] = [];
  const fromProcfile = procfileStart(files, there, notes);
  if (fromProcfile !== undefined) return { start: fromProcfile, notes, packages: [] };
  const usual = files.usualNames.find((name) => there.has(name) && fits(languageOfPath(name), runtime));
  const pkg = files.packageJson === undefined || runtime === 'python' ? undefined : readPackageStart(files.packageJson);
  // A folder that has a bot in Python may have a package.json for its other tools.
  if (pkg?.script !== undefined && !(usual?.endsWith('.py') ?? false)) {
    const fromScript = scriptStart(pkg.script, pkg.absentProgram, there, usual, notes);
    if (fromScript !== undefined) {
      if (pkg.hasPrestart) notes.push('prestart of package.json is not run');
      return { start: fromScript, notes, packages: [] };
    }
  }
  if (usual !== undefined)
    return { start: { kind: 'entrypoint', path: usual, because: undefined }, notes, packages: [] };
  const packages = runtime === 'node' ? [] : packagesOf(paths);
  if (packages.length === 0 && runtime !== 'node' && there.has('__main__.py')) {
    return { start: { kind: 'entrypoint', path: '__main__.py', because: undefined }, notes, packages };
  }
  const [only, ...others] = packages;
  if (only !== undefined && others.length === 0) {
    return { start: packageStart(only, 'the package has a __main__.py'), notes, packages };
  }
  const main = pkg?.main === undefined ? undefined : mainFile(pkg.main, there);
  if (main !== undefined && packages.length === 0) {
    return { start: { kind: 'entrypoint', path: main, because: 'main of package.json' }, notes, packages };
  }
  return { start: undefined, notes, packages };
}

function procfileStart(
  { procfile, runtime }: StartFiles,
  there: ReadonlySet<string>,
  notes: string[],
): Start | undefined {
  if (procfile === undefined) return undefined;
  const processes = readProcfile(procfile);
  const found = botProcess(processes);
  if (found === undefined) {
    notes.push(
      processes.length > 0
        ? `The Procfile has no worker, bot or web line, but ${processes.map(({ type }) => type).join(', ')}: it is not used`
        : 'The Procfile has no line such as "worker: python bot.py": it is not used',
    );
    return undefined;
  }
  const absent = entrypointOf(commandOf(found.command));
  if (absent !== undefined && !absent.startsWith('/') && !there.has(absent)) {
    notes.push(`${found.type} of the Procfile runs ${absent}, which is not one of the files`);
    return undefined;
  }
  const others = processes.filter(({ type }) => type !== found.type).map(({ type }) => type);
  const start = startOf(
    found.command,
    there,
    `${found.type} of the Procfile${others.length > 0 ? `; not ${others.join(', ')}` : ''}`,
  );
  const language = start.kind === 'command' ? start.language : languageOfPath(start.path);
  if (!fits(language, runtime)) return undefined;
  if (found.type === 'web') notes.push('Nothing reaches a bot from outside: no port of it is published');
  return start;
}

/** Undefined, with a note, when it cannot be run and something else can. */
function scriptStart(
  script: string,
  absentProgram: string | undefined,
  there: ReadonlySet<string>,
  usual: string | undefined,
  notes: string[],
): Start | undefined {
  const start = startOf(script, there, 'scripts.start of package.json');
  const file = start.kind === 'entrypoint' ? start.path : undefined;
  const fault =
    absentProgram !== undefined
      ? `needs ${absentProgram}, which is one of the devDependencies and is not installed`
      : file !== undefined && !there.has(file)
        ? `runs ${file}, which is not one of the files`
        : undefined;
  if (fault === undefined) return start;
  notes.push(`scripts.start of package.json ${fault}${usual === undefined ? '' : `: ${usual} is run`}`);
  return undefined;
}

/** The command, or the file if it only runs one that may be an entrypoint. */
function startOf(text: string, there: ReadonlySet<string>, because: string): Start {
  const argv = commandOf(text);
  const file = entrypointOf(argv);
  // For a missing file, the command would show nothing more.
  if (file !== undefined && (there.has(file) || because.startsWith('scripts')))
    return { kind: 'entrypoint', path: file, because };
  return { kind: 'command', argv, language: languageOfCommand(argv), because };
}

/** `python -m` for a folder of the bot, or of its src. */
export function packageStart(folder: string, because: string | undefined): Start {
  const name = folder.split('/').at(-1) ?? folder;
  const path = folder === name ? [] : ['env', `PYTHONPATH=${folder.slice(0, -name.length - 1)}`];
  return { kind: 'command', argv: [...path, 'python', '-m', name], language: 'python', because };
}

/** Folders with a __main__.py at the top, or in src. */
export const packagesOf = (paths: readonly string[]): readonly string[] =>
  paths.flatMap((path) => /^((?:src\/)?[A-Za-z_][\w-]*)\/__main__\.py$/.exec(path)?.[1] ?? []).toSorted();

function mainFile(main: string, there: ReadonlySet<string>): string | undefined {
  const base = main.replace(/\/$/, '');
  return [base, `${base}.js`, `${base}/index.js`].find((path) => there.has(path) && languageOfPath(path) === 'node');
}

/** For people: "bot.py", "python -m mybot". */
export const startText = (start: Start): string => (start.kind === 'entrypoint' ? start.path : commandText(start.argv));
