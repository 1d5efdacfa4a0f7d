/** The images of bots: whether there, and removing those that no one needs. */
import { type BotKey, imageRepository } from '#common/ids.ts';
import { labelNames } from '../labels.ts';
import { list, record } from './answers.ts';
import { buildScope, removeDanglingImages, removeImage } from './build-scope.ts';
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
  const names = found.flatMap((image) => list(record(image)['RepoTags'])).filter((name) => typeof name === 'string');
  for (const name of names) {
    if (name.startsWith(`${repository}:`) && !keep.includes(name)) await removeImage(engine, name, signal);
  }
  await removeDanglingImages(engine, buildScope(owner.key, owner.workerId), signal);
}
