/**
 * Stores a source as it comes: cut into chunks of one size, each sealed before it is written. What is written belongs to nothing until
 * it is made an artifact, and is dropped at the next start otherwise.
 */
import { createHash } from 'node:crypto';
import { ulid } from 'ulid';
import { nextTurn } from '#common/background.ts';
import { unwrap } from '#common/problem.ts';
import type { LimitSettings } from '../core/user-limits.ts';
import { roomForSource } from '../engine/read.ts';
import { sealChunk } from '../store/seal.ts';
import { removeUploads } from '../store/upload-removal.ts';
import { artifactChunkBytes } from '../store/workspace/sources.ts';
import type { StoredSources } from './artifact-chunks.ts';

export interface ArtifactWriter {
  readonly uploadId: string;
  write(bytes: Uint8Array): Promise<void>;
  /** Writes what is left. Of all bytes, before they were sealed. */
  end(): Promise<{ readonly sha256: string; readonly sizeBytes: number }>;
  /** It has become no artifact: what was written does not count any more, and is removed. */
  discard(): Promise<void>;
}

export interface ArtifactWriterParts extends StoredSources {
  readonly limits: LimitSettings;
  /** Removes the sources that nothing of the user needs now; whether there were any. */
  readonly freeSources: (userId: string) => Promise<boolean>;
}

/** `owner`: whose upload it is, and since when. Writing rejects with STORAGE_FULL, and with QUOTA_EXCEEDED. */
export function createArtifactWriter(
  parts: ArtifactWriterParts,
  owner: { readonly userId: string; readonly createdAt: number },
): ArtifactWriter {
  const { store, sealKey } = parts;
  const uploadId = ulid();
  const upload = { ...owner, uploadId };
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
    await storeChunk(parts, upload, index, sealed);
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
      if (n === 0) return;
      await store.change([], (tx) => tx.artifacts.discardUpload(uploadId));
      await removeUploads(store, [uploadId], never);
    },
  };
}

const never = new AbortController().signal;

/**
 * Refuses with QUOTA_EXCEEDED when the user has no room for it. The upload is over then, and what there is of it does not count any more: of
 * those that come at once, as many are taken as fit.
 */
async function storeChunk(
  { store, limits, freeSources }: ArtifactWriterParts,
  upload: { readonly uploadId: string; readonly userId: string; readonly createdAt: number },
  n: number,
  sealed: Uint8Array,
): Promise<void> {
  await store.assertRoom();
  const grow = (isLastTry: boolean) =>
    store.change([], (tx) => {
      const fits = roomForSource(limits, tx, upload.userId, sealed.length);
      if (fits.ok) tx.artifacts.growUpload(upload, n, sealed);
      else if (isLastTry) tx.artifacts.discardUpload(upload.uploadId);
      return fits;
    });
  const fits = await grow(false);
  if (fits.ok) return;
  await freeSources(upload.userId);
  unwrap(await grow(true));
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
