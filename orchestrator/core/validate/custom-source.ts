/** The source of custom mode: an archive, the URL of one, or a git repository. Pure. */
import { checkUrl } from '#common/fetch-policy.ts';
import { checkGitRef, checkGitSubdir, parseGitUrl } from '#common/git-url.ts';
import { fail, ok, problem, type Result } from '#common/problem.ts';
import type { ArchiveUrlSource, Bounds, CustomSourceRequest, GitRepositorySource } from './bot-request.ts';
import { parseBuildOptions } from './build-options.ts';
import { examples, withExample } from './examples.ts';
import { type Data, given, givenSources, refuseForeignFields } from './fields.ts';
import { parseGitAuth } from './login.ts';

/** The data of a REST request. */
export function parseCustomSource(data: Data, bounds: Bounds): Result<CustomSourceRequest> {
  const sources = givenSources('custom', data);
  if (sources.length > 1) {
    return fail(
      problem('CONFLICTING_SOURCES', `${sources.map((name) => `"${name}"`).join(' and ')} cannot be combined.`, {
        details: { fields: sources },
        example: examples.git,
      }),
    );
  }
  const [source] = sources;
  if (source === undefined) return data['archive'] === '' ? badArchive('is empty') : missingSource(data);
  const foreign = refuseForeignFields('custom', data);
  if (!foreign.ok) return foreign;
  const [gitField] = given(data, ['git_branch', 'git_subdir', 'git_auth']);
  if (source !== 'git_repo' && gitField !== undefined) {
    return fail(
      problem('CONFLICTING_FIELDS', `"${gitField}" works only with "git_repo".`, {
        details: { field: gitField, fields: [source, gitField] },
        hint: `Leave out "${gitField}", or give "git_repo" instead of "${source}".`,
        example: examples.git,
      }),
    );
  }
  const build = parseBuildOptions(data);
  if (!build.ok) return build;
  const origin = parseOrigin(source, data, bounds);
  return origin.ok && build.value !== undefined ? ok({ ...origin.value, build: build.value }) : origin;
}

function parseOrigin(source: string, data: Data, bounds: Bounds): Result<CustomSourceRequest> {
  switch (source) {
    case 'archive':
      return parseArchive(data['archive']);
    case 'archive_url':
      return checkArchiveUrl(data['archive_url'], bounds);
    default:
      return checkGit(
        {
          url: data['git_repo'],
          ref: data['git_branch'],
          subdir: data['git_subdir'],
          login: data['git_auth'],
        },
        bounds,
      );
  }
}

function missingSource(data: Data) {
  const isForImage = given(data, ['docker_image']).length > 0;
  const isForSimple = given(data, ['code', 'files']).length > 0;
  return fail(
    problem('MISSING_SOURCE', 'Custom mode needs "archive", "archive_url" or "git_repo".', {
      details: { field: 'archive' },
      ...(isForImage ? { hint: 'For "docker_image" set "deployment_mode" to "image".' } : {}),
      ...(isForSimple ? { hint: 'For "code" or "files" set "deployment_mode" to "simple".' } : {}),
      example: examples.git,
    }),
  );
}

const badArchive = (what: string) =>
  fail(
    problem('INVALID_ARCHIVE', `"archive" ${what}.`, {
      details: { field: 'archive' },
      hint: 'Give a tar or tar.gz in standard base64 without line breaks, for example from: base64 -w0 bot.tar.gz',
      example: examples.archive,
    }),
  );

/** The bytes; what is in them is read later, as a stream. */
function parseArchive(value: unknown): Result<CustomSourceRequest> {
  if (typeof value !== 'string') return badArchive('is not text');
  const bytes = Buffer.from(value, 'base64');
  // Node's decoder skips what is not base64; only the one canonical encoding survives the round trip.
  if (bytes.length === 0 || bytes.toString('base64') !== value) return badArchive('is not valid base64');
  return ok({ kind: 'inline_archive', bytes });
}

/** Where an archive is fetched from. */
export function checkArchiveUrl(url: unknown, { fetchAllow = [] }: Bounds): Result<ArchiveUrlSource> {
  const checked = withExample(checkUrl(url, fetchAllow), examples.archiveUrl);
  return checked.ok ? ok({ kind: 'archive_url', url: checked.value.href }) : checked;
}

/** A repository, with what may be anything in each of its parts. */
export function checkGit(
  parts: { readonly url: unknown; readonly ref: unknown; readonly subdir: unknown; readonly login: unknown },
  { fetchAllow = [] }: Bounds,
): Result<GitRepositorySource> {
  const url = withExample(parseGitUrl(parts.url, fetchAllow), examples.git);
  if (!url.ok) return url;
  const ref = checkGitRef(parts.ref);
  if (!ref.ok) return ref;
  const subdir = checkGitSubdir(parts.subdir);
  if (!subdir.ok) return subdir;
  const login = parseGitAuth(parts.login);
  if (!login.ok) return login;
  return ok({
    kind: 'git',
    url: url.value,
    ref: ref.value,
    subdir: subdir.value,
    ...(login.value === undefined ? {} : { login: login.value }),
  });
}
