/** A git repository as a source: the worker clones it. Pure. */
import { trimEnd } from '#common/trim-end.ts';
import type { GitChoice } from './choice.ts';
import { splitGitUrl } from './git-login.ts';
import type { ReadySource } from './source.ts';

/** Throws CliError for a URL that cannot be used. */
export function prepareGit({ url: text, branch, subdir, byUrl }: GitChoice): ReadySource {
  const { url, login } = splitGitUrl(text);
  const credentials = login && { username: login.username, password: login.password.reveal() };
  const value = {
    url,
    ref: branch ?? '',
    // "./bots/echo/" is what a shell completes.
    subdir: trimEnd((subdir ?? '').replace(/^(?:\.\/+)+/, ''), '/').replace(/^\.$/, ''),
    ...(credentials === undefined ? {} : { credentials }),
  };
  return {
    notes: [
      ...(byUrl ? ['Treated as a git repository: the worker clones it'] : []),
      ...(login === undefined ? [] : ['User and password are removed from the git URL and sent as a secret']),
    ],
    upload: undefined,
    spec: () => ({ case: 'custom', value: { from: { case: 'git', value } } }),
  };
}
