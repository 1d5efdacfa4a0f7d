/** Builds the image of simple mode: the worker's own Dockerfile on one of its base images. */
import { type Problem, problem } from '#common/problem.ts';
import { createBuildContext } from '../../images/build-context.ts';
import { buildFailure } from '../../images/build-failure.ts';
import type { BaseImages } from '../../images/build-settings.ts';
import { planInstall } from '../../images/install/install-plan.ts';
import type { SimpleBuild } from '../container-runtime.ts';
import { buildScope } from './build-scope.ts';
import { ownerLabels } from './container-options.ts';
import { type BuildDeps, runEngineBuild } from './engine-build.ts';
import { hasImage } from './images.ts';
import { pullBases } from './pull-bases.ts';

/** As ContainerRuntime.buildImage; also IMAGE_PULL_FAILED when the registry of an absent base cannot be reached. */
export async function buildSimpleImage(
  deps: BuildDeps & { readonly baseImages: BaseImages },
  build: SimpleBuild,
  signal: AbortSignal,
): Promise<void> {
  const { key, workerId, image, language, onOutput } = build;
  const install = await planInstall(build, signal);
  const scope = buildScope(key, workerId);
  const base = deps.baseImages[language];
  await pullBases(deps, [base], onOutput, signal);
  const hadBase = await hasImage(deps.engine, base, signal);
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
  await runEngineBuild(deps, request, signal);
}

function stepProblem(failure: string): string {
  const code = /(?:returned a non-zero code:|while running runtime: exit status) (\d+)/.exec(failure)?.[1];
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
