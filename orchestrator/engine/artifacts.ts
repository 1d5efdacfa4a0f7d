/** Artifacts that come with a request, stored in the request's own commit. */
import type { Change } from './change.ts';

/** Chunks are read back one by one; see ArtifactTable. */
export const artifactChunkBytes = 256 * 1024;

export function storeArtifact(
  { tx, now }: Change,
  userId: string,
  uploadId: string,
  { sha256, bytes }: { readonly sha256: string; readonly bytes: Uint8Array },
): void {
  tx.artifacts.own(userId, sha256, now);
  if (tx.artifacts.get(sha256) !== undefined) return;
  for (let n = 0; n * artifactChunkBytes < bytes.length; n++) {
    tx.artifacts.addChunk(uploadId, n, bytes.subarray(n * artifactChunkBytes, (n + 1) * artifactChunkBytes));
  }
  tx.artifacts.finish(uploadId, sha256, bytes.length, now);
}
