/** The operator's mirror of Docker Hub: what an image is called there. Pure. */
import type { ImageReference } from '#common/image-reference.ts';

const hubs: readonly (string | undefined)[] = [undefined, 'docker.io', 'index.docker.io', 'registry-1.docker.io'];

/**
 * The image of Docker Hub as the mirror names it; undefined for another registry's. `mirror` is HOST[:PORT][/PREFIX]. Hub's
 * official images have no folder in references, and "library" in every registry.
 */
export function mirrored(reference: ImageReference, mirror: string): ImageReference | undefined {
  const { registry, repository, ...version } = reference;
  if (!hubs.includes(registry)) return undefined;
  const [host, ...prefix] = mirror.split('/');
  const name = repository.includes('/') ? repository : `library/${repository}`;
  return { ...(host ? { registry: host } : {}), repository: [...prefix, name].join('/'), ...version };
}
