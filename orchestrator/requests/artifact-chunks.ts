/** The bytes of a stored artifact, chunk by chunk; nothing for one that is not there. */
import type { Store } from '../store/store.ts';

export function* artifactChunks(store: Store, sha256: string): Generator<Uint8Array> {
  const artifact = store.read.artifacts.get(sha256);
  for (let n = 0; artifact !== undefined; n++) {
    const chunk = store.read.artifacts.chunk(artifact.uploadId, n);
    if (chunk === undefined) return;
    yield chunk;
  }
}
