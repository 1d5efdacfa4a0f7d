/** The images of bots: whether there, and removing those that no one needs. */
import { type BotKey, imageRepository } from '#common/ids.ts';
import { labelNames } from '../labels.ts';
import { list, record, text } from './answers.ts';
import { buildScope, isCustom, removeDanglingImages, removeImage } from './build-scope.ts';
import type { ImageFacts } from './container-options.ts';
import type { EngineClient } from './engine-client.ts';
import { hasStatus } from './engine-errors.ts';

/** Whether the engine has an image of that name. */
export async function hasImage(engine: EngineClient, image: string, signal: AbortSignal): Promise<boolean> {
  try {
    await engine.call({ method: 'GET', path: `/images/${encodeURIComponent(image)}/json` }, signal);
    return true;
  } catch (error) {
    if (hasStatus(error, 404)) return false;
    throw error;
  }
}

/** What the image says of how to run it. Throws EngineRefusal 404 when it is not there. */
export async function imageFacts(engine: EngineClient, image: string, signal: AbortSignal): Promise<ImageFacts> {
  const answer = await engine.call({ method: 'GET', path: `/images/${encodeURIComponent(image)}/json` }, signal);
  const config = record(record(answer)['Config']);
  return {
    user: text(config['User']),
    volumes: Object.keys(record(config['Volumes'])),
    env: list(config['Env']).map(text),
  };
}

/** Removes what this worker built for the bot, but the names to keep and what is in use. */
export async function removeBotImages(
  engine: EngineClient,
  owner: { readonly key: BotKey; readonly workerId: string },
  keep: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const repository = imageRepository(owner.key);
  // Another worker on this engine may have built images of the same name.
  const filters = { reference: [repository], label: [`${labelNames.workerId}=${owner.workerId}`] };
  const found = list(await engine.call({ method: 'GET', path: '/images/json', query: { filters } }, signal));
  for (const { RepoTags, Labels } of found.map(record)) {
    for (const tag of list(RepoTags)) {
      // Podman writes the registry out.
      const name = text(tag).replace(/^docker\.io\/library\//, '');
      if (!name.startsWith(`${repository}:`) || keep.includes(name)) continue;
      await removeImage(engine, name, signal, isCustom(Labels));
    }
  }
  await removeDanglingImages(engine, buildScope(owner.key, owner.workerId), signal);
}
