/** What a bot keeps: its /data, and the volumes that its images declared. */
import { type BotKey, volumeName } from '#common/ids.ts';
import { refuse } from '#common/problem.ts';
import { list, record, text, texts } from './answers.ts';
import { ownerLabels } from './container-options.ts';
import { isSizedVolume } from './disk/sized-names.ts';
import type { EngineClient } from './engine-client.ts';
import { hasStatus } from './engine-errors.ts';

interface VolumeMount {
  readonly Source: string;
  readonly VolumeOptions: { readonly Labels: Readonly<Record<string, string>> };
}

/** Makes the volumes of these mounts, with their labels; those that are there stay as they are. */
export async function makeVolumes(
  engine: EngineClient,
  mounts: readonly VolumeMount[],
  signal: AbortSignal,
): Promise<void> {
  for (const { Source, VolumeOptions } of mounts) {
    const body = { Name: Source, Driver: 'local', Labels: VolumeOptions.Labels };
    try {
      await engine.call({ method: 'POST', path: '/volumes/create', body }, signal);
    } catch (error) {
      // Podman refuses all but one of several concurrent requests, with 500.
      if (!hasStatus(error, 409, 500) || !(await hasVolume(engine, Source, signal))) throw error;
    }
  }
}

async function hasVolume(engine: EngineClient, name: string, signal: AbortSignal): Promise<boolean> {
  try {
    await engine.call({ method: 'GET', path: `/volumes/${encodeURIComponent(name)}` }, signal);
    return true;
  } catch (error) {
    if (hasStatus(error, 404)) return false;
    throw error;
  }
}

/** As ContainerRuntime.removeVolumes. Returns those that were file systems of their own, whose files are left. */
export async function removeBotVolumes(
  engine: EngineClient,
  { key, workerId }: { readonly key: BotKey; readonly workerId: string },
  signal: AbortSignal,
): Promise<readonly string[]> {
  const own = volumeName(key);
  // Another worker on this engine may have volumes of the same bot.
  const labels = Object.entries(ownerLabels({ key, workerId }));
  const label = labels.map(([name, value]) => `${name}=${value}`);
  const answer = record(await engine.call({ method: 'GET', path: '/volumes', query: { filters: { label } } }, signal));
  // Podman 4.3 lists those that have any of the labels.
  const owned = list(answer['Volumes'])
    .map(record)
    .filter(({ Labels }) => labels.every(([name, value]) => texts(Labels)[name] === value));
  const theirs = owned.filter(({ Name }) => text(Name) === own || text(Name).startsWith(`${own}_`));
  for (const name of theirs.map(({ Name }) => text(Name))) {
    try {
      await engine.call({ method: 'DELETE', path: `/volumes/${encodeURIComponent(name)}` }, signal);
    } catch (error) {
      if (hasStatus(error, 409)) refuse('CONTAINER_ERROR', 'The data of the bot is still in use.', { cause: error });
      if (!hasStatus(error, 404)) throw error;
    }
  }
  return theirs.filter(isSizedVolume).map(({ Name }) => text(Name));
}
