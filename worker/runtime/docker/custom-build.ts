/** Builds the image of custom mode: the user's own Dockerfile, with the bounds and the clean-up of every build. */
import { createHash } from 'node:crypto';
import { type Problem, ProblemError, problem } from '#common/problem.ts';
import { buildFailure } from '../../images/build-failure.ts';
import { createCustomContext } from '../../images/custom-context.ts';
import { buildLabel } from '../../images/dockerfile.ts';
import { classicFrontend, engineFrontend, type Frontend } from '../../images/users-dockerfile/frontend.ts';
import { type Platform, platformOf } from '../../images/users-dockerfile/platform.ts';
import type { CustomBuild } from '../container-runtime.ts';
import { makeAddedImage } from './added-image.ts';
import { record, text } from './answers.ts';
import type { BuildEngine } from './build-engine.ts';
import { buildScope, customLabel, removeImage } from './build-scope.ts';
import { ownerLabels } from './container-options.ts';
import { type BuildDeps, runEngineBuild } from './engine-build.ts';
import type { EngineRefusal } from './engine-errors.ts';
import { judgeBases, ofBase } from './judge-bases.ts';
import { pullBases } from './pull-bases.ts';

/** As ContainerRuntime.buildCustomImage. */
export const buildCustomImage = (deps: BuildDeps, build: CustomBuild, signal: AbortSignal): Promise<void> =>
  deps.builders.during(build.key.userId, signal, (builder) => buildWith(deps, builder, build, signal));

async function buildWith(
  deps: BuildDeps,
  builder: BuildEngine,
  build: CustomBuild,
  signal: AbortSignal,
): Promise<void> {
  const { key, workerId, image, dockerfile, buildArgs = {}, target = '', onOutput } = build;
  const scope = buildScope(key, workerId);
  const addedImage = `${image}.added`;
  const about = await readBuilder(builder, signal);
  const terms = { ...about, buildArgs, target, cacheScope: cacheScope(key.userId, workerId), addedImage };
  const context = await createCustomContext({ ...build, terms });
  const { bases, added, unused } = context.images;
  if (context.leftOut.length > 0) onOutput(leftOutLine(context.leftOut));
  if (unused.length > 0) onOutput(unusedLine(unused));
  const owned = { ...ownerLabels(build), [buildLabel]: scope };
  try {
    for (const base of bases) {
      await builder.bringBase(base, onOutput, signal).catch((error: unknown) => {
        throw error instanceof ProblemError ? ofBase(error) : error;
      });
    }
    const onBuilder = { ...deps, engine: builder.client };
    await pullBases(onBuilder, bases, onOutput, signal);
    await judgeBases(onBuilder, context.images, { userId: key.userId, onOutput }, signal);
    if (added.length > 0) {
      // With its owner's labels it goes with the bot's images, if this worker is killed meanwhile.
      const files = { name: addedImage, labels: owned, files: added };
      await makeAddedImage(deps.fetchFile, builder.client, files, onOutput, signal);
    }
    // The labels go on the last step only: the layers below it are found by the report, or go with the image.
    const labels = { ...owned, [customLabel]: 'true' };
    const explain = { explain: explainFailure, explainRefusal };
    const request = { key, workerId, image, dockerfile, onOutput, context, labels, buildargs: buildArgs, ...explain };
    await runEngineBuild(deps, builder, request, signal);
  } finally {
    context.stream.destroy();
    if (added.length > 0) await removeAdded(deps, builder, scope, addedImage);
  }
}

/** What the builder builds on and for, and which Dockerfiles it understands. */
async function readBuilder(
  { kind, client }: BuildEngine,
  signal: AbortSignal,
): Promise<{ readonly platform: Platform; readonly frontend: Frontend }> {
  const { OSType, Architecture } = record(await client.call({ method: 'GET', path: '/info' }, signal));
  const { Arch, Version } = record(await client.call({ method: 'GET', path: '/version' }, signal));
  return {
    platform: platformOf(text(OSType) || 'linux', text(Arch), text(Architecture)),
    frontend: kind === 'buildkit' ? engineFrontend(text(Version)) : classicFrontend,
  };
}

/** Two users never share a cache, whatever name they give it; the bots of one do. */
const cacheScope = (userId: string, workerId: string): string =>
  `u${createHash('sha256')
    .update(JSON.stringify([workerId, userId]))
    .digest('hex')
    .slice(0, 24)}`;

const removeMs = 30_000;

async function removeAdded(
  deps: BuildDeps,
  { client, leftovers }: BuildEngine,
  scope: string,
  name: string,
): Promise<void> {
  const remove = async () => {
    await removeImage(client, name, AbortSignal.timeout(removeMs), true);
  };
  try {
    await remove();
  } catch (error) {
    leftovers.owe(`${scope} added`, remove);
    deps.logger.debug({ scope, err: error }, 'the files that a build added could not be removed yet');
  }
}

const unusedLine = (names: readonly string[]): string =>
  `Build arguments that no ARG of the Dockerfile asks for: ${names.join(', ')}.`;

const namedMax = 10;

const leftOutLine = (leftOut: readonly string[]): string =>
  `Left out of the source: ${leftOut.slice(0, namedMax).join('; ')}${
    leftOut.length > namedMax ? `; and ${leftOut.length - namedMax} more` : ''
  }.`;

function explainFailure(failure: string, hasBase: boolean, tail: readonly string[]): Problem {
  const { command, code } = failedStep(failure);
  if (code === '137') {
    return buildFailure(tail, `A step was killed, probably for lack of memory: ${command}`);
  }
  if (code !== '') return buildFailure(tail, `A step of the Dockerfile failed with exit code ${code}: ${command}`);
  // The Dockerfile itself was looked through before; a base image can have ONBUILD steps of its own.
  if (/requires? BuildKit|the --\w+ option/i.test(failure)) {
    return buildFailure(
      tail,
      'A step of the base image (ONBUILD) needs BuildKit, which Bot Runner does not use.',
      'Use the base image without ONBUILD, and write its steps into the Dockerfile.',
    );
  }
  if (!hasBase && /manifest unknown|not found|pull access denied|unauthorized|no such host|connection/i.test(failure)) {
    return buildFailure(
      tail,
      'The image after FROM could not be pulled.',
      'Check its name and tag; the end of the build output says more.',
    );
  }
  return buildFailure(tail, 'A step of the Dockerfile failed.', 'The end of the build output says which and why.');
}

/**
 * BuildKit says: process "COMMAND" did not complete successfully: exit code: CODE; in Docker 20.10, executor failed running
 * [COMMAND]: exit code: CODE. The classic builder: The command 'COMMAND' returned a non-zero code: CODE. Podman says: building at STEP "RUN COMMAND": while running
 * runtime: exit status CODE. The command is the user's text, and may hold such words itself.
 */
function failedStep(failure: string): { readonly command: string; readonly code: string } {
  for (const { before, behind } of stepWords) {
    const end = failure.lastIndexOf(behind);
    const code = end < 0 ? '' : (/^(\d{1,3})\s*$/.exec(failure.slice(end + behind.length))?.[1] ?? '');
    if (!failure.startsWith(before) || code === '') continue;
    return { command: failure.slice(before.length, Math.min(end, before.length + commandMaxLength)), code };
  }
  return { command: '', code: '' };
}
const commandMaxLength = 200;
const stepWords = [
  { before: 'process "', behind: '" did not complete successfully: exit code: ' },
  { before: 'executor failed running [', behind: ']: exit code: ' },
  { before: "The command '", behind: "' returned a non-zero code: " },
  { before: 'building at STEP "RUN ', behind: '": while running runtime: exit status ' },
] as const;

/** The engine's text is parsed: only what is in the user's own Dockerfile is shown. */
function explainRefusal({ status, text }: EngineRefusal): Problem {
  const line = /parse error (?:on )?line (\d+)/i.exec(text)?.[1];
  const instruction = /unknown instruction: ([A-Za-z]{1,40})/i.exec(text)?.[1];
  const where = line === undefined ? '' : ` in line ${line}`;
  if (instruction !== undefined) {
    return problem('BUILD_FAILED', `The Dockerfile has an unknown instruction${where}: ${instruction}.`);
  }
  if (status === 400 || line !== undefined) {
    return problem('BUILD_FAILED', `The Dockerfile cannot be parsed${where}.`, {
      hint: 'Check it with: docker build .',
    });
  }
  return problem('BUILD_FAILED', `The container engine refused the build with status ${status}.`);
}
