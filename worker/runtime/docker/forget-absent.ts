/** Forgets who may have images that the engine has no more. */
import type { Logger } from '#common/log.ts';
import type { PrivateImages } from '../../state/private-images.ts';
import { list, record, text } from './answers.ts';
import type { EngineClient } from './engine-client.ts';
import { hasImage, plainName } from './images.ts';

export interface ForgetDeps {
  readonly engine: EngineClient;
  readonly privateImages: PrivateImages;
  readonly logger: Logger;
}

const lookLimitMs = 5_000;

/** As PrivateImages.forgetAbsent. What cannot be looked at now is at a later pull, and keeps none from going on. */
export async function forgetAbsentImages(
  { engine, privateImages, logger }: ForgetDeps,
  userId: string,
  signal: AbortSignal,
): Promise<void> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(lookLimitMs)]);
  const isAbsent = async (name: string): Promise<boolean> =>
    name.includes('@') ? !(await hasImage(engine, name, limit)) : !(await hasAnyOf(engine, name, limit));
  try {
    await privateImages.forgetAbsent(userId, isAbsent);
  } catch (error) {
    signal.throwIfAborted();
    logger.warn({ err: error }, 'images that are gone could not be forgotten');
  }
}

/** Whether the engine has an image of the repository; Podman writes out the registry that it found a short name at. */
async function hasAnyOf(engine: EngineClient, repository: string, signal: AbortSignal): Promise<boolean> {
  const images = list(await engine.call({ method: 'GET', path: '/images/json' }, signal)).map(record);
  const names = images.flatMap(({ RepoTags, RepoDigests }) => [...list(RepoTags), ...list(RepoDigests)]);
  return names.some((name) => {
    const [own = ''] = plainName(text(name)).split(/@|:[^/]*$/);
    return own === repository || own.endsWith(`/${repository}`);
  });
}
