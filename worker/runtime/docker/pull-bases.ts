/** Gets the images that a build names from the operator's mirror of Docker Hub: the engine itself would ask Docker Hub. */
import { formatImageReference, type ImageReference, parseImageReference } from '#common/image-reference.ts';
import type { EngineClient } from './engine-client.ts';
import { hasImage } from './images.ts';
import { mirrored } from './mirror.ts';
import { type PullDeps, pullImage } from './pull.ts';

/**
 * Pulls the images that a build names and the engine lacks, and gives each the name the build knows it by. Images of other
 * registries, and those named by a digest, which cannot be given, are left to the engine. Throws as pullImage does.
 */
export async function pullBases(
  deps: PullDeps,
  bases: readonly string[],
  onOutput: (line: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const { engine, mirror } = deps;
  if (mirror === undefined) return;
  for (const base of new Set(bases)) {
    const reference = parseImageReference(base);
    if (!reference.ok || reference.value.digest !== undefined || !mirrored(reference.value, mirror)) continue;
    const name = formatImageReference(reference.value);
    if (await hasImage(engine, name, signal)) continue;
    const { pinned } = await pullImage(
      deps,
      { userId: '', reference: name, pull: false, credentials: undefined, onOutput },
      signal,
    );
    await tagImage(engine, pinned, reference.value, signal);
  }
}

async function tagImage(
  engine: EngineClient,
  image: string,
  { registry, repository, tag = 'latest' }: ImageReference,
  signal: AbortSignal,
): Promise<void> {
  const repo = registry === undefined ? repository : `${registry}/${repository}`;
  await engine.call({ method: 'POST', path: `/images/${encodeURIComponent(image)}/tag`, query: { repo, tag } }, signal);
}
