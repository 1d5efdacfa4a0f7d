/** The bytes of a stored artifact, chunk by chunk; nothing for one that is not there. */
import type { Store } from '../store/store.ts';
import { wantArtifact } from '../store/want.ts';

export async function* artifactChunks(store: Store, sha256: string): AsyncGenerator<Uint8Array> {
  const artifact = await store.look([wantArtifact(sha256)], (tx) => tx.artifacts.get(sha256));
  for (let n = 0; artifact !== undefined; n++) {
    const chunk = await store.chunks.chunk(artifact.uploadId, n);
    if (chunk === undefined) return;
    yield chunk;
  }
}
