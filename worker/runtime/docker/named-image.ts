/** An image that the engine has under a name: engines take a part of an image's id for a name, too, and that counts for nothing here. */
import { formatImageReference, type ImageReference } from '#common/image-reference.ts';
import { labelNames } from '../labels.ts';
import { list, record, text } from './answers.ts';
import type { EngineClient } from './engine-client.ts';
import { hasStatus } from './engine-errors.ts';
import { plainName } from './images.ts';

export interface NamedImage {
  readonly id: string;
  /** False if the engine took the name for a part of an id. */
  readonly isNamed: boolean;
  /** The repo digest that it has under the name, as the engine writes it, else its id. */
  readonly pinned: string;
  /** The same in one spelling; undefined for an image that came from no registry under the name. */
  readonly repoDigest: string | undefined;
  /** Whether it is, or builds on, what a worker built for a bot. */
  readonly isBot: boolean;
  /** Its ONBUILD steps. */
  readonly onBuild: readonly string[];
  /** os/architecture[/variant] */
  readonly platform: string;
}

/** Undefined when the engine has no image of that name. */
export async function namedImage(
  engine: EngineClient,
  reference: ImageReference,
  signal: AbortSignal,
): Promise<NamedImage | undefined> {
  const found = await foundImage(engine, reference, formatImageReference(reference), signal);
  return found?.isNamed ? found : undefined;
}

/** What the engine would use for that name, `written` as it gets it. */
export async function foundImage(
  engine: EngineClient,
  reference: ImageReference,
  written: string,
  signal: AbortSignal,
): Promise<NamedImage | undefined> {
  const path = `/images/${encodeURIComponent(written)}/json`;
  const answer = await engine.call({ method: 'GET', path }, signal).catch((error: unknown) => {
    if (!hasStatus(error, 404)) throw error;
  });
  if (answer === undefined) return undefined;
  const { Id, RepoTags, RepoDigests, Config, Os, Architecture, Variant } = record(answer);
  const digests = list(RepoDigests).map(text);
  const own = repositoryOf(reference);
  const digest = digests.find((name) => isOrEndsWith(plainName(name).split('@')[0] ?? '', own));
  const config = record(Config);
  return {
    id: text(Id),
    isNamed: isNamed(reference, [...list(RepoTags).map(text), ...digests].map(plainName)),
    pinned: digest ?? text(Id),
    repoDigest: digest && plainName(digest),
    isBot: record(config['Labels'])[labelNames.marker] !== undefined,
    onBuild: list(config['OnBuild']).map(text),
    platform: [Os, Architecture, Variant]
      .map(text)
      .filter((part) => part !== '')
      .join('/'),
  };
}

/** Its name without tag and digest, in one spelling. */
export const repositoryOf = (reference: ImageReference): string =>
  plainName(formatImageReference(withoutVersion(withoutHub(reference))));

function isNamed(reference: ImageReference, names: readonly string[]): boolean {
  const { tag: _, ...byDigest } = reference;
  const wanted = plainName(formatImageReference(withoutHub(reference.digest === undefined ? reference : byDigest)));
  return names.some((name) => isOrEndsWith(name, wanted));
}

/** Podman writes the registry out that it found a short name at. */
const isOrEndsWith = (name: string, wanted: string): boolean => name === wanted || name.endsWith(`/${wanted}`);

function withoutHub({ registry, repository, ...version }: ImageReference): ImageReference {
  const isHub = registry === undefined || /^(?:(?:index|registry-1)\.)?docker\.io$/.test(registry);
  return isHub
    ? { repository: repository.replace(/^library\//, ''), ...version }
    : { registry, repository, ...version };
}

const withoutVersion = ({ tag: _, digest: __, ...name }: ImageReference): ImageReference => name;
