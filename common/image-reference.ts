/**
 * Image references: the grammar of github.com/distribution/reference (reference.go, normalize.go), read whole instead of by
 * looking for spaces, and which registries and images a user may name. Pure.
 */
import { type FetchAllow, isForbiddenHost, isListed } from './fetch-policy.ts';
import { fail, ok, problem, type Result } from './problem.ts';

export interface ImageReference {
  /** host or host:port in lower case; absent means Docker Hub. */
  readonly registry?: string;
  readonly repository: string;
  /** Always there unless a digest is: asked for neither, an engine pulls every tag. */
  readonly tag?: string;
  /** sha256 or sha512. */
  readonly digest?: string;
}

const component = '[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*';
const repositoryPattern = new RegExp(`^${component}(?:/${component})*$`);
const label = '[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?';
const registryPattern = new RegExp(`^(?:${label}(?:\\.${label})*|\\[[a-fA-F0-9:]+\\])(?::(\\d{1,5}))?$`);
const tagPattern = /^\w[\w.-]{0,127}$/;
const digestPattern = /^(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/;
const nameMaxLength = 255;
const textMaxLength = nameMaxLength + 1 + 128 + 1 + 135;

const hubRegistries: readonly (string | undefined)[] = [undefined, 'docker.io', 'index.docker.io'];
// Begins the names of images that workers build; see imageRepository in ids.ts.
const builtImagePrefix = 'bot_image_';

const refused = (message: string, field: string, hint?: string) =>
  fail(
    problem('INVALID_IMAGE_NAME', message, {
      details: { field },
      ...(hint === undefined ? {} : { hint }),
    }),
  );

const forbidden = (field: string, hint?: string) =>
  fail(
    problem('FORBIDDEN_REGISTRY', 'Images may not be pulled from the address of this registry.', {
      details: { field },
      ...(hint === undefined ? {} : { hint }),
    }),
  );

/** MISSING_DOCKER_IMAGE, INVALID_IMAGE_NAME or FORBIDDEN_REGISTRY. `allow` lists registries that would be forbidden. */
export function parseImageReference(
  text: unknown,
  allow: FetchAllow = [],
  field = 'docker_image',
): Result<ImageReference> {
  if (text === undefined || text === null || text === '') {
    return fail(problem('MISSING_DOCKER_IMAGE', 'Image mode needs an image.', { details: { field } }));
  }
  if (typeof text !== 'string') return refused('The image is not text.', field);
  if (text.length > textMaxLength) return refused('The image reference is too long.', field);
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(text)) {
    return refused('The image reference is a URL.', field, 'Leave out the "https://" in front.');
  }
  const user = text.indexOf('@');
  if (user >= 0 && text.includes('/', user)) {
    return forbidden(field, 'Remove user and password from the reference and send them as "registry_auth".');
  }
  const parts = split(text);
  if (parts === undefined) return unreadable(text, field);
  const { registry, repository, tag } = parts;
  const isId = /^[0-9a-f]{64}$/.test(repository) || (repository === 'sha256' && /^[0-9a-f]{12,}$/.test(tag ?? ''));
  const isBuilt = repository.split('/').at(-1)?.startsWith(builtImagePrefix) === true;
  if (registry === undefined && isId) {
    return refused('The image is given by its id.', field, 'Name it by registry, repository and tag.');
  }
  // As "docker images" shows them; no registry would be any the wiser.
  if (/^[0-9a-f]{12,63}$/.test(text)) {
    const hint = `Name it by registry, repository and tag; if ${text} is its name, write ${text}:latest.`;
    return refused('The image is given by a part of its id.', field, hint);
  }
  if (isBuilt && hubRegistries.includes(registry)) {
    return refused(`Names that begin with ${builtImagePrefix} are reserved for images that Bot Runner builds.`, field);
  }
  if (registry !== undefined && !mayPullFrom(registry, allow)) return forbidden(field);
  return ok(parts);
}

/** The registry of a reference that was checked before; Docker Hub under one name. */
export function registryOf(image: string): string {
  const registry = split(image)?.registry;
  return registry === undefined || hubRegistries.includes(registry) ? 'docker.io' : registry;
}

/** The reference as it is sent to an engine: with a tag or a digest, always. */
export function formatImageReference({ registry, repository, tag, digest }: ImageReference): string {
  const name = registry === undefined ? repository : `${registry}/${repository}`;
  return `${name}${tag === undefined ? '' : `:${tag}`}${digest === undefined ? '' : `@${digest}`}`;
}

/** What people get wrong most, by its own name; a reference that split() does not read. */
function unreadable(text: string, field: string) {
  if (/\s/.test(text)) return refused('The image reference has a space or a line end in it.', field);
  if (/[<>{}$]/.test(text))
    return refused('The image reference has a placeholder in it that was not filled in.', field);
  const [named = ''] = text.split('@');
  const colon = named.indexOf(':', named.lastIndexOf('/') + 1);
  const name = colon === -1 ? named : named.slice(0, colon);
  const lower = name.toLowerCase();
  if (lower !== name && split(text.replace(name, lower)) !== undefined) {
    const hint = `Write ${text.replace(name, lower)}; upper case is only allowed in the tag.`;
    return refused('The name of an image is in lower case.', field, hint);
  }
  if (text.endsWith(':')) return refused('The image reference has no tag behind its colon.', field);
  return refused('The image reference is not valid.', field);
}

function split(text: string): ImageReference | undefined {
  const [named = '', digest, ...more] = text.split('@');
  if (more.length > 0 || (digest !== undefined && !digestPattern.test(digest))) return undefined;
  const colon = named.indexOf(':', named.lastIndexOf('/') + 1);
  const name = colon === -1 ? named : named.slice(0, colon);
  const tag = colon === -1 ? undefined : named.slice(colon + 1);
  if (name.length > nameMaxLength || (tag !== undefined && !tagPattern.test(tag))) return undefined;
  const slash = name.indexOf('/');
  const first = slash === -1 ? '' : name.slice(0, slash);
  // The first part is a host if it looks like one; without a dot or a port only localhost does.
  const hasRegistry = /[.:]/.test(first) || first === 'localhost';
  const repository = hasRegistry ? name.slice(slash + 1) : name;
  if (!repositoryPattern.test(repository)) return undefined;
  if (hasRegistry && !isRegistry(first)) return undefined;
  return {
    ...(hasRegistry ? { registry: first.toLowerCase() } : {}),
    repository,
    ...(tag !== undefined ? { tag } : digest === undefined ? { tag: 'latest' } : {}),
    ...(digest === undefined ? {} : { digest }),
  };
}

function isRegistry(text: string): boolean {
  const match = registryPattern.exec(text);
  const port = Number(match?.[1] ?? 443);
  return match !== null && port >= 1 && port <= 65_535 && URL.canParse(`https://${text}/`);
}

function mayPullFrom(registry: string, allow: FetchAllow): boolean {
  // The parser turns odd spellings of an address (0x7f000001, 2130706433) into the usual one.
  const url = new URL(`https://${registry}/`);
  return isListed(url, allow) || !isForbiddenHost(url.hostname);
}
