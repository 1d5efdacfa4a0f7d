/** How a Dockerfile is built: which one, with which arguments, up to which stage. Pure. */
import { fail, ok, problem, type Result } from '#common/problem.ts';
import { brokenPathRule } from '#common/safe-path.ts';
import { shapesIn } from '#common/source-search/secret-shapes.ts';
import type { BuildOptions } from './bot-request.ts';
import { examples } from './examples.ts';
import { type Data, isEmpty } from './fields.ts';

const argsMax = 100;
const valueMaxLength = 4096;
const namePattern = /^[A-Za-z_][A-Za-z0-9_]{0,127}$/;
const targetPattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;
const dockerfileMaxLength = 500;
/** Names of what nobody should see; a shorter value is no secret. */
const secretName =
  /TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|PWD|(?:^|_)PASS(?:_|$)|CREDENTIAL|PRIVATE|(?:API|ACCESS|AUTH|SSH|SIGNING)_?KEY|COOKIE/i;
const secretMinLength = 8;
/** Wherever it is, as in the URLs of the Bot API. */
const telegramToken = /\d{6,12}:[A-Za-z0-9_-]{30,64}/;

/** They steer BuildKit itself: BUILDKIT_SYNTAX names a program that reads the Dockerfile in its place. */
const reserved = /^(?:BUILDKIT_|BUILDX_|BOTRUNNER_)/i;

const refused = (field: string, message: string, hint: string) =>
  fail(problem('INVALID_BUILD_OPTIONS', message, { details: { field }, hint, example: examples.buildOptions }));

/** Of a JSON request. Undefined where none is given. */
export function parseBuildOptions(data: Data): Result<BuildOptions | undefined> {
  const args = data['build_args'] ?? {};
  if (typeof args !== 'object' || Array.isArray(args)) {
    return refused('build_args', '"build_args" is not an object.', 'Write "build_args": {"VERSION": "1.2"}.');
  }
  const { target, dockerfile } = data;
  for (const [field, value] of [
    ['target', target],
    ['dockerfile', dockerfile],
  ] as const) {
    if (!isEmpty(value) && typeof value !== 'string')
      return refused(field, `"${field}" is not text.`, 'Put it in quotes.');
  }
  return checkBuildOptions({
    buildArgs: Object.entries(args ?? {}),
    // Text, or nothing: looked at above.
    target: (target ?? '') as string,
    dockerfile: (dockerfile ?? '') as string,
  });
}

/** INVALID_BUILD_OPTIONS. Undefined where none is given. */
export function checkBuildOptions(given: {
  readonly buildArgs: readonly (readonly [string, unknown])[];
  readonly target: string;
  readonly dockerfile: string;
}): Result<BuildOptions | undefined> {
  const args = checkArgs(given.buildArgs);
  if (!args.ok) return args;
  const { target } = given;
  if (target !== '' && !targetPattern.test(target)) {
    return refused(
      'target',
      'The target is not the name or number of a stage.',
      'Give the name behind AS: of FROM python:3.11 AS prod, "prod".',
    );
  }
  const dockerfile = checkDockerfile(given.dockerfile);
  if (!dockerfile.ok) return dockerfile;
  const isNothing = args.value.size === 0 && target === '' && dockerfile.value === '';
  return ok(isNothing ? undefined : { buildArgs: args.value, target, dockerfile: dockerfile.value });
}

function checkArgs(entries: readonly (readonly [string, unknown])[]): Result<ReadonlyMap<string, string>> {
  const args = new Map<string, string>();
  if (entries.length > argsMax) {
    return refused(
      'build_args',
      `There are more than ${argsMax} build arguments.`,
      'Give those that the Dockerfile uses.',
    );
  }
  for (const [name, value] of entries) {
    const checked = checkArg(name, value);
    if (!checked.ok) return checked;
    args.set(name, checked.value);
  }
  return ok(args);
}

function checkArg(name: string, value: unknown): Result<string> {
  const field = 'build_args';
  if (!namePattern.test(name)) {
    return refused(
      field,
      'The name of a build argument is not valid.',
      'Names are [A-Za-z_][A-Za-z0-9_]*, at most 128 characters.',
    );
  }
  if (reserved.test(name)) {
    return refused(
      field,
      `The build argument ${name} is reserved.`,
      'Names that begin with BUILDKIT_, BUILDX_ or BOTRUNNER_ cannot be given.',
    );
  }
  if (typeof value !== 'string') {
    return refused(field, `The value of the build argument ${name} is not text.`, 'Put numbers in quotes.');
  }
  if (value.length > valueMaxLength || hasControls(value)) {
    return refused(
      field,
      `The value of the build argument ${name} is longer than ${valueMaxLength} characters or holds control characters.`,
      'Put longer texts into a file of the source.',
    );
  }
  if (looksSecret(name, value)) {
    return refused(
      field,
      `The build argument ${name} looks like a secret.`,
      'Build arguments stay in the history of the image, in cleartext. Give secrets to the bot with "env_vars".',
    );
  }
  return ok(value);
}

function looksSecret(name: string, value: string): boolean {
  if (secretName.test(name) && value.length >= secretMinLength) return true;
  const [shape] = shapesIn(value, true);
  return shape !== undefined || telegramToken.test(value);
}

const hasControls = (text: string): boolean => [...text].some((char) => char < ' ' || char === '\u007f');

function checkDockerfile(given: string): Result<string> {
  // "./docker/Dockerfile" is what a shell completes.
  const path = given.replace(/^(?:\.\/+)+/, '');
  if (path === '' || path === 'Dockerfile') return ok(given === '' ? '' : 'Dockerfile');
  // A pattern of .dockerignore is made of it.
  const isPlain = path.length <= dockerfileMaxLength && !/[*?[\]\\!#]/.test(path);
  if (isPlain && brokenPathRule(path) === undefined) return ok(path);
  return refused(
    'dockerfile',
    'The Dockerfile is not a plain relative path.',
    'Give its path below the root of the source, such as "docker/prod.Dockerfile".',
  );
}
