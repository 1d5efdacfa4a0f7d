/** User name and password for a registry or a repository: their shape. Pure. No refusal repeats any of them. */
import { fail, ok, problem, type Result } from '#common/problem.ts';
import type { ProblemCode } from '#common/problem-codes.ts';
import { Secret } from '#common/secret.ts';
import type { Login } from './bot-request.ts';
import { examples } from './examples.ts';
import { isAbsent, isEmpty } from './fields.ts';

const maxLength = 8 * 1024;

interface Codes {
  readonly field: string;
  readonly invalid: ProblemCode;
  readonly incomplete: ProblemCode;
  readonly example: (typeof examples)[keyof typeof examples];
}

function parseLogin(value: unknown, extraKeys: readonly string[], usernameNeeded: boolean, codes: Codes) {
  const { field, example } = codes;
  const refused = (code: ProblemCode, message: string) =>
    fail(
      problem(code, message, {
        details: { field },
        hint: `Write "${field}": {"username": "me", "password": "..."}.`,
        example,
      }),
    );
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return refused(codes.invalid, `"${field}" is not an object.`);
  }
  const entries = new Map<string, unknown>(Object.entries(value));
  const unknown = [...entries.keys()].find((key) => !['username', 'password', ...extraKeys].includes(key));
  if (unknown !== undefined) {
    return refused(codes.invalid, `"${field}" has an unknown key: ${JSON.stringify(unknown.slice(0, 40))}.`);
  }
  const [username, password] = [entries.get('username'), entries.get('password')];
  for (const [name, part] of Object.entries({ username, password })) {
    if (!isAbsent(part) && typeof part !== 'string') return refused(codes.invalid, `The ${name} is not text.`);
    if (isEmpty(part) && (name === 'password' || usernameNeeded)) {
      return refused(codes.incomplete, `The ${name} is missing.`);
    }
    if (typeof part === 'string' && (part.length > maxLength || /[\u0000-\u001f\u007f]/.test(part))) {
      return refused(codes.invalid, `The ${name} is too long, or contains a line break or another control character.`);
    }
  }
  return ok({ username: String(username ?? ''), password: new Secret(String(password)) });
}

/**
 * "registry_auth" of an image of `registry` (absent: Docker Hub). INVALID_REGISTRY_AUTH, also when it names another server:
 * a password is sent to the registry of its image and to no other; INCOMPLETE_REGISTRY_AUTH.
 */
export function parseRegistryAuth(value: unknown, registry: string | undefined): Result<Login | undefined> {
  if (isAbsent(value)) return ok(undefined);
  const login = parseLogin(value, ['serveraddress'], true, {
    field: 'registry_auth',
    invalid: 'INVALID_REGISTRY_AUTH',
    incomplete: 'INCOMPLETE_REGISTRY_AUTH',
    example: examples.image,
  });
  const server = typeof value === 'object' && 'serveraddress' in value ? value.serveraddress : undefined;
  if (login.ok && !isEmpty(server) && canonicalHost(String(server)) !== canonicalHost(registry ?? hub)) {
    return fail(
      problem('INVALID_REGISTRY_AUTH', "The credentials are for a different registry than the image's.", {
        details: { field: 'registry_auth.serveraddress' },
        hint: 'Leave out "serveraddress": the credentials are sent to the image\'s registry.',
        example: examples.image,
      }),
    );
  }
  return login;
}

const hub = 'docker.io';

function canonicalHost(address: string): string {
  const [host] = address
    .toLowerCase()
    .replace(/^https?:\/\//, '')
    .split('/', 1);
  return host === undefined || host === 'index.docker.io' || host === 'registry-1.docker.io' ? hub : host;
}

/** "git_auth"; a token may come without a user name. INVALID_GIT_URL for a bad shape, MISSING_REQUIRED_FIELD for no password. */
export function parseGitAuth(value: unknown): Result<Login | undefined> {
  if (isAbsent(value)) return ok(undefined);
  const login = parseLogin(value, [], false, {
    field: 'git_auth',
    invalid: 'INVALID_GIT_URL',
    incomplete: 'MISSING_REQUIRED_FIELD',
    example: examples.git,
  });
  // HTTP's basic authentication ends the user name at the first colon (RFC 7617).
  if (!login.ok || !login.value.username.includes(':')) return login;
  return fail(
    problem('INVALID_GIT_URL', 'The user name in "git_auth" contains a colon.', {
      details: { field: 'git_auth' },
      example: examples.git,
    }),
  );
}
