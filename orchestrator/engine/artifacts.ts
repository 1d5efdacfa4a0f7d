/** Artifacts that come with a request, stored in the request's own commit. */
import type { Secret } from '#common/secret.ts';
import type { Tables } from '../store/store.ts';
import type { Change } from './change.ts';
import type { EngineContext } from './context.ts';
import type { NewJob } from './new-job.ts';
import { artifactSourceId, tokenKeyOf } from './token-ownership.ts';

/** Chunks are read back one by one; see ArtifactTable. */
export const artifactChunkBytes = 256 * 1024;

export function storeArtifact(
  context: EngineContext,
  { tx, now }: Change,
  userId: string,
  uploadId: string,
  { sha256, bytes, tokenSha256s }: NonNullable<NewJob['artifact']>,
): void {
  tx.artifacts.own(userId, sha256, now);
  putArtifactTokens(context.sealKey, tx, sha256, tokenSha256s);
  if (tx.artifacts.get(sha256) !== undefined) return;
  for (let n = 0; n * artifactChunkBytes < bytes.length; n++) {
    tx.artifacts.addChunk(uploadId, n, bytes.subarray(n * artifactChunkBytes, (n + 1) * artifactChunkBytes));
  }
  tx.artifacts.finish(uploadId, sha256, bytes.length, now);
}

/** Keeps which Telegram tokens are in an artifact, as keyed hashes. */
export function putArtifactTokens(
  sealKey: Secret<Uint8Array>,
  tx: Tables,
  sha256: string,
  tokenSha256s: readonly string[],
): void {
  const keys = tokenSha256s.map((tokenSha256) => tokenKeyOf(sealKey, tokenSha256));
  tx.sourceTokens.put(artifactSourceId(sha256), 0, undefined, keys);
}
