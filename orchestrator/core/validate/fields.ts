/** Which field belongs to which deployment mode; a field of another mode is refused, not ignored: it was meant to do something. Pure. */
import type { JsonObject } from '#common/json.ts';
import { fail, ok, problem, type Result } from '#common/problem.ts';
import type { DeploymentMode } from './bot-request.ts';
import { examples } from './examples.ts';

/** The data of a request, without a prototype. */
export type Data = Readonly<Record<string, unknown>>;

export const isAbsent = (value: unknown): value is undefined | null => value === undefined || value === null;

/** Absent, or text without a character. */
export const isEmpty = (value: unknown): boolean => isAbsent(value) || value === '';

const sourcesOf = {
  simple: ['code', 'files'],
  custom: ['archive', 'archive_url', 'git_repo'],
  image: ['docker_image'],
} as const satisfies Record<DeploymentMode, readonly string[]>;

const optionsOf = {
  simple: ['entrypoint', 'command', 'requirements', 'requirement_files', 'runtime'],
  custom: ['git_branch', 'git_subdir', 'git_auth', 'build_args', 'target', 'dockerfile'],
  image: ['registry_auth', 'pull'],
} as const satisfies Record<DeploymentMode, readonly string[]>;

const modes = ['simple', 'custom', 'image'] as const;

/** Values that mean nothing was given, since some clients fill in every field they know. */
const saysNothing = (value: unknown): boolean =>
  isEmpty(value) || value === false || (typeof value === 'object' && value !== null && Object.keys(value).length === 0);

/** Fields of these names that say something. */
export const given = (data: Data, names: readonly string[]): string[] =>
  names.filter((name) => !saysNothing(data[name]));

const hints: Readonly<Record<DeploymentMode, string>> = {
  simple: 'Simple mode takes "code" or "files", with "entrypoint" and "requirements".',
  custom: 'In custom mode the Dockerfile defines what is installed and run; for a bot without one use simple mode.',
  image: 'In image mode the image defines what is installed and run; for your own code use simple or custom mode.',
};

/** CONFLICTING_SOURCES for a source of another mode, CONFLICTING_FIELDS for its code, files and options. */
export function refuseForeignFields(mode: DeploymentMode, data: Data): Result<undefined> {
  const others = modes.filter((other) => other !== mode);
  const [name] = given(
    data,
    others.flatMap((other) => [...sourcesOf[other], ...optionsOf[other]]),
  );
  if (name === undefined) return ok(undefined);
  const isSource = [...sourcesOf.custom, ...sourcesOf.image].some((source) => source === name);
  return fail(
    problem(isSource ? 'CONFLICTING_SOURCES' : 'CONFLICTING_FIELDS', `"${name}" does not work with ${mode} mode.`, {
      details: { field: name, fields: ['deployment_mode', name] },
      hint: hints[mode],
      example: mode === 'simple' ? examples.start : mode === 'custom' ? examples.git : examples.image,
    }),
  );
}

/** A field that says where the code comes from or how it is built, if one says something. */
export const sourceFieldOf = (data: Data): string | undefined =>
  ['deployment_mode', 'move_token', ...modes.flatMap((mode) => [...sourcesOf[mode], ...optionsOf[mode]])].find(
    (name) => !saysNothing(data[name]),
  );

/** A field that is true or false; false where it is absent. MALFORMED_REQUEST for anything else, "true" in quotes among it. */
export function parseFlag(data: Data, name: string, hint: string, example: JsonObject): Result<boolean> {
  const value = data[name] ?? false;
  if (typeof value === 'boolean') return ok(value);
  return fail(
    problem('MALFORMED_REQUEST', `"${name}" is neither true nor false.`, { details: { field: name }, hint, example }),
  );
}

/** The sources of a mode that are given. */
export const givenSources = (mode: DeploymentMode, data: Data): string[] =>
  sourcesOf[mode].filter((name) => !isEmpty(data[name]));
