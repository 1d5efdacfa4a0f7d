/** Makes the image of one spec: fetches the source, waits for a build slot, builds; or pulls a ready image. */
import type { BotKey } from '#common/ids.ts';
import { formatImageReference, parseImageReference } from '#common/image-reference.ts';
import { unwrap } from '#common/problem.ts';
import type { Semaphore } from '#common/waiting/semaphore.ts';
import { awaitTokens, judgeSource, type TokenClaims, type TokenFindings } from '../diagnosis/source-tokens.ts';
import { fetchArchive } from '../fetch/fetch-archive.ts';
import { fetchGit } from '../fetch/fetch-git.ts';
import type { Fetched, FetchParts } from '../fetch/fetched.ts';
import type { ContainerRuntime, SimpleBuild } from '../runtime/container-runtime.ts';
import { plainTar, type SourceTar } from '../state/source-tar.ts';
import { type CustomOrigin, imageNameOf, type RunnableSource, type RunnableSpec } from './spec-plan.ts';

/** Where uploaded sources come from. */
export interface Artifacts {
  /**
   * The artifact, checked by its sha256; it can be read until it is released. ProblemError ARTIFACT_NOT_FOUND,
   * TransientError while the orchestrator cannot be reached.
   */
  fetch(sha256: string, signal: AbortSignal): Promise<{ readonly tar: SourceTar; release(): void }>;
}

/** `checking`: whether the image is there already. `tokens`: it is, and another bot has yet to release its tokens. */
export type PreparationPhase = 'checking' | 'fetching' | 'waiting' | 'building' | 'pulling' | 'tokens';

export interface Preparation {
  readonly key: BotKey;
  readonly workerId: string;
  readonly epoch: bigint;
  readonly revision: bigint;
  readonly spec: RunnableSpec;
  readonly onPhase: (phase: PreparationPhase) => void;
  readonly onOutput: (line: string) => void;
  /** What the bot's user should know of its source. */
  readonly onWarnings: (warnings: readonly string[]) => Promise<void>;
}

export interface PreparationParts {
  readonly runtime: ContainerRuntime;
  readonly artifacts: Artifacts;
  readonly slots: Semaphore;
  /** For builds that only copy files, which are over in seconds; `slots` unless given. */
  readonly quickSlots?: Semaphore;
  /** For fetches and pulls from servers that a user names; `slots` are not held meanwhile. */
  readonly fetchSlots: Semaphore;
  readonly fetching: FetchParts;
  readonly tokenClaims: TokenClaims;
}

/** What was made: the repo digest or id of a pulled image, the commit of a repository, else empty. */
export interface PreparedImage {
  readonly pinned: string;
  /** As OwnModules.names; undefined for a ready image, whose files are not known. */
  readonly ownModules?: readonly string[] | undefined;
}

/** Resolves when the image is there. Throws what the parts throw; on abort nothing is left behind. */
export async function prepareImage(
  parts: PreparationParts,
  preparation: Preparation,
  signal: AbortSignal,
): Promise<PreparedImage> {
  const { source } = preparation.spec;
  if (source.mode === 'image') return pull(parts, preparation, source, signal);
  preparation.onPhase('fetching');
  const fetched = await fetchSource(parts, source, preparation, signal);
  try {
    const { pending, ownModules } = await judge(parts, preparation, source, fetched.tar, signal);
    const made = async (): Promise<PreparedImage> => {
      if (pending) await awaitTokens(pending, parts.tokenClaims, parts.fetching.clock, signal);
      return { pinned: fetched.commit ?? '', ownModules };
    };
    if (await reuse(parts.runtime, preparation, source, fetched, signal)) return await made();
    preparation.onPhase('waiting');
    const releaseSlot = await slotsFor(parts, source).acquire(signal, preparation.key.userId);
    try {
      preparation.onPhase('building');
      await build(parts.runtime, preparation, source, fetched, signal);
    } finally {
      releaseSlot();
    }
    return await made();
  } finally {
    await fetched.release();
  }
}

/** A build that installs nothing and runs nothing of its user's does not wait for builds that do. */
const slotsFor = ({ slots, quickSlots = slots }: PreparationParts, source: BuiltSource): Semaphore =>
  source.mode === 'simple' && source.requirements.length === 0 && source.requirementFiles.length === 0
    ? quickSlots
    : slots;

async function pull(
  { runtime, fetching, fetchSlots }: PreparationParts,
  { key, onPhase, onOutput }: Preparation,
  { image, credentials, pull: ask }: RunnableSource & { readonly mode: 'image' },
  signal: AbortSignal,
): Promise<PreparedImage> {
  // Judged here too: what the engine pulls from is up to this machine's operator.
  const reference = formatImageReference(unwrap(parseImageReference(image, fetching.allow)));
  onPhase('pulling');
  const wanted = { userId: key.userId, reference, credentials, pull: ask, onOutput };
  return withSlot(fetchSlots, key.userId, signal, () => runtime.pullImage(wanted, signal));
}

/** Before it waits for its turn to be built: a refusal costs nobody a build. */
async function judge(
  { tokenClaims }: PreparationParts,
  { key, epoch, revision, spec, onWarnings }: Preparation,
  source: BuiltSource,
  tar: SourceTar,
  signal: AbortSignal,
): Promise<TokenFindings> {
  const isFetched = source.mode === 'custom' && source.from.kind !== 'artifact';
  const judged = { key, epoch, revision, open: () => tar.open(), isFetched, env: spec.env.reveal() };
  const judgement = await judgeSource(judged, tokenClaims, signal);
  if (judgement.warnings.length > 0) await onWarnings(judgement.warnings);
  return judgement;
}

interface FetchedSource {
  readonly tar: SourceTar;
  readonly commit?: string;
  release(): void | Promise<void>;
}

type BuiltSource = Exclude<RunnableSource, { readonly mode: 'image' }>;

async function fetchSource(
  { artifacts, fetching, fetchSlots }: PreparationParts,
  source: BuiltSource,
  { key, onOutput }: Preparation,
  signal: AbortSignal,
): Promise<FetchedSource> {
  if (source.mode === 'simple') return artifacts.fetch(source.artifactSha256, signal);
  const { from } = source;
  switch (from.kind) {
    case 'artifact':
      return artifacts.fetch(from.sha256, signal);
    case 'archive':
      return asTar(await withSlot(fetchSlots, key.userId, signal, () => fetchArchive(fetching, from.url, signal)));
    case 'git': {
      const fetched = await withSlot(fetchSlots, key.userId, signal, () => fetchGit(fetching, from.request, signal));
      onOutput(`building commit ${fetched.commit}`);
      return { ...asTar(fetched), commit: fetched.commit };
    }
  }
}

const asTar = ({ path, release }: Fetched) => ({ tar: plainTar(path), release });

/** A server that is slow, or says nothing, holds up none but its user's own bots. */
async function withSlot<T>(slots: Semaphore, userId: string, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  const release = await slots.acquire(signal, userId);
  try {
    return await work();
  } finally {
    release();
  }
}

/** Where only the code is new, nothing is built and nobody waited for. */
async function reuse(
  runtime: ContainerRuntime,
  preparation: Preparation,
  source: BuiltSource,
  { tar }: FetchedSource,
  signal: AbortSignal,
): Promise<boolean> {
  return source.mode === 'simple' && runtime.reuseImage(simpleBuild(preparation, source, tar), signal);
}

function build(
  runtime: ContainerRuntime,
  preparation: Preparation,
  source: BuiltSource,
  { tar }: FetchedSource,
  signal: AbortSignal,
): Promise<void> {
  if (source.mode === 'simple') return runtime.buildImage(simpleBuild(preparation, source, tar), signal);
  const { key, workerId, revision, spec, onOutput } = preparation;
  const { buildArgs, target, dockerfile } = source;
  const custom = {
    contextTar: tar,
    unwrap: mayBeWrapped(source.from),
    buildArgs,
    ...(target === '' ? {} : { target }),
    ...(dockerfile === '' ? {} : { dockerfile }),
  };
  return runtime.buildCustomImage(
    { key, workerId, image: imageNameOf(key, revision, spec), onOutput, ...custom },
    signal,
  );
}

function simpleBuild(
  { key, workerId, revision, spec, onOutput }: Preparation,
  { language, requirements, requirementFiles }: RunnableSource & { readonly mode: 'simple' },
  sourceTar: SourceTar,
): SimpleBuild {
  const common = { key, workerId, image: imageNameOf(key, revision, spec), onOutput };
  return { ...common, language, requirements, requirementFiles, sourceTar };
}

/** Forges put a folder around everything; in an archive that somebody made for us its own root counts. */
const mayBeWrapped = (from: CustomOrigin): boolean => from.kind === 'archive';
