/**
 * Everything that building for one bot on one worker makes in the engine carries one label: layers, and the containers
 * that build steps run in. This finds and removes what a failed, aborted or superseded build left.
 */
import { type BotKey, botHash } from '#common/ids.ts';
import { buildLabel } from '../../images/dockerfile.ts';
import { labelNames } from '../labels.ts';
import { list, record, text, texts } from './answers.ts';
import type { EngineClient } from './engine-client.ts';
import { hasStatus } from './engine-errors.ts';

/** The value of the label; both parts have patterns of their own and hold no dot. */
export const buildScope = (key: BotKey, workerId: string): string => `${workerId}.${botHash(key)}`;

/**
 * Label of images whose layers come from a Dockerfile of a user: these layers do not carry the label of the build, so they
 * have to go together with the image.
 */
export const customLabel = 'bot_runner.custom';

/** A chain of layers is removed from its end; far more rounds than a Dockerfile of ours has steps. */
const roundsMax = 64;

/** Removes images of the scope that have no name and that no image or container builds on. */
export async function removeDanglingImages(engine: EngineClient, scope: string, signal: AbortSignal): Promise<void> {
  const query = { filters: { label: [`${buildLabel}=${scope}`], dangling: ['true'] } };
  const kept = new Set<string>();
  for (let round = 0; round < roundsMax; round += 1) {
    const found = list(await engine.call({ method: 'GET', path: '/images/json', query }, signal));
    const fresh = found.map(record).filter(({ Id }) => text(Id) !== '' && !kept.has(text(Id)));
    if (fresh.length === 0) return;
    for (const { Id, Labels } of fresh) {
      // An image in use stays; asking for it again would not end.
      if (!(await removeImage(engine, text(Id), signal, isCustom(Labels)))) kept.add(text(Id));
    }
  }
}

export const isCustom = (labels: unknown): boolean => texts(labels)[customLabel] !== undefined;

/** Removes an image by name or id, never by force; with the layers below that nothing else uses only if asked. False when it is in use. */
export async function removeImage(
  engine: EngineClient,
  image: string,
  signal: AbortSignal,
  withLayers = false,
): Promise<boolean> {
  try {
    // noprune: the layers below may be what another build is just building on.
    const path = `/images/${encodeURIComponent(image)}`;
    await engine.call({ method: 'DELETE', path, query: { noprune: !withLayers } }, signal);
    return true;
  } catch (error) {
    if (hasStatus(error, 404)) return true;
    if (hasStatus(error, 409)) return false;
    throw error;
  }
}

/**
 * Removes layers that a build which failed had made, if they are nothing else by now: named, or in use. Newest first.
 * Returns how many are in use: a step that has not ended yet holds the layer below it.
 */
export async function removeLayers(engine: EngineClient, ids: readonly string[], signal: AbortSignal): Promise<number> {
  let inUse = 0;
  for (const id of ids.toReversed()) {
    try {
      const image = record(await engine.call({ method: 'GET', path: `/images/${id}/json` }, signal));
      if (list(image['RepoTags']).length + list(image['RepoDigests']).length > 0) continue;
      if (!(await removeImage(engine, id, signal))) inUse += 1;
    } catch (error) {
      // 404: gone with a layer above it.
      if (!hasStatus(error, 404)) throw error;
    }
  }
  return inUse;
}

/** Removes containers of build steps of the scope. Returns how many there were. */
export async function removeStepContainers(engine: EngineClient, scope: string, signal: AbortSignal): Promise<number> {
  const query = { all: true, filters: { label: [`${buildLabel}=${scope}`] } };
  const found = list(await engine.call({ method: 'GET', path: '/containers/json', query }, signal));
  // Bots have the label too, but empty: they are created with it so. Their signature is looked at for good measure; the marker
  // would not do, since the step that puts it on an image has it too.
  const steps = found.map(record).filter(({ Labels }) => texts(Labels)[labelNames.signature] === undefined);
  for (const step of steps) {
    try {
      const path = `/containers/${text(step['Id'])}`;
      await engine.call({ method: 'DELETE', path, query: { force: true, v: true } }, signal);
    } catch (error) {
      // The builder removes them itself at the same time.
      if (!hasStatus(error, 404, 409)) throw error;
    }
  }
  return steps.length;
}
