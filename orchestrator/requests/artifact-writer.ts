/**
 * Stores a source as it comes: cut into chunks of one size, each sealed before it is written. What is written belongs to nothing until
 * it is made an artifact, and is dropped at the next start otherwise.
 */
import { createHash } from 'node:crypto';
import { ulid } from 'ulid';
import { nextTurn } from '#common/background.ts';
import { sealChunk } from '../store/seal.ts';
import { artifactChunkBytes } from '../store/workspace/sources.ts';
import type { StoredSources } from './artifact-chunks.ts';

export interface ArtifactWriter {
  readonly uploadId: string;
  write(bytes: Uint8Array): Promise<void>;
  /** Writes what is left. Of all bytes, before they were sealed. */
  end(): Promise<{ readonly sha256: string; readonly sizeBytes: number }>;
  discard(): Promise<void>;
}

export function createArtifactWriter({ store, sealKey }: StoredSources): ArtifactWriter {
  const uploadId = ulid();
  const hash = createHash('sha256');
  let sizeBytes = 0;
  let n = 0;
  // Filled and stored, whatever the size of the pieces is that come.
  const held = Buffer.alloc(artifactChunkBytes);
  let heldBytes = 0;
  const flush = async () => {
    const index = n++;
    const sealed = sealChunk(sealKey, uploadId, index, held.subarray(0, heldBytes));
    heldBytes = 0;
    await store.assertRoom();
    await store.change([], (tx) => tx.artifacts.addChunk(uploadId, index, sealed));
  };
  return {
    uploadId,
    async write(bytes) {
      hash.update(bytes);
      sizeBytes += bytes.length;
      for (let at = 0; at < bytes.length; ) {
        const part = bytes.subarray(at, at + artifactChunkBytes - heldBytes);
        held.set(part, heldBytes);
        heldBytes += part.length;
        at += part.length;
        if (heldBytes === artifactChunkBytes) await flush();
      }
    },
    async end() {
      if (heldBytes > 0) await flush();
      return { sha256: hash.digest('hex'), sizeBytes };
    },
    async discard() {
      await store.change([], (tx) => tx.artifacts.discardUpload(uploadId));
    },
  };
}

/** Bytes that are here at once, sealed, to be stored together with a job. */
export interface SealedUpload {
  readonly uploadId: string;
  readonly chunks: readonly Uint8Array[];
}

export async function sealUpload(sealKey: StoredSources['sealKey'], bytes: Uint8Array): Promise<SealedUpload> {
  const uploadId = ulid();
  const chunks: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += artifactChunkBytes) {
    // Others get their turn: a chunk takes a fraction of a millisecond, and there may be 64 of them.
    if (at > 0) await nextTurn();
    chunks.push(sealChunk(sealKey, uploadId, chunks.length, bytes.subarray(at, at + artifactChunkBytes)));
  }
  return { uploadId, chunks };
}
