/** The bytes of a stored artifact, chunk by chunk; nothing for one that is not there. */
import type { Secret } from '#common/secret.ts';
import { openChunk } from '../store/seal.ts';
import type { Store } from '../store/store.ts';
import { wantArtifact } from '../store/want.ts';

export interface StoredSources {
  readonly store: Store;
  readonly sealKey: Secret<Uint8Array>;
}

/** Throws ProblemError ARTIFACT_NOT_FOUND for one that can no longer be decrypted. */
export async function* artifactChunks({ store, sealKey }: StoredSources, sha256: string): AsyncGenerator<Uint8Array> {
  const artifact = await store.look([wantArtifact(sha256)], (tx) => tx.artifacts.get(sha256));
  for (let n = 0; artifact !== undefined; n++) {
    const chunk = await store.chunks.chunk(artifact.uploadId, n);
    if (chunk === undefined) return;
    yield openChunk(sealKey, artifact.uploadId, n, chunk);
  }
}
