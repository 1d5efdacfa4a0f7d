/** One run of a builder. Leaves an image or nothing. */
import { type Clock, sleep } from '#common/clock.ts';
import type { FetchAllow, Resolve } from '#common/fetch-policy.ts';
import type { BotKey } from '#common/ids.ts';
import type { Logger } from '#common/log.ts';
import { type Problem, ProblemError } from '#common/problem.ts';
import { asFailure } from '../../failures/chances.ts';
import type { BuildContext } from '../../images/build-context.ts';
import { buildFailure, createOutputTail } from '../../images/build-failure.ts';
import { type BuildSettings, buildVariables, settingSecrets } from '../../images/build-settings.ts';
import type { PrivateImages } from '../../state/private-images.ts';
import { createRedactor } from '../redact.ts';
import type { FetchFile } from './added-image.ts';
import { type BuildReport, createBuildReport } from './build-answer.ts';
import type { BuildEngine, BuildEngines } from './build-engine.ts';
import { type EngineKind, stepParameters } from './build-query.ts';
import { buildScope, removeDanglingImages, removeImage, removeLayers, removeStepContainers } from './build-scope.ts';
import { createBuildKitReport } from './buildkit/build-report.ts';
import { defaultCacheBounds, pruneBuildCache } from './buildkit/prune-cache.ts';
import type { EngineClient, Query } from './engine-client.ts';
import { EngineRefusal, sortedError } from './engine-errors.ts';
import { hasImage } from './images.ts';
import { pullChance } from './pull-failure.ts';

export interface BuildDeps {
  /** The engine of the bots. */
  readonly engine: EngineClient;
  readonly builders: BuildEngines;
  readonly settings: BuildSettings;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Both as in PullDeps. */
  readonly mirror?: string | undefined;
  readonly privateImages: PrivateImages;
  readonly maxBytes?: number | undefined;
  /** Registries of the operator's that would be forbidden. */
  readonly allow: FetchAllow;
  readonly resolve: Resolve;
  /** For what ADD instructions name by URL. */
  readonly fetchFile: FetchFile;
}

const defaultMemoryBytes = 1024 * 1024 * 1024;
const defaultCpuMillis = 1000;
const cleanUpMs = 30_000;
const stepEndsMs = 10_000;

/** What to build, and how to report a failure. */
export interface BuildRequest {
  readonly key: BotKey;
  readonly workerId: string;
  readonly image: string;
  readonly context: BuildContext;
  readonly buildargs: Readonly<Record<string, string>>;
  /** Where the context has its Dockerfile; Dockerfile unless given. */
  readonly dockerfile?: string | undefined;
  readonly labels: Readonly<Record<string, string>>;
  readonly onOutput: (line: string) => void;
  /** The problem of a build that ended with the engine's words `failure`. `hasBase`: it came further than FROM. */
  explain(failure: string, hasBase: boolean, tail: readonly string[]): Problem;
  /** The problem of a build that the engine did not even begin. */
  explainRefusal(refusal: EngineRefusal): Problem;
}

/** Resolves when the bots' engine has the image under its name. */
export async function runEngineBuild(
  deps: BuildDeps,
  builder: BuildEngine,
  request: BuildRequest,
  signal: AbortSignal,
): Promise<void> {
  const { settings } = deps;
  const { client: engine, leftovers } = builder;
  const { key, workerId, image, context } = request;
  const scope = buildScope(key, workerId);
  const redact = createRedactor(settingSecrets(settings));
  const tail = createOutputTail();
  const report = reportOf(builder)((line) => {
    const shown = redact(line);
    tail.add(shown);
    request.onOutput(shown);
  });
  let wasThere = true;
  try {
    wasThere = await hasImage(engine, image, signal);
    const network = await builder.network(signal);
    await leftovers.gone(signal);
    await leftovers.taken(scope);
    // An engine that was killed during a build starts its step again when it comes back.
    await removeStepContainers(engine, scope, signal);
    const kind = await engine.kind(signal);
    const query =
      builder.kind === 'buildkit'
        ? buildKitQuery(deps, builder, request)
        : buildQuery(deps, builder, request, kind, network);
    await readReport(builder, report, request, query, signal);
    const failure = report.error();
    if (failure !== undefined) {
      const shown = redact(failure);
      tail.add(shown);
      // The engine says them beside its output: without them the log of the build would end before its cause.
      for (const line of shown.split('\n')) if (line.trim() !== '') request.onOutput(line);
      // An engine that is going down ends its steps as if they had failed: ask whether it is still there before anyone is
      // blamed.
      await engine.call({ method: 'GET', path: '/version' }, signal);
      const explained = request.explain(shown, report.hasBase(), tail.lines());
      // Before the first step only the base was pulled, which is the registry's business.
      throw asFailure(explained, report.hasBase() ? 'final' : pullChance(shown), { cause: shown });
    }
    // A report that ended early looks like success; the image is the proof.
    if (!(await hasImage(engine, image, signal))) {
      throw asFailure(buildFailure(tail.lines(), 'The build ended without an image.'), 'again');
    }
    await builder.deliver(image, signal);
  } catch (error) {
    await removeLeftovers(deps, builder, scope, wasThere ? undefined : image, report.made());
    throw error;
  } finally {
    context.stream.destroy();
  }
  // What the image of that name was before has no name now.
  await removeDanglingImages(engine, scope, signal);
  if (builder.kind === 'buildkit') await boundCache(deps, builder);
}

/** Its failure is no failure of the build, and the next one tries again. */
async function boundCache({ logger }: BuildDeps, { client }: BuildEngine): Promise<void> {
  try {
    await pruneBuildCache(client, defaultCacheBounds, AbortSignal.timeout(cleanUpMs));
  } catch (error) {
    logger.debug({ err: error }, 'the cache of builds could not be pruned');
  }
}

const reportOf = ({ kind }: BuildEngine) => (kind === 'buildkit' ? createBuildKitReport : createBuildReport);

// The classic builder has no limit of processes. This one counts all processes of the bots' uid on the host, so it is wide:
// it is there against a fork bomb, not to share out.
const stepLimits = { nproc: 4096, nofile: 4096, core: 0 };

/**
 * Parameters of POST /build for BuildKit: its own API would be a session, in which the engine asks for files, logins and secrets.
 * Without one there are none to be had. It takes neither limits of memory and CPU nor a network: the builder as a whole has them.
 */
function buildKitQuery(
  { settings }: BuildDeps,
  { keepsLayers }: BuildEngine,
  { image, buildargs, labels, dockerfile }: BuildRequest,
): Query {
  return {
    version: '2',
    t: image,
    dockerfile,
    buildargs: { ...buildargs, ...buildVariables(settings) },
    labels,
    nocache: !keepsLayers,
    ulimits: JSON.stringify(Object.entries(stepLimits).map(([Name, value]) => ({ Name, Soft: value, Hard: value }))),
  };
}

/** Parameters of POST /build. `pull` is not among them: an image that the engine has is used. */
function buildQuery(
  { settings }: BuildDeps,
  { leftovers, keepsLayers }: BuildEngine,
  { key, workerId, image, buildargs, labels, dockerfile }: BuildRequest,
  kind: EngineKind,
  network: string,
): Query {
  const memory = settings.memoryBytes ?? defaultMemoryBytes;
  return {
    t: image,
    dockerfile,
    buildargs: { ...buildargs, ...buildVariables(settings) },
    labels,
    nocache: !keepsLayers,
    // Without forcerm every failed build leaves a container.
    rm: true,
    forcerm: true,
    memory,
    memswap: memory,
    cpuperiod: 100_000,
    cpuquota: (settings.cpuMillis ?? defaultCpuMillis) * 100,
    ...stepParameters(kind, {
      network,
      mark: leftovers.markOf(buildScope(key, workerId)),
      ulimits: stepLimits,
    }),
  };
}

async function readReport(
  { client: engine }: BuildEngine,
  report: BuildReport,
  { context, explainRefusal }: BuildRequest,
  query: Query,
  signal: AbortSignal,
): Promise<void> {
  try {
    const answer = await engine.stream({ method: 'POST', path: '/build', query, upload: context.stream }, signal);
    for await (const chunk of answer) report.push(chunk);
    report.end();
  } catch (error) {
    signal.throwIfAborted();
    const sorted = sortedError(error, 'POST /build', signal);
    // A source that could not be read looks to the engine like an upload that broke off. An upload that broke off because the
    // engine has gone says nothing about the source.
    context.stream.destroy();
    const bad = await context.done.then(
      () => undefined,
      (reason: unknown) => reason,
    );
    if (bad instanceof ProblemError) throw bad;
    if (!(sorted instanceof EngineRefusal)) throw sorted;
    throw new ProblemError(explainRefusal(sorted), { cause: sorted });
  }
}

/** After a failure or an abort. Its own failure is only logged: the caller has a reason already, and it goes first. */
async function removeLeftovers(
  { clock, logger }: BuildDeps,
  builder: BuildEngine,
  scope: string,
  image: string | undefined,
  layers: readonly string[],
): Promise<void> {
  const remove = () => tidyUp(builder, clock, scope, image, layers);
  try {
    await remove();
  } catch (error) {
    builder.leftovers.owe(scope, remove);
    logger.warn(
      { scope, err: error },
      'leftovers of a failed build could not be removed; they are when the engine answers again',
    );
  }
}

async function tidyUp(
  { client: engine, leftovers }: BuildEngine,
  clock: Clock,
  scope: string,
  image: string | undefined,
  layers: readonly string[],
): Promise<void> {
  const signal = AbortSignal.timeout(cleanUpMs);
  // The engine takes a moment to notice an abort, and continues with its step until then.
  const endMs = clock.monotonicMs() + stepEndsMs;
  for (let quiet = 0; quiet < 2 && clock.monotonicMs() < endMs; ) {
    quiet = (await removeStepContainers(engine, scope, signal)) === 0 ? quiet + 1 : 0;
    if (quiet < 2) await sleep(clock, 250, signal);
  }
  // Those of a user's own Dockerfile have no label. The builder removes them, unless its engine was killed.
  await leftovers.removeSteps(scope, signal);
  if (image !== undefined) await removeImage(engine, image, signal, true);
  // They are gone when their layers are.
  const layersEndMs = clock.monotonicMs() + stepEndsMs;
  while ((await removeLayers(engine, layers, signal)) > 0 && clock.monotonicMs() < layersEndMs) {
    await sleep(clock, 250, signal);
  }
  await removeDanglingImages(engine, scope, signal);
}
