/**
 * Looks at the images that a user's Dockerfile builds on or copies from before the engine does. The engine would give it anything it has:
 * images of bots under a part of their id, images that another user pulled with a login, and whatever an image's own ONBUILD steps name.
 */
import { type FetchAllow, guardedLookup, type Resolve } from '#common/fetch-policy.ts';
import { formatImageReference, type ImageReference, parseImageReference } from '#common/image-reference.ts';
import { type Problem, ProblemError, problem } from '#common/problem.ts';
import { asFailure } from '../../failures/chances.ts';
import { TransientProblemError } from '../../failures/transient.ts';
import { copiesFromElsewhere } from '../../images/users-dockerfile/triggers.ts';
import { foundImage, type NamedImage } from './named-image.ts';
import { type PullDeps, pullImage } from './pull.ts';

export interface NamedBases {
  /** As the Dockerfile names them. */
  readonly bases: readonly string[];
  /** Those named in ONBUILD steps, which run in a later stage at most. */
  readonly mentioned: readonly string[];
  /** The platform of a base that is not the engine's own. */
  readonly platforms: ReadonlyMap<string, string>;
}

export interface JudgeDeps extends PullDeps {
  /** Registries and hosts of the operator's that would be forbidden. */
  readonly allow: FetchAllow;
  readonly resolve: Resolve;
}

/** Pulls what the engine lacks. ProblemError BUILD_FAILED for an image that may not be built on, or cannot be pulled. */
export async function judgeBases(
  deps: JudgeDeps,
  { bases, mentioned, platforms }: NamedBases,
  { userId, onOutput }: { readonly userId: string; readonly onOutput: (line: string) => void },
  signal: AbortSignal,
): Promise<void> {
  for (const base of bases) {
    const reference = await judgeName(deps, base, signal);
    const platform = platforms.get(base);
    const present = await foundImage(deps.engine, reference, base, signal);
    if (present !== undefined) judgeImage(base, present);
    const isKnown = present !== undefined && (platform === undefined || present.platform === platform);
    if (isKnown && !isPrivate(deps, present)) continue;
    const pull = { userId, reference: formatImageReference(reference), credentials: undefined, pull: !isKnown };
    try {
      await pullImage(deps, { ...pull, ...(platform === undefined ? {} : { platform }), onOutput }, signal);
    } catch (error) {
      throw error instanceof ProblemError ? ofBase(error) : error;
    }
    const pulled = await foundImage(deps.engine, reference, base, signal);
    if (pulled !== undefined) judgeImage(base, pulled);
  }
  for (const image of mentioned) {
    const present = await foundImage(deps.engine, await judgeName(deps, image, signal), image, signal);
    if (present === undefined) continue;
    judgeImage(image, present);
    if (isPrivate(deps, present)) throw new ProblemError(needsLogin(image));
  }
}

const isPrivate = ({ privateImages }: JudgeDeps, { repoDigest }: NamedImage): boolean =>
  repoDigest !== undefined && privateImages.usersOf(repoDigest) !== undefined;

/** What the registry said, in the words of a build. */
export function ofBase(error: ProblemError): ProblemError {
  const { code, message } = error.problem;
  const hint =
    code === 'REGISTRY_AUTH_FAILED' || code === 'IMAGE_NOT_FOUND'
      ? 'Check the name and the tag in the Dockerfile. Builds have no login for registries: build on a public image, or start a private one itself, in image mode.'
      : error.problem.hint;
  const failed = problem('BUILD_FAILED', `${message} The Dockerfile builds on it.`, { hint });
  return asFailure(failed, error instanceof TransientProblemError ? 'again' : 'final', { cause: error });
}

/** The engine itself would connect to the registry: where it may is up to this machine's operator. */
async function judgeName({ allow, resolve }: JudgeDeps, base: string, signal: AbortSignal): Promise<ImageReference> {
  const parsed = parseImageReference(base, allow);
  if (!parsed.ok) throw new ProblemError(refusedBase(base, parsed.problem));
  const { registry } = parsed.value;
  if (registry !== undefined) {
    const address = await guardedLookup(resolve, allow)(new URL(`https://${registry}/`), signal).catch(() => undefined);
    if (address?.ok === false && address.problem.code === 'FORBIDDEN_URL') {
      throw new ProblemError(refusedBase(base, address.problem));
    }
  }
  return parsed.value;
}

function judgeImage(base: string, { isNamed, isBot, onBuild }: NamedImage): void {
  if (isBot || !isNamed) throw new ProblemError(notAName(base));
  // Names of stages and images there are those of whoever made the image.
  if (onBuild.some(copiesFromElsewhere)) throw new ProblemError(foreignStep(base));
}

const refusedBase = (base: string, { message, hint }: Problem): Problem =>
  problem('BUILD_FAILED', `The Dockerfile names the image ${JSON.stringify(base)}: ${message}`, { hint });

const notAName = (base: string): Problem =>
  problem('BUILD_FAILED', `The Dockerfile names the image ${JSON.stringify(base)}, which may not be used as a base.`, {
    hint: 'Name an image by its full name and tag or digest; images of bots are not available as a base.',
  });

const needsLogin = (image: string): Problem =>
  problem('BUILD_FAILED', `The Dockerfile names the image ${JSON.stringify(image)}, which needs a login.`, {
    hint: 'Builds have no login for registries: use a public image.',
  });

const foreignStep = (base: string): Problem =>
  problem(
    'BUILD_FAILED',
    `The image ${JSON.stringify(base)} brings steps of its own (ONBUILD) that copy from elsewhere.`,
    {
      hint: 'Use the image without ONBUILD, and write its steps into the Dockerfile.',
    },
  );
