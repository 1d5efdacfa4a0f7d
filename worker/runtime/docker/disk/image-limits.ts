/** How large images of bots may be, and that making them leaves the engine space for what runs. */
import { ProblemError, problem } from '#common/problem.ts';
import type { ProblemCode } from '#common/problem-codes.ts';
import type { CustomBuild, ImagePull, PulledImage, SimpleBuild } from '../../container-runtime.ts';
import { number, record, text } from '../answers.ts';
import type { EngineClient } from '../engine-client.ts';
import { hasStatus } from '../engine-errors.ts';
import type { EngineDisk } from './disk.ts';
import type { NeededImages } from './prune-images.ts';

export interface ImageLimitDeps {
  readonly engine: EngineClient;
  readonly disk: EngineDisk;
  readonly needed: NeededImages;
}

/** A build whose image is too large fails with BUILD_FAILED, and the image is removed. */
export async function withImageLimits(
  deps: ImageLimitDeps,
  { image }: Pick<SimpleBuild | CustomBuild, 'image'>,
  signal: AbortSignal,
  build: (limit: AbortSignal) => Promise<void>,
): Promise<void> {
  const what = 'The image is not built';
  await deps.needed.during(image, async () => {
    await deps.disk.roomFor(what, signal);
    await deps.disk.guarded(what, signal, build);
    await refuseLarge(deps, image, 'BUILD_FAILED', true, signal);
  });
}

/** A pulled image that is too large fails with IMAGE_PULL_FAILED, and is removed unless it was there before. */
export async function withPullLimits(
  deps: ImageLimitDeps,
  pull: Pick<ImagePull, 'reference'>,
  signal: AbortSignal,
  work: (limit: AbortSignal) => Promise<PulledImage>,
): Promise<PulledImage> {
  const what = `${pull.reference} is not pulled`;
  await deps.disk.roomFor(what, signal);
  const before = await sizeOf(deps.engine, pull.reference, signal);
  const pulled = await deps.disk.guarded(what, signal, work);
  await refuseLarge(deps, pulled.pinned, 'IMAGE_PULL_FAILED', before === undefined, signal);
  return pulled;
}

async function refuseLarge(
  { engine, disk }: ImageLimitDeps,
  image: string,
  code: ProblemCode,
  remove: boolean,
  signal: AbortSignal,
): Promise<void> {
  const { imageBytes } = disk.settings;
  const size = await sizeOf(engine, image, signal);
  if (size === undefined || size.bytes <= imageBytes) return;
  if (remove) {
    for (const name of size.names.length === 0 ? [image] : size.names) await removeImage(engine, name, signal);
  }
  throw new ProblemError(tooLarge(code, size.bytes, imageBytes));
}

const units = (bytes: number): string =>
  bytes >= 1024 ** 3 ? `${(bytes / 1024 ** 3).toFixed(1)} GiB` : `${Math.ceil(bytes / 1024 ** 2)} MiB`;

/** `bytes` is what is known of it, which is less than all of it while it is being pulled. */
export const tooLarge = (code: ProblemCode, bytes: number, maxBytes: number) =>
  problem(code, `The image takes ${units(bytes)}; at most ${units(maxBytes)} are allowed on this worker.`, {
    hint: 'Use a slim base image, and remove caches and build tools in the step that made them.',
  });

async function sizeOf(engine: EngineClient, image: string, signal: AbortSignal) {
  try {
    const found = record(await engine.call({ method: 'GET', path: `/images/${image}/json` }, signal));
    const names = [found['RepoTags'], found['RepoDigests']].flatMap((list) =>
      Array.isArray(list) ? list.map(text) : [],
    );
    return { bytes: number(found['Size']), names };
  } catch (error) {
    if (hasStatus(error, 404, 400)) return undefined;
    throw error;
  }
}

async function removeImage(engine: EngineClient, image: string, signal: AbortSignal): Promise<void> {
  try {
    await engine.call({ method: 'DELETE', path: `/images/${image}`, slow: true }, signal);
  } catch (error) {
    // Gone, or in use by somebody.
    if (!hasStatus(error, 404, 409)) throw error;
  }
}
