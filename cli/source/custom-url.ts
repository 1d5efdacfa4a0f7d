/** Whether the URL of --custom is a git repository or an archive. Pure. */

import { parseUrl } from '#common/parse-url.ts';
import { trimEnd } from '#common/trim-end.ts';

/** Sites where the address of a repository need not end in ".git". */
const gitHosts = new Set(['github.com', 'gitlab.com', 'bitbucket.org', 'codeberg.org']);

const isArchivePath = (path: string): boolean =>
  /\.(tar(\.\w+)?|tgz|zip)$|\/(archive|tarball|zipball|releases)\//i.test(path);

/** Any URL, or a repository as ssh names it, also without a user (HOST.TLD:OWNER/NAME); that cannot be a file name. */
export const isUrl = (text: string): boolean =>
  /^[a-z][a-z0-9+.-]+:\/\/|^[\w.-]+@[\w.-]+:|^[\w-]+(?:\.[\w-]+)+:[\w.~-]+\/[\w.~/-]+$/i.test(text);

/** By its ending, else by its host. `text` is a URL; see isUrl. */
export function isGitRepository(text: string): boolean {
  const url = parseUrl(text);
  // What ssh takes is git's; the refusal of git sources explains it.
  if (url === null || /^(ssh|git|git\+ssh):$/.test(url.protocol) || !text.includes('://')) return true;
  const path = trimEnd(url.pathname, '/');
  if (path.endsWith('.git')) return true;
  return gitHosts.has(url.hostname.replace(/^www\./, '')) && !isArchivePath(path);
}
