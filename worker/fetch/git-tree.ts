/**
 * What a git tree would be as an archive, seen before it is written: how large, as a repository of a few KB can unfold to any size, and what
 * would be missing, submodules, which are other repositories and would be empty folders. They are refused instead of fetched: each would
 * bring an address of a stranger's choice, and whose credentials go there is nobody's to guess.
 */
import { nextTurn } from '#common/background.ts';
import { dockerignoreNames, parseDockerignore } from '#common/ignore/dockerignore.ts';
import { createEffort } from '#common/ignore/judge.ts';
import { createPathFilter } from '#common/ignore/path-filter.ts';
import { refuse, unwrap } from '#common/problem.ts';
import { pathMaxBytes } from '#common/safe-path.ts';
import { defaultTarLimits } from '#common/safe-tar.ts';
import { type GitSetting, runGit } from './run-git.ts';

/** How many submodules a refusal names. */
const namedMax = 3;

/** What stands before a path in a list of git: mode, kind, id and size. */
const factsMaxLength = 128;

/**
 * Refuses with ARCHIVE_TOO_LARGE what has too many entries or bytes for an archive, GIT_FAILED too long paths, and submodules that a .dockerignore at the root of
 * the tree does not leave out.
 */
export async function checkGitTree(setting: GitSetting, tree: string, signal: AbortSignal): Promise<void> {
  const submodules = await listSubmodules(setting, tree, signal);
  if (submodules.length === 0) return;
  const isKept = createPathFilter(await readIgnore(setting, tree, signal), createEffort(nextTurn));
  const missing: string[] = [];
  for (const path of submodules) if (await isKept(path)) missing.push(path);
  if (missing.length === 0) return;
  const names = missing.slice(0, namedMax).map((path) => JSON.stringify(path));
  const more = missing.length > namedMax ? ` and ${missing.length - namedMax} more` : '';
  refuse(
    'GIT_FAILED',
    missing.length === 1
      ? `${names.join()} is a submodule, and submodules are not fetched.`
      : `${names.join(', ')}${more} are submodules, and submodules are not fetched.`,
    {
      details: { field: 'git_repo', paths: missing.slice(0, namedMax) },
      hint: 'Clone it with --recurse-submodules and send the folder (--custom DIR); list in .dockerignore what the image does not need.',
    },
  );
}

async function listSubmodules(setting: GitSetting, tree: string, signal: AbortSignal): Promise<readonly string[]> {
  const found: string[] = [];
  const enough = new AbortController();
  let entries = 0;
  let bytes = 0;
  let rest = '';
  let isLong = false;
  const onStdout = (piece: string) => {
    if (enough.signal.aborted) return;
    const records = (rest + piece).split('\0');
    rest = records.pop() ?? '';
    entries += records.length;
    for (const record of records) {
      const name = record.indexOf('\t');
      bytes += Number(record.slice(0, name).split(/ +/)[3]) || 0;
      if (record.length - name > pathMaxBytes + 1) isLong = true;
      else if (record.startsWith('160000 ')) found.push(record.slice(name + 1));
    }
    // Git takes a name of any length, and lists it again before each file below.
    if (isLong || rest.length > pathMaxBytes + factsMaxLength) {
      isLong = true;
      enough.abort();
    }
    // A small repository can unfold to millions of files: git is ended as soon as there are too many.
    if (entries > defaultTarLimits.entries || bytes > defaultTarLimits.totalBytes) enough.abort();
  };
  try {
    // With folders, too: a tree of empty ones has no file at all, and no end.
    const args = ['-C', 'repo', 'ls-tree', '-r', '-t', '-l', '-z', tree];
    const { code } = await runGit(setting, args, AbortSignal.any([signal, enough.signal]), onStdout);
    if (code !== 0) refuse('GIT_FAILED', 'The repository could not be read.');
  } catch (error) {
    if (!enough.signal.aborted || signal.aborted) throw error;
    if (isLong) {
      refuse('GIT_FAILED', `The repository has a path of more than ${pathMaxBytes} characters.`, {
        hint: 'Shorten the names of its files and folders, or give the folder of the Dockerfile with --subdir.',
      });
    }
    const most =
      entries > defaultTarLimits.entries
        ? `${defaultTarLimits.entries} files and folders`
        : `${defaultTarLimits.totalBytes / 1024 / 1024} MB of files`;
    refuse('ARCHIVE_TOO_LARGE', `The repository has more than ${most}.`, {
      hint: 'Give the folder of the Dockerfile with --subdir, or remove what the bot does not need.',
    });
  }
  return found;
}

async function readIgnore(setting: GitSetting, tree: string, signal: AbortSignal) {
  for (const name of dockerignoreNames()) {
    // "COMMIT:folder" is a tree itself, whose files are named behind a slash.
    const path = tree.includes(':') ? `${tree}/${name}` : `${tree}:${name}`;
    const { code, stdout } = await runGit(setting, ['-C', 'repo', 'cat-file', 'blob', path], signal);
    if (code === 0) return unwrap(parseDockerignore(stdout, name));
  }
  return [];
}
