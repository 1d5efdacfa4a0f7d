/** The images of bots: whether there, and removing those that no one needs. */
import { type BotKey, imageRepository } from '#common/ids.ts';
import { labelNames } from '../labels.ts';
import { list, number, record, text } from './answers.ts';
import { buildScope, isCustom, removeDanglingImages, removeImage } from './build-scope.ts';
import { codeImageName, isCodeImage, versionOf } from './code-image-name.ts';
import type { CodeStore } from './code-store.ts';
import type { ImageFacts } from './container-options.ts';
import type { EngineClient } from './engine-client.ts';
import { hasStatus } from './engine-errors.ts';
import { isPackagesName, isWithoutCode } from './packages-image.ts';

/** Whether the engine has an image of that name. */
export async function hasImage(engine: EngineClient, image: string, signal: AbortSignal): Promise<boolean> {
  return (await imageNames(engine, image, signal)) !== undefined;
}

/** The same for an image to run: where the code is not in it, the worker has to have the code, or the image with it. */
export async function hasWholeImage(
  engine: EngineClient,
  code: CodeStore,
  image: string,
  signal: AbortSignal,
): Promise<boolean> {
  const names = await imageNames(engine, image, signal);
  if (names === undefined || !isWithoutCode(names)) return names !== undefined;
  return (await code.size(image)) !== undefined || hasImage(engine, codeImageName(image), signal);
}

/** All names of an image; undefined when it is not there. */
export async function imageNames(
  engine: EngineClient,
  image: string,
  signal: AbortSignal,
): Promise<readonly string[] | undefined> {
  try {
    const path = `/images/${encodeURIComponent(image)}/json`;
    return list(record(await engine.call({ method: 'GET', path }, signal))['RepoTags']).map(text);
  } catch (error) {
    if (hasStatus(error, 404)) return undefined;
    throw error;
  }
}

/** What the image says of how to run it. Throws EngineRefusal 404 when it is not there. */
export async function imageFacts(engine: EngineClient, image: string, signal: AbortSignal): Promise<ImageFacts> {
  const answer = await engine.call({ method: 'GET', path: `/images/${encodeURIComponent(image)}/json` }, signal);
  const config = record(record(answer)['Config']);
  return {
    user: text(config['User']),
    workDir: text(config['WorkingDir']),
    volumes: Object.keys(record(config['Volumes'])),
    healthIntervalsNs: ['Interval', 'StartInterval'].map((name) => number(record(config['Healthcheck'])[name])),
    env: list(config['Env']).map(text),
    configLength: JSON.stringify(config).length,
  };
}

/**
 * Removes what this worker built for the bot, with its code, but the names to keep and what is in use. An image of packages goes
 * with the last version that uses it.
 */
export async function removeBotImages(
  { engine, code }: { readonly engine: EngineClient; readonly code: CodeStore },
  { key, workerId }: { readonly key: BotKey; readonly workerId: string },
  keep: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const repository = imageRepository(key);
  // Another worker on this engine may have built images of the same name.
  const filters = { reference: [repository], label: [`${labelNames.workerId}=${workerId}`] };
  const found = list(await engine.call({ method: 'GET', path: '/images/json', query: { filters } }, signal)).map(
    record,
  );
  // The engine takes one of several names from an image also while a container was made by that name.
  const used = found.length === 0 ? [] : await usedImages(engine, signal);
  const needed = new Set([...keep, ...used].map(versionOf));
  const isUnneeded = (name: string) => !needed.has(versionOf(name));
  const images = found.map(({ RepoTags, Labels }) => ({
    Labels,
    names: list(RepoTags)
      .map((tag) => plainName(text(tag)))
      .filter((name) => name.startsWith(`${repository}:`)),
  }));
  // Those with code first: the packages under them stay as long as one is there, with a name or without.
  const isOnTop = ({ names }: { readonly names: readonly string[] }) => names.some(isCodeImage);
  const scope = buildScope(key, workerId);
  await removeDanglingImages(engine, scope, signal);
  for (const { names, Labels } of images.toSorted((a, b) => Number(isOnTop(b)) - Number(isOnTop(a)))) {
    const versions = names.filter((name) => !isPackagesName(key, name));
    const isNeeded = !versions.every(isUnneeded);
    for (const name of (isNeeded ? versions : names).filter(isUnneeded)) {
      await removeImage(engine, name, signal, isCustom(Labels));
    }
  }
  await code.removeAll(key, needed);
  await removeDanglingImages(engine, scope, signal);
}

/** The name that an image was given; Podman writes the registry out. */
export const plainName = (name: string): string => name.replace(/^(?:docker\.io\/library|localhost)\//, '');

/** The names by which containers of bots were made. */
export async function usedImages(engine: EngineClient, signal: AbortSignal): Promise<readonly string[]> {
  const query = { all: true, filters: { label: [`${labelNames.marker}=true`] } };
  const found = list(await engine.call({ method: 'GET', path: '/containers/json', query }, signal));
  return found.map((container) => plainName(text(record(container)['Image'])));
}
