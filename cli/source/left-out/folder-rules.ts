/**
 * Which files of a folder belong to a bot in simple mode.
 *
 * 1. What the user names with --include is taken, whatever follows.
 * 2. Caches, installed packages and repositories, virtual environments (a folder with a pyvenv.cfg) and hidden names are left
 *    out: a bot is given its packages where it runs, and hidden files are its author's.
 * 3. The .dockerignore at the folder's root decides about the rest, or, without one, the .gitignore files in it and below.
 */
import { access } from 'node:fs/promises';
import { join, posix, relative, sep } from 'node:path';
import createIgnore, { type Ignore } from 'ignore';
import { nextTurn } from '#common/background.ts';
import { dockerignoreMaxBytes, type IgnorePattern, parseDockerignore } from '#common/ignore/dockerignore.ts';
import { createEffort, type Effort, type IgnoreVerdict, judge } from '#common/ignore/judge.ts';
import { unwrap } from '#common/problem.ts';
import { readTextFile } from '../../text/read-text.ts';
import type { Reason } from './left-out.ts';

const cacheNames = new Set([
  ...[
    '__pycache__',
    'node_modules',
    '.git',
    '.hg',
    '.svn',
    '.mypy_cache',
    '.pytest_cache',
    '.ruff_cache',
    '.tox',
    '.nox',
  ],
  ...['.cache', '.npm', '.DS_Store', 'Thumbs.db', '.idea', '.vscode'],
]);

/** Says nothing to a user: what these files are for is done. */
const ownNames = new Set(['.gitignore', '.dockerignore', '.gitattributes', '.gitkeep', '.gitmodules']);

/** What is decided about one thing in a folder. */
export interface PathDecision {
  readonly take: boolean;
  /** Why not; undefined too for what nobody misses. */
  readonly reason: Reason | undefined;
  /** For a folder that is not taken: whether something in it may be. */
  readonly lookInside: boolean;
}

/** The rules within one folder, and how they continue in its subfolders. */
export interface FolderRules {
  /** `.dockerignore` or `.gitignore`, if there is one. */
  readonly ignoreFile: string | undefined;
  decide(name: string, isFolder: boolean): Promise<PathDecision>;
  /** The rules of a folder in it, after `decide` was asked about that. */
  below(name: string): Promise<FolderRules>;
}

interface Level {
  readonly root: string;
  /** From the root, with "/"; empty for the root. */
  readonly path: string;
  readonly includes: readonly string[];
  readonly docker: { readonly patterns: readonly IgnorePattern[]; readonly effort: Effort } | undefined;
  /** This folder is left out, and only what is named with --include is looked for in it. */
  readonly onlyIncluded: boolean;
  /** The verdict on this folder itself. */
  readonly verdict: IgnoreVerdict | undefined;
  /** The deepest last. */
  readonly gits: readonly { readonly path: string; readonly rules: Ignore }[];
  readonly signal: AbortSignal;
}

/** `includes` are absolute paths. Throws CliError or ProblemError for a file of patterns that cannot be used. */
export async function createFolderRules(
  root: string,
  includes: readonly string[],
  signal: AbortSignal,
): Promise<FolderRules> {
  const inRoot = includes.map((path) => relative(root, path).split(sep).join('/'));
  const text = await textIfAny(root, '.dockerignore', signal);
  const docker =
    text === undefined
      ? undefined
      : { patterns: unwrap(parseDockerignore(text, '.dockerignore')), effort: createEffort(nextTurn) };
  const level = { root, path: '', includes: inRoot, docker, onlyIncluded: false, verdict: undefined, gits: [], signal };
  return rulesOf(docker === undefined ? await withGitignore(level) : level);
}

function rulesOf(level: Level): FolderRules {
  const verdicts = new Map<string, IgnoreVerdict>();
  const leftOut = new Set<string>();
  return {
    ignoreFile: level.docker === undefined ? (level.gits.length > 0 ? '.gitignore' : undefined) : '.dockerignore',
    async decide(name, isFolder) {
      const path = posix.join(level.path, name);
      if (level.includes.some((each) => each === path || path.startsWith(`${each}/`) || each === '')) return taken;
      const isAbove = isFolder && level.includes.some((each) => each.startsWith(`${path}/`));
      const no = (reason: Reason | undefined, lookInside = false): PathDecision => {
        if (!lookInside) leftOut.add(name);
        return { take: false, reason, lookInside: lookInside || isAbove };
      };
      if (level.onlyIncluded) return no(undefined);
      if (cacheNames.has(name) || /\.py[co]$/.test(name)) return no('cache');
      if (ownNames.has(name)) return no(undefined);
      if (name.startsWith('.'))
        return no(isFolder && (await isEnvironment(join(level.root, path))) ? 'environment' : 'hidden');
      if (isFolder && (await isEnvironment(join(level.root, path)))) return no('environment');
      if (level.docker !== undefined) {
        const verdict = await judge(level.docker.patterns, path, level.verdict, level.docker.effort);
        if (isFolder) verdicts.set(name, verdict);
        return verdict.keep ? taken : no('pattern', isFolder && verdict.lookInside);
      }
      return isIgnoredByGit(level, path, isFolder) ? no('pattern') : taken;
    },
    async below(name) {
      const path = posix.join(level.path, name);
      const inner = { ...level, path, onlyIncluded: leftOut.has(name), verdict: verdicts.get(name) };
      return rulesOf(level.docker === undefined ? await withGitignore(inner) : inner);
    },
  };
}

const taken: PathDecision = { take: true, reason: undefined, lookInside: true };

/** As git decides: the deepest file that says something about the path, and in it the last pattern that matches. */
function isIgnoredByGit({ gits }: Level, path: string, isFolder: boolean): boolean {
  for (const { path: folder, rules } of gits.toReversed()) {
    const own = folder === '' ? path : path.slice(folder.length + 1);
    const { ignored, unignored } = rules.test(isFolder ? `${own}/` : own);
    if (ignored || unignored) return ignored;
  }
  return false;
}

async function withGitignore(level: Level): Promise<Level> {
  const text = await textIfAny(join(level.root, level.path), '.gitignore', level.signal);
  if (text === undefined) return level;
  // Letter by letter, as on the file systems where bots run.
  const rules = createIgnore({ ignorecase: false }).add(text.replace(/^\uFEFF/, ''));
  return { ...level, gits: [...level.gits, { path: level.path, rules }] };
}

const isThere = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );

const isEnvironment = (folder: string): Promise<boolean> => isThere(join(folder, 'pyvenv.cfg'));

async function textIfAny(folder: string, name: string, signal: AbortSignal): Promise<string | undefined> {
  const path = join(folder, name);
  return (await isThere(path)) ? readTextFile(path, name, dockerignoreMaxBytes, signal) : undefined;
}
