/**
 * Takes one commit of a git repository as a tar. Only that commit, by its id or as the newest of a branch or tag, is fetched,
 * into a bare repository: no files of it are ever checked out here. The tar is judged like every archive when it is built from.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { guardedLookup, type ResolvedAddress } from '#common/fetch-policy.ts';
import { checkGitRef, checkGitSubdir, commitIdPattern, parseGitUrl } from '#common/git-url.ts';
import { problem, refuse, unwrap } from '#common/problem.ts';
import type { Secret } from '#common/secret.ts';
import { TimeLimitError, withTimeLimit } from '#common/waiting/time-limit.ts';
import { asFailure, chanceOfGit } from '../failures/chances.ts';
import { createFetchFolder, type Fetched, type FetchParts, systemResolve } from './fetched.ts';
import { gitFailure } from './git-failure.ts';
import { checkGitTree } from './git-tree.ts';
import { type GitCredentials, type GitOutcome, type GitSetting, runGit, writeAskpass } from './run-git.ts';

export interface GitRequest {
  readonly url: string;
  /** Branch, tag or whole commit id; empty for the default branch. */
  readonly ref: string;
  /** Folder within the repository; empty for its root. */
  readonly subdir: string;
  readonly credentials?: Secret<GitCredentials> | undefined;
}

export interface FetchedCommit extends Fetched {
  /** 40 or 64 hex digits. */
  readonly commit: string;
}

const totalMs = 120_000;

/**
 * ProblemError INVALID_GIT_URL, INVALID_GIT_REF, INVALID_FILE_PATH, FORBIDDEN_URL, FETCH_FAILED (name not known), GIT_FAILED
 * (submodules too), ARCHIVE_TOO_LARGE.
 * On failure or abort nothing is left.
 */
export async function fetchGit(parts: FetchParts, request: GitRequest, signal: AbortSignal): Promise<FetchedCommit> {
  const href = unwrap(parseGitUrl(request.url, parts.allow));
  const ref = unwrap(checkGitRef(request.ref));
  const subdir = unwrap(checkGitSubdir(request.subdir));
  const url = new URL(href);
  const folder = await createFetchFolder(parts.dir);
  const path = join(folder.path, 'tree.tar');
  try {
    const commit = await withTimeLimit(parts.clock, 'git', totalMs, signal, async (limit) => {
      const lookup = guardedLookup(parts.resolve ?? systemResolve, parts.allow, 'git_repo');
      const addresses = unwrap(await lookup(url, limit));
      const credentials = request.credentials?.reveal();
      if (credentials) await writeAskpass(folder.path);
      const setting = {
        dir: folder.path,
        protocols: [url.protocol.slice(0, -1)],
        pinned: pinOf(url, addresses),
        credentials,
      };
      await checkVersion(setting, limit);
      const found = await fetchCommit(setting, href, ref, limit);
      await writeTree(setting, found, subdir, path, limit);
      return found;
    });
    return { path, commit, release: folder.remove };
  } catch (error) {
    await folder.remove();
    if (signal.aborted) throw signal.reason;
    if (!(error instanceof TimeLimitError)) throw error;
    const late = problem('GIT_FAILED', `The repository could not be fetched within ${totalMs / 1000} s.`);
    throw asFailure(late, 'again', { cause: error });
  }
}

function pinOf(url: URL, addresses: readonly ResolvedAddress[]): string {
  const port = url.port || (url.protocol === 'https:' ? '443' : '80');
  const texts = addresses.map(({ address, family }) => (family === 6 ? `[${address}]` : address));
  return `${url.hostname}:${port}:${texts.join(',')}`;
}

/** http.curloptResolve came with git 2.37; an older git would leave it out silently and resolve the name again. */
async function checkVersion(setting: GitSetting, signal: AbortSignal): Promise<void> {
  const { stdout, code } = await runGit(setting, ['--version'], signal);
  const [, major = '0', minor = '0'] = /^git version (\d+)\.(\d+)/.exec(stdout) ?? [];
  if (code === 0 && (Number(major) > 2 || (Number(major) === 2 && Number(minor) >= 37))) return;
  refuse('GIT_FAILED', 'The worker has no git, or one older than 2.37.', {
    hint: 'The operator has to install git 2.37 or newer on the worker.',
  });
}

async function fetchCommit(setting: GitSetting, url: string, ref: string, signal: AbortSignal): Promise<string> {
  const git = async (...args: readonly string[]) => succeeded(await runGit(setting, args, signal), setting);
  await git('init', '--quiet', '--bare', '--template=', 'repo');
  // A branch goes before a tag of the same name, as it does for git itself.
  const names = ref === '' ? ['HEAD'] : [`refs/heads/${ref}`, `refs/tags/${ref}`];
  const listed = await git('ls-remote', '--', url, ...names);
  const there = listed.split('\n').map((line) => line.split('\t')[1]);
  // Git itself advises against a branch that is called like a commit, but lets it be.
  const name = names.find((candidate) => there.includes(candidate)) ?? (commitIdPattern.test(ref) ? ref : undefined);
  if (name === undefined) {
    return ref === ''
      ? refuse('GIT_FAILED', 'The repository is empty.', { hint: 'Commit the bot with its Dockerfile, and push it.' })
      : refuse('GIT_FAILED', `The repository has no branch or tag ${ref}.`, {
          details: { field: 'git_branch' },
          hint: /^[0-9a-f]{7,63}$/i.test(ref)
            ? 'For a commit give all of its id: git rev-parse HEAD prints it.'
            : 'Check "git_branch", or leave it out for the default branch.',
        });
  }
  await git('-C', 'repo', 'fetch', '--quiet', '--depth=1', '--no-tags', '--no-recurse-submodules', '--', url, name);
  const commit = (await git('-C', 'repo', 'rev-parse', '--verify', 'FETCH_HEAD^{commit}')).trim();
  return commitIdPattern.test(commit) ? commit : refuse('GIT_FAILED', 'The repository could not be read.');
}

async function writeTree(
  setting: GitSetting,
  commit: string,
  subdir: string,
  path: string,
  signal: AbortSignal,
): Promise<void> {
  // Above all attributes of the repository: an archive has every file, with the content that was committed.
  await mkdir(join(setting.dir, 'repo/info'), { recursive: true });
  await writeFile(join(setting.dir, 'repo/info/attributes'), '* -export-ignore -export-subst -text -ident -filter\n');
  const tree = subdir === '' ? commit : `${commit}:${subdir}`;
  const kind = await runGit(setting, ['-C', 'repo', 'cat-file', '-t', tree], signal);
  if (subdir !== '' && kind.stdout.trim() !== 'tree') {
    refuse('GIT_FAILED', `The repository has no folder ${subdir}.`, {
      details: { field: 'git_subdir' },
      hint: 'Check "git_subdir", in which upper and lower case count; leave it out if the Dockerfile is at the top.',
    });
  }
  await checkGitTree(setting, tree, signal);
  const args = ['-C', 'repo', 'archive', '--format=tar', `--output=${path}`, tree];
  succeeded(await runGit(setting, args, signal), setting);
}

function succeeded({ code, stdout, stderr }: GitOutcome, { credentials }: GitSetting): string {
  if (code === 0) return stdout;
  throw asFailure(gitFailure(stderr, credentials !== undefined), chanceOfGit(stderr));
}
