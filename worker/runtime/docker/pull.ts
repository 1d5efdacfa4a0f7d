/** Makes a ready image available, by the policy of ContainerRuntime.pullImage, and returns what exactly it is. */
import type { Clock } from '#common/clock.ts';
import { formatImageReference, type ImageReference, parseImageReference } from '#common/image-reference.ts';
import type { Logger } from '#common/log.ts';
import { type Problem, ProblemError, problem, unwrap } from '#common/problem.ts';
import { TimeLimitError, withTimeLimit } from '#common/waiting/time-limit.ts';
import { asFailure, type Chance } from '../../failures/chances.ts';
import type { ImagePull, PulledImage } from '../container-runtime.ts';
import { redact } from '../redact.ts';
import { list, record, text } from './answers.ts';
import type { EngineClient } from './engine-client.ts';
import { EngineRefusal, hasStatus, sortedError } from './engine-errors.ts';
import { mirrored } from './mirror.ts';
import { type PullFailure, pullChance, pullFailureKind, pullProblem } from './pull-failure.ts';
import { createPullReport, type PullReport } from './pull-output.ts';

export interface PullDeps {
  readonly engine: EngineClient;
  readonly clock: Clock;
  readonly logger: Logger;
  /** HOST[:PORT][/PREFIX] that images of Docker Hub are pulled from. */
  readonly mirror?: string | undefined;
}

/** A registry silent for this long counts as unreachable. */
const silenceLimitMs = 120_000;

/** As ContainerRuntime.pullImage. */
export async function pullImage(deps: PullDeps, pull: ImagePull, signal: AbortSignal): Promise<PulledImage> {
  const { engine, mirror } = deps;
  const reference = parts(pull.reference);
  // A user's password for Docker Hub must not reach the mirror.
  const there = mirror === undefined || pull.credentials ? undefined : mirrored(reference, mirror);
  const from = there ?? reference;
  const present =
    (await pinnedOf(engine, pull.reference, reference, signal)) ??
    (there && (await pinnedOf(engine, formatImageReference(there), there, signal)));
  if (present !== undefined && !pull.pull && reference.tag !== 'latest') {
    pull.onOutput(`using ${pull.reference}, which the worker already has`);
    return { pinned: present };
  }
  if (there) pull.onOutput(`pulling ${pull.reference} from the mirror ${mirror}`);
  const failure = await request(deps, pull, from, signal);
  if (failure === undefined) {
    const pinned = await pinnedOf(engine, formatImageReference(from), from, signal);
    if (pinned !== undefined) return { pinned };
  }
  // A report whose end is cut looks like success.
  const { kind, chance } = failure ?? { kind: 'other', chance: 'again' };
  if (kind === 'unreachable' && present !== undefined) {
    pull.onOutput(`the registry could not be reached; using the worker's copy of ${pull.reference}`);
    return { pinned: present };
  }
  if (there && kind === 'auth') throw new ProblemError(mirrorProblem(pull.reference));
  throw asFailure(pullProblem(kind, pull.reference, pull.credentials !== undefined), chance);
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

/** The repo digest of an image that is there, else its id; undefined when it is not there. */
async function pinnedOf(
  engine: EngineClient,
  image: string,
  { registry, repository }: ImageReference,
  signal: AbortSignal,
): Promise<string | undefined> {
  try {
    const path = `/images/${encodeURIComponent(image)}/json`;
    const facts = record(await engine.call({ method: 'GET', path }, signal));
    const name = registry === undefined ? repository : `${registry}/${repository}`;
    const digests = list(facts['RepoDigests']).map(text);
    return digests.find((digest) => digest.startsWith(`${name}@`)) ?? text(facts['Id']);
  } catch (error) {
    if (hasStatus(error, 404)) return undefined;
    throw error;
  }
}

/** Undefined when the engine reports success. */
async function request(
  { engine, clock, logger }: PullDeps,
  { credentials, onOutput }: ImagePull,
  { registry, repository, tag, digest }: ImageReference,
  signal: AbortSignal,
): Promise<FailedPull | undefined> {
  const fromImage = registry === undefined ? repository : `${registry}/${repository}`;
  // Asked for neither, an engine pulls every tag. A digest says more than a tag beside it.
  const query = { fromImage, tag: digest ?? tag ?? 'latest' };
  const secret = credentials?.reveal();
  const registryAuth = secret && { ...secret, serveraddress: registry ?? 'https://index.docker.io/v1/' };
  const report = createPullReport(onOutput);
  const ended = new AbortController();
  try {
    const limit = AbortSignal.any([signal, ended.signal]);
    const answer = await withTimeLimit(clock, 'the registry', silenceLimitMs, signal, () =>
      engine.stream({ method: 'POST', path: '/images/create', query, registryAuth }, limit),
    );
    await readAll(answer, report, clock, signal);
  } catch (error) {
    if (error instanceof TimeLimitError) return { kind: 'unreachable', chance: 'again' };
    const sorted = sortedError(error, 'POST /images/create', signal);
    if (!(sorted instanceof EngineRefusal)) throw sorted;
    return failureOf(sorted.text, logger, secret?.password);
  } finally {
    ended.abort();
  }
  const words = report.error();
  return words === undefined ? undefined : failureOf(words, logger, secret?.password);
}

async function readAll(
  answer: AsyncIterable<Buffer>,
  report: PullReport,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  const chunks = answer[Symbol.asyncIterator]();
  for (;;) {
    const next = await withTimeLimit(clock, 'the registry', silenceLimitMs, signal, () => chunks.next());
    if (next.done) break;
    report.push(next.value);
  }
  report.end();
}

interface FailedPull {
  readonly kind: PullFailure;
  readonly chance: Chance;
}

function failureOf(words: string, logger: Logger, password: string | undefined): FailedPull {
  logger.warn({ engine: redact(words, password === undefined ? [] : [password]) }, 'an image could not be pulled');
  return { kind: pullFailureKind(words), chance: pullChance(words) };
}
