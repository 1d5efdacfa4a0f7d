/**
 * Git repositories as sources: their URL, the branch or tag, and the folder within. Pure. Only https, or http to what the
 * operator lists: other transports run programs (ext::), read the worker's own disk (file://, plain paths) or need keys.
 */
import { checkHost, type FetchAllow, isListed } from './fetch-policy.ts';
import { readUrl, type UrlRule, urlSentences } from './plain-url.ts';
import { fail, ok, problem, type Result } from './problem.ts';
import { checkRelativePath } from './safe-path.ts';

const example = 'https://github.com/me/my-bot.git';

const refusedUrl = (rule: string, message: string, hint: string, field: string) =>
  fail(problem('INVALID_GIT_URL', message, { details: { field, rule }, hint }));

/** The URL as text, fit to stand behind "--" on git's command line: INVALID_GIT_URL or FORBIDDEN_URL otherwise. */
export function parseGitUrl(text: unknown, allow: FetchAllow, field = 'git_repo'): Result<string> {
  const reading = readUrl(text, ['https', 'http']);
  if (!reading.ok) {
    return refusedUrl(reading.rule, `The git URL ${urlSentences[reading.rule]}.`, hintFor(text, reading.rule), field);
  }
  const { url } = reading;
  if (url.protocol === 'http:' && !isListed(url, allow)) {
    return refusedUrl('scheme', 'The git URL is not encrypted.', 'Use https:// instead of http://.', field);
  }
  if (url.search !== '' || url.pathname === '/') {
    return refusedUrl('path', 'The git URL names no repository.', `Use an address such as ${example}.`, field);
  }
  if (/\.(?:tar|tar\.gz|tgz|zip)$/i.test(url.pathname)) {
    return refusedUrl('archive', 'The git URL is the address of an archive.', 'Send it as "archive_url".', field);
  }
  const host = checkHost(url, allow, field);
  return host.ok ? ok(url.href) : host;
}

function hintFor(text: unknown, rule: UrlRule): string {
  const given = typeof text === 'string' ? text : '';
  if (rule === 'user_info') {
    return 'Remove user and password from the URL and send them as "git_auth": {"username": "me", "password": "TOKEN"}.';
  }
  if (rule !== 'scheme') return `Use an address such as ${example}.`;
  const ssh = /^(?:ssh:\/\/)?git@([a-z0-9-]+(?:\.[a-z0-9-]+)+)(?::22)?[:/]([\w][\w./-]*)$/i.exec(given);
  if (ssh !== null) return `Only https is supported: https://${ssh[1]}/${ssh[2]} with "git_auth" if it is private.`;
  return 'Only https is supported: no ssh, git, file or ext addresses, and no folders on the server.';
}

// More than git itself forbids (git-check-ref-format(1)): only letters, digits and signs that no shell reads.
const refPattern = /^[\p{L}\p{M}\p{N}._/+#@=,-]+$/u;
const refMaxBytes = 244;

/** A whole commit id, of SHA-1 or SHA-256. */
export const commitIdPattern = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/i;

/** The branch, tag or commit id itself; empty text stands for the default branch. INVALID_GIT_REF with `details.rule` otherwise. */
export function checkGitRef(ref: unknown, field = 'git_branch'): Result<string> {
  if (ref === undefined || ref === null || ref === '') return ok('');
  const rule = typeof ref === 'string' ? brokenRefRule(ref) : 'not_text';
  if (rule === undefined) return ok(String(ref));
  return fail(
    problem('INVALID_GIT_REF', `The branch, tag or commit ${refSentences[rule]}.`, {
      details: { field, rule },
    }),
  );
}

const refSentences = {
  not_text: 'is not text',
  too_long: `is longer than ${refMaxBytes} bytes`,
  leading_dash: 'begins with "-"',
  forbidden_character: 'contains a character other than letters, digits and . _ / + # @ = , -',
  segment: 'has an empty segment, or one that begins or ends with "." or ends with ".lock"',
  sequence: 'contains ".." or "@{", or is "@"',
  full_name: 'is a full or special ref name; write it without "refs/heads/"',
} as const;

type RefRule = keyof typeof refSentences;

function brokenRefRule(ref: string): RefRule | undefined {
  if (Buffer.byteLength(ref) > refMaxBytes) return 'too_long';
  if (ref.startsWith('-')) return 'leading_dash';
  if (ref.includes('..') || ref.includes('@{') || ref === '@') return 'sequence';
  if (!ref.isWellFormed() || !refPattern.test(ref)) return 'forbidden_character';
  const isBad = (segment: string) =>
    segment === '' || segment.startsWith('.') || segment.endsWith('.') || segment.endsWith('.lock');
  if (ref.split('/').some(isBad)) return 'segment';
  if (/^refs\//.test(ref) || /^[A-Z]*_?HEAD$/.test(ref)) return 'full_name';
  return undefined;
}

/** A folder within the repository as a plain relative path; empty for its root. INVALID_FILE_PATH otherwise. */
export function checkGitSubdir(subdir: unknown, field = 'git_subdir'): Result<string> {
  if (subdir === undefined || subdir === null || subdir === '' || subdir === '.' || subdir === './') return ok('');
  const plain = typeof subdir === 'string' ? subdir.replace(/^\.\/(?=[^/])/, '').replace(/(?<=[^/])\/$/, '') : subdir;
  return checkRelativePath(plain, field);
}
