/**
 * Makes the image of simple mode: the packages by the worker's own Dockerfile on one of its base images, or the image of the
 * same packages that is there already; the code beside it, for the container.
 */
import { type Problem, problem } from '#common/problem.ts';
import { createBuildContext } from '../../images/build-context.ts';
import { buildFailure } from '../../images/build-failure.ts';
import type { BaseImages } from '../../images/build-settings.ts';
import { type InstallPlan, planInstall } from '../../images/install/install-plan.ts';
import type { SimpleBuild } from '../container-runtime.ts';
import type { SigningKey } from '../labels.ts';
import type { BuildEngine } from './build-engine.ts';
import { buildScope, removeImage } from './build-scope.ts';
import { codeImageName } from './code-image-name.ts';
import type { CodeStore } from './code-store.ts';
import { ownerLabels } from './container-options.ts';
import { type BuildDeps, runEngineBuild } from './engine-build.ts';
import { hasImage } from './images.ts';
import { imageId, nameImage, packagesImageName } from './packages-image.ts';
import { pullBases } from './pull-bases.ts';

export interface SimpleBuildDeps extends BuildDeps {
  readonly baseImages: BaseImages;
  readonly code: CodeStore;
  readonly signingKey: SigningKey;
}

/** As ContainerRuntime.buildImage; also IMAGE_PULL_FAILED when the registry of an absent base cannot be reached. */
export async function buildSimpleImage(deps: SimpleBuildDeps, build: SimpleBuild, signal: AbortSignal): Promise<void> {
  const install = await planInstall(build, signal);
  if (install?.how === 'in_place') {
    await deps.code.remove(build.image);
    await removeImage(deps.engine, codeImageName(build.image), signal);
    return runBuild(deps, build, install, signal);
  }
  await withCode(deps, build, signal, async () => {
    if (await usePackages(deps, build, install, await packagesNameOf(deps, build, install, signal), signal)) return;
    await runBuild(deps, build, install, signal);
    const name = await packagesNameOf(deps, build, install, signal);
    if (name !== undefined) await nameImage(deps.engine, build.image, name, signal);
  });
}

/** As ContainerRuntime.reuseImage. */
export async function reuseSimpleImage(
  deps: SimpleBuildDeps,
  build: SimpleBuild,
  signal: AbortSignal,
): Promise<boolean> {
  const install = await planInstall(build, signal);
  if (install?.how === 'in_place') return false;
  const name = await packagesNameOf(deps, build, install, signal);
  if (name === undefined || !(await hasImage(deps.engine, name, signal))) return false;
  return withCode(deps, build, signal, () => usePackages(deps, build, install, name, signal));
}

/** The code is kept first: an image of that name is useless without it, while code without an image is only a file. */
async function withCode<T>(
  { code }: SimpleBuildDeps,
  { image, sourceTar }: SimpleBuild,
  signal: AbortSignal,
  work: () => Promise<T>,
): Promise<T> {
  const taken = await code.take(sourceTar, signal);
  try {
    await taken.keepAs(image);
    return await work();
  } catch (error) {
    await taken.drop();
    await code.remove(image);
    throw error;
  }
}

/** Undefined while the engine does not have the base image. */
async function packagesNameOf(
  { engine, baseImages, settings, signingKey }: SimpleBuildDeps,
  build: SimpleBuild,
  install: InstallPlan | undefined,
  signal: AbortSignal,
): Promise<string | undefined> {
  const baseId = await imageId(engine, baseImages[build.language], signal);
  return baseId === undefined ? undefined : packagesImageName(signingKey, build, { baseId, install, settings });
}

/** Takes the image of the same packages, if it is there. */
async function usePackages(
  { engine }: SimpleBuildDeps,
  build: SimpleBuild,
  install: InstallPlan | undefined,
  name: string | undefined,
  signal: AbortSignal,
): Promise<boolean> {
  if (name === undefined || !(await nameImage(engine, name, build.image, signal))) return false;
  if (install !== undefined) build.onOutput('the packages are the same as before: they are not installed again');
  return true;
}

const runBuild = (
  deps: SimpleBuildDeps,
  build: SimpleBuild,
  install: InstallPlan | undefined,
  signal: AbortSignal,
): Promise<void> =>
  deps.builders.during(build.key.userId, signal, (builder) => buildWith(deps, builder, build, install, signal));

async function buildWith(
  deps: SimpleBuildDeps,
  builder: BuildEngine,
  build: SimpleBuild,
  install: InstallPlan | undefined,
  signal: AbortSignal,
): Promise<void> {
  const { key, workerId, image, language, onOutput } = build;
  const scope = buildScope(key, workerId);
  const base = deps.baseImages[language];
  await builder.bringBase(base, onOutput, signal);
  await pullBases({ ...deps, engine: builder.client }, [base], onOutput, signal);
  const hadBase = await hasImage(builder.client, base, signal);
  const request = {
    key,
    workerId,
    image,
    onOutput,
    context: createBuildContext({ ...build, scope, install }),
    buildargs: { BASE_IMAGE: base },
    labels: ownerLabels(build),
    explain: (failure: string, hasBase: boolean, tail: readonly string[]) =>
      !hadBase && !hasBase ? baseProblem(base, failure) : buildFailure(tail, stepProblem(failure)),
    explainRefusal: ({ status }: { readonly status: number }) =>
      problem('BUILD_FAILED', `The container engine refused the build with status ${status}.`),
  };
  await runEngineBuild(deps, builder, request, signal);
}

function stepProblem(failure: string): string {
  const code = /(?:returned a non-zero code:|while running runtime: exit status|: exit code:) (\d+)/.exec(failure)?.[1];
  if (code === '137') return 'Installing the requirements was killed: it probably used more memory than a build may.';
  if (code !== undefined) return `Installing the requirements failed with exit code ${code}.`;
  return 'The image could not be built.';
}

function baseProblem(base: string, failure: string): Problem {
  const absent = /manifest unknown|not found|pull access denied|does not exist|no such image|unauthorized/i.test(
    failure,
  );
  const hint = 'The operator can set BASE_IMAGE and NODE_BASE_IMAGE, or pull the images on the worker.';
  return absent
    ? problem('IMAGE_NOT_FOUND', `The worker does not have the base image ${base}, and neither has its registry.`, {
        hint,
      })
    : problem(
        'IMAGE_PULL_FAILED',
        `The worker does not have the base image ${base}, and its registry could not be reached.`,
        {
          hint,
        },
      );
}
