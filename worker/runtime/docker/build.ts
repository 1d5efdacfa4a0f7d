/** Builds the image of simple mode with the engine's classic builder, the only one that bounds what a build step may use. */
import { type Clock, sleep } from '#common/clock.ts';
import type { Logger } from '#common/log.ts';
import { type Problem, ProblemError, problem, refuse } from '#common/problem.ts';
import { type BuildContext, createBuildContext } from '../../images/build-context.ts';
import { buildFailure, createOutputTail } from '../../images/build-failure.ts';
import { type BaseImages, type BuildSettings, buildVariables, settingSecrets } from '../../images/build-settings.ts';
import type { SimpleBuild } from '../container-runtime.ts';
import { redact } from '../redact.ts';
import { type BuildReport, createBuildReport } from './build-output.ts';
import { buildScope, removeDanglingImages, removeImage, removeStepContainers } from './build-scope.ts';
import { ownerLabels } from './container-options.ts';
import type { EngineClient, Query } from './engine-client.ts';
import { EngineRefusal, sortedError } from './engine-errors.ts';
import { hasImage } from './images.ts';
import type { BotNetwork } from './network.ts';

export interface BuildDeps {
  readonly engine: EngineClient;
  readonly network: BotNetwork;
  readonly baseImages: BaseImages;
  readonly settings: BuildSettings;
  readonly clock: Clock;
  readonly logger: Logger;
}

const defaultMemoryBytes = 1024 * 1024 * 1024;
const defaultCpuMillis = 1000;
const cleanUpMs = 20_000;
const stepEndsMs = 10_000;

/** As ContainerRuntime.buildImage; also IMAGE_PULL_FAILED when the registry of an absent base cannot be reached. */
export async function buildSimpleImage(deps: BuildDeps, build: SimpleBuild, signal: AbortSignal): Promise<void> {
  const { engine, network } = deps;
  const scope = buildScope(build.key, build.workerId);
  const wasThere = await hasImage(engine, build.image, signal);
  await network.ensure(signal);
  // An engine that was killed during a build starts its step again when it comes back.
  await removeStepContainers(engine, scope, signal);
  const context = createBuildContext(build);
  try {
    await runBuild(deps, build, context, scope, signal);
  } catch (error) {
    await removeLeftovers(deps, scope, wasThere ? undefined : build.image);
    throw error;
  } finally {
    context.stream.destroy();
  }
  // What the image of that name was before has no name now.
  await removeDanglingImages(engine, scope, signal);
}

async function runBuild(
  deps: BuildDeps,
  build: SimpleBuild,
  context: BuildContext,
  scope: string,
  signal: AbortSignal,
): Promise<void> {
  const { engine, baseImages, settings } = deps;
  const base = baseImages[build.language];
  const hadBase = await hasImage(engine, base, signal);
  const tail = createOutputTail();
  const secrets = settingSecrets(settings);
  const report = createBuildReport((line) => {
    const shown = redact(line, secrets);
    tail.add(shown);
    build.onOutput(shown);
  });
  const query = buildQuery(deps, build, base, scope);
  await readReport(deps, report, context, query, signal);
  const failure = report.error();
  if (failure === undefined) {
    // A report that ended early looks like success; the image tells.
    if (await hasImage(engine, build.image, signal)) return;
    throw new ProblemError(buildFailure(tail.lines(), 'The build ended without an image.'));
  }
  if (!hadBase && !report.hasBase())
    throw new ProblemError(baseProblem(base, failure), { cause: redact(failure, secrets) });
  tail.add(redact(failure, secrets));
  throw new ProblemError(buildFailure(tail.lines(), stepProblem(failure)));
}

/** Parameters of POST /build. `pull` is not among them: an image that the engine has is used. */
function buildQuery({ network, settings }: BuildDeps, build: SimpleBuild, base: string, scope: string): Query {
  const memory = settings.memoryBytes ?? defaultMemoryBytes;
  return {
    t: build.image,
    buildargs: { BASE_IMAGE: base, BOT_SCOPE: scope, ...buildVariables(settings) },
    labels: ownerLabels(build),
    // Without forcerm every failed build leaves a container.
    rm: true,
    forcerm: true,
    networkmode: network.name,
    memory,
    memswap: memory,
    cpuperiod: 100_000,
    cpuquota: (settings.cpuMillis ?? defaultCpuMillis) * 100,
    // The builder has no limit of processes. This one counts all processes of the bots' uid on the host, so it is wide:
    // it is there against a fork bomb, not to share out.
    ulimits: JSON.stringify([
      { Name: 'nproc', Soft: 4096, Hard: 4096 },
      { Name: 'nofile', Soft: 4096, Hard: 4096 },
      { Name: 'core', Soft: 0, Hard: 0 },
    ]),
  };
}

async function readReport(
  { engine }: BuildDeps,
  report: BuildReport,
  context: BuildContext,
  query: Query,
  signal: AbortSignal,
): Promise<void> {
  try {
    const answer = await engine.stream({ method: 'POST', path: '/build', query, upload: context.stream }, signal);
    for await (const chunk of answer) report.push(chunk);
    report.end();
  } catch (error) {
    signal.throwIfAborted();
    // The source could not be read: then the engine only saw its upload break off.
    await context.done;
    const sorted = sortedError(error, 'POST /build', signal);
    if (!(sorted instanceof EngineRefusal)) throw sorted;
    refuse('BUILD_FAILED', `The container engine refused the build with status ${sorted.status}.`, { cause: sorted });
  }
}

function stepProblem(failure: string): string {
  const code = /returned a non-zero code: (\d+)/.exec(failure)?.[1];
  if (code === '137')
    return 'Installing the requirements was ended from outside: it probably took more memory than a build may.';
  if (code !== undefined) return `Installing the requirements failed with exit code ${code}.`;
  return 'The image could not be built.';
}

function baseProblem(base: string, failure: string): Problem {
  const absent = /manifest unknown|not found|pull access denied|does not exist|no such image|unauthorized/i.test(
    failure,
  );
  const hint = 'The operator sets the base images with BASE_IMAGE and NODE_BASE_IMAGE, or pulls them on the worker.';
  return absent
    ? problem('IMAGE_NOT_FOUND', `The base image ${base} is not on the worker, and its registry does not have it.`, {
        hint,
      })
    : problem(
        'IMAGE_PULL_FAILED',
        `The base image ${base} is not on the worker, and its registry could not be reached.`,
        {
          hint,
        },
      );
}

/** After a failure or an abort. Its own failure is only logged: the caller has a reason already, and it goes first. */
async function removeLeftovers(
  { engine, clock, logger }: BuildDeps,
  scope: string,
  image: string | undefined,
): Promise<void> {
  const signal = AbortSignal.timeout(cleanUpMs);
  try {
    // The engine takes a moment to notice an abort, and goes on with its step until then.
    const endMs = clock.monotonicMs() + stepEndsMs;
    for (let quiet = 0; quiet < 2 && clock.monotonicMs() < endMs; ) {
      quiet = (await removeStepContainers(engine, scope, signal)) === 0 ? quiet + 1 : 0;
      if (quiet < 2) await sleep(clock, 250, signal);
    }
    if (image !== undefined) await removeImage(engine, image, signal);
    await removeDanglingImages(engine, scope, signal);
  } catch (error) {
    logger.warn(
      { scope, err: error },
      'could not remove what a failed build left; the next build of this bot tries again',
    );
  }
}
