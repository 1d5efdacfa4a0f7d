/** Makes a ready image available, by the policy of ContainerRuntime.pullImage, and returns what exactly it is. */
import type { Clock } from '#common/clock.ts';
import { formatImageReference, type ImageReference, parseImageReference } from '#common/image-reference.ts';
import type { Logger } from '#common/log.ts';
import { type Problem, ProblemError, problem, unwrap } from '#common/problem.ts';
import { TimeLimitError, withTimeLimit } from '#common/waiting/time-limit.ts';
import { asFailure, type Chance } from '../../failures/chances.ts';
import type { PrivateImages } from '../../state/private-images.ts';
import type { ImagePull, PulledImage } from '../container-runtime.ts';
import { redact } from '../redact.ts';
import { tooLarge } from './disk/image-limits.ts';
import type { EngineClient, EngineStream } from './engine-client.ts';
import { EngineRefusal, sortedError } from './engine-errors.ts';
import { forgetAbsentImages } from './forget-absent.ts';
import { mirrored } from './mirror.ts';
import { type NamedImage, namedImage, repositoryOf } from './named-image.ts';
import { type PullFailure, pullChance, pullFailureKind, pullProblem } from './pull-failure.ts';
import { createPullReport, type PullReport } from './pull-output.ts';

export interface PullDeps {
  readonly engine: EngineClient;
  readonly clock: Clock;
  readonly logger: Logger;
  /** HOST[:PORT][/PREFIX] that images of Docker Hub are pulled from. */
  readonly mirror?: string | undefined;
  readonly privateImages: PrivateImages;
  /** An image is given up as soon as its layers are known to be larger than this together. */
  readonly maxBytes?: number | undefined;
}

/** A registry silent for this long counts as unreachable. */
const silenceLimitMs = 120_000;

const lookLimitMs = 5_000;

/** As ContainerRuntime.pullImage. */
export async function pullImage(deps: PullDeps, pull: ImagePull, signal: AbortSignal): Promise<PulledImage> {
  const { engine, mirror, privateImages } = deps;
  const reference = parts(pull.reference);
  // A user's password for Docker Hub must not reach the mirror.
  const there = mirror === undefined || pull.credentials ? undefined : mirrored(reference, mirror);
  const from = there ?? reference;
  const present = (await namedImage(engine, reference, signal)) ?? (there && (await namedImage(engine, there, signal)));
  const users = present?.repoDigest && privateImages.usersOf(present.repoDigest);
  const asItIs = present !== undefined && !pull.pull && reference.tag !== 'latest';
  if (asItIs && users === undefined) {
    pull.onOutput(`using ${pull.reference}, which the worker already has`);
    return { pinned: present.pinned };
  }
  if (there) pull.onOutput(`pulling ${pull.reference} from the mirror ${mirror}`);
  // Exactly what is here is asked for, so that its tag stays what it is.
  const digest = asItIs ? present.repoDigest?.split('@')[1] : undefined;
  const wanted = digest === undefined ? from : { ...from, digest };
  await forgetAbsentImages(deps, pull.userId, signal);
  const noted = pull.credentials && (await privateImages.beginPull(repositoryOf(reference), pull.userId));
  let failure: FailedPull | undefined;
  let image: NamedImage | undefined;
  try {
    failure =
      (wanted.digest === undefined ? undefined : await askFor(deps, pull, wanted, signal)) ??
      (wanted.digest === undefined || present === undefined ? await request(deps, pull, wanted, signal) : undefined);
    image = failure === undefined ? await namedImage(engine, wanted, signal) : undefined;
    if (image !== undefined) await remember(privateImages, image, pull);
  } catch (error) {
    // What was given up may have been got all the same; the note then stays.
    if (noted && (await isAbsent(engine, wanted))) await noted.end();
    else noted?.leave();
    throw error;
  }
  await noted?.end();
  if (image !== undefined) return { pinned: image.pinned };
  // A report whose end is cut looks like success.
  const { kind, chance } = failure ?? { kind: 'other', chance: 'again' };
  if (kind === 'unreachable' && present !== undefined && (users === undefined || users.includes(pull.userId))) {
    pull.onOutput(`the registry could not be reached; using the worker's copy of ${pull.reference}`);
    return { pinned: present.pinned };
  }
  if (there && kind === 'auth') throw new ProblemError(mirrorProblem(pull.reference));
  throw asFailure(pullProblem(kind, pull.reference, pull.credentials !== undefined), chance);
}

async function isAbsent(engine: EngineClient, reference: ImageReference): Promise<boolean> {
  const answer = await namedImage(engine, reference, AbortSignal.timeout(lookLimitMs)).catch(() => 'not known');
  return answer === undefined;
}

async function remember(
  images: PrivateImages,
  { repoDigest }: NamedImage,
  { credentials, userId }: ImagePull,
): Promise<void> {
  if (repoDigest === undefined) return;
  await (credentials === undefined ? images.markPublic(repoDigest) : images.addUser(repoDigest, userId));
}

const mirrorProblem = (reference: string): Problem =>
  problem('IMAGE_PULL_FAILED', `The worker's mirror of Docker Hub refused ${reference}.`, {
    hint: 'REGISTRY_MIRROR on the worker has to be a registry that needs no password; the operator sets it.',
  });

/** Whether its registry may be used was judged before; this only takes the reference apart. */
function parts(reference: string): ImageReference {
  const registry = reference.split('/')[0]?.toLowerCase() ?? '';
  return unwrap(parseImageReference(reference, [registry, `${registry}:443`]));
}

const nameOf = ({ registry, repository }: ImageReference): string =>
  registry === undefined ? repository : `${registry}/${repository}`;

/** Undefined when the engine reports success. */
async function request(
  deps: PullDeps,
  { credentials, platform, onOutput }: ImagePull,
  reference: ImageReference,
  signal: AbortSignal,
): Promise<FailedPull | undefined> {
  const { registry, tag, digest } = reference;
  // Asked for neither, an engine pulls every tag. A digest says more than a tag beside it.
  const query = {
    fromImage: nameOf(reference),
    tag: digest ?? tag ?? 'latest',
    ...(platform === undefined ? {} : { platform }),
  };
  const report = createPullReport(onOutput);
  return send(
    deps,
    { method: 'POST', path: '/images/create', query, registryAuth: loginFor(registry, credentials) },
    report,
    { credentials, signal },
  );
}

/**
 * Asks the registry for the image's manifest, with the user's login: an engine that has an image of that digest pulls nothing, and
 * calls it success without asking anybody. Undefined when the registry gives it out.
 */
async function askFor(
  deps: PullDeps,
  pull: ImagePull,
  reference: ImageReference,
  signal: AbortSignal,
): Promise<FailedPull | undefined> {
  // Podman has no such call, and asks the registry whenever it pulls.
  if ((await deps.engine.kind(signal)) === 'podman') return request(deps, pull, reference, signal);
  const { tag: _, ...named } = reference;
  const path = `/distribution/${formatImageReference(named)}/json`;
  const registryAuth = loginFor(reference.registry, pull.credentials);
  return send(deps, { method: 'GET', path, registryAuth }, undefined, { credentials: pull.credentials, signal });
}

const loginFor = (registry: string | undefined, credentials: ImagePull['credentials']) =>
  credentials && { ...credentials.reveal(), serveraddress: registry ?? 'https://index.docker.io/v1/' };

/** Undefined when the engine reports success. */
async function send(
  { engine, clock, logger, maxBytes = Number.POSITIVE_INFINITY }: PullDeps,
  call: EngineStream,
  report: PullReport | undefined,
  { credentials, signal }: { readonly credentials: ImagePull['credentials']; readonly signal: AbortSignal },
): Promise<FailedPull | undefined> {
  const password = credentials?.reveal().password;
  const ended = new AbortController();
  try {
    const limit = AbortSignal.any([signal, ended.signal]);
    const answer = await withTimeLimit(clock, 'the registry', silenceLimitMs, signal, () => engine.stream(call, limit));
    await readAll(answer, report, { clock, maxBytes }, signal);
  } catch (error) {
    if (error instanceof TimeLimitError) return { kind: 'unreachable', chance: 'again' };
    const sorted = sortedError(error, `${call.method} ${call.path}`, signal);
    if (!(sorted instanceof EngineRefusal)) throw sorted;
    return failureOf(sorted.text, logger, password);
  } finally {
    ended.abort();
  }
  const words = report?.error();
  return words === undefined ? undefined : failureOf(words, logger, password);
}

async function readAll(
  answer: AsyncIterable<Buffer>,
  report: PullReport | undefined,
  { clock, maxBytes }: { readonly clock: Clock; readonly maxBytes: number },
  signal: AbortSignal,
): Promise<void> {
  const chunks = answer[Symbol.asyncIterator]();
  for (;;) {
    const next = await withTimeLimit(clock, 'the registry', silenceLimitMs, signal, () => chunks.next());
    if (next.done) break;
    report?.push(next.value);
    if (report !== undefined && report.bytes() > maxBytes) {
      throw new ProblemError(tooLarge('IMAGE_PULL_FAILED', report.bytes(), maxBytes));
    }
  }
  report?.end();
}

interface FailedPull {
  readonly kind: PullFailure;
  readonly chance: Chance;
}

function failureOf(words: string, logger: Logger, password: string | undefined): FailedPull {
  logger.warn({ engine: redact(words, password === undefined ? [] : [password]) }, 'an image could not be pulled');
  return { kind: pullFailureKind(words), chance: pullChance(words) };
}
