/** ArtifactService: see proto/botrunner/v1/artifact_service.proto. Chunks go to the store as they come. */
import { createHash } from 'node:crypto';
import type { ServiceImpl } from '@connectrpc/connect';
import { ulid } from 'ulid';
import type { Clock } from '#common/clock.ts';
import { sha256Pattern } from '#common/ids.ts';
import { refuse } from '#common/problem.ts';
import type { Secret } from '#common/secret.ts';
import type { ArtifactService, UploadArtifactRequest } from '#gen/botrunner/v1/artifact_service_pb.js';
import { putArtifactTokens } from '../../engine/token-ownership.ts';
import { createTarCheck } from '../../requests/tar-check.ts';
import type { Store } from '../../store/store.ts';
import { artifactChunkBytes } from '../../store/workspace/sources.ts';
import { type CallDeps, call } from './call.ts';

export interface ArtifactServiceDeps extends CallDeps {
  readonly store: Store;
  readonly clock: Clock;
  readonly sealKey: Secret<Uint8Array>;
  readonly maxArtifactBytes: number;
}

/** Takes the pieces in, in chunks of one size; checks the tar on the way. */
async function receive(deps: ArtifactServiceDeps, userId: string, pieces: AsyncIterable<UploadArtifactRequest>) {
  const { store, clock, maxArtifactBytes } = deps;
  const uploadId = ulid();
  const hash = createHash('sha256');
  const check = createTarCheck();
  let expected = '';
  let sizeBytes = 0;
  let n = 0;
  // Filled and stored, whatever the size of the pieces is that a client sends.
  const held = Buffer.alloc(artifactChunkBytes);
  let heldBytes = 0;
  const flush = async () => {
    const [index, bytes] = [n++, Buffer.from(held.subarray(0, heldBytes))];
    heldBytes = 0;
    await store.assertRoom();
    await store.change([], (tx) => tx.artifacts.addChunk(uploadId, index, bytes));
  };
  const keep = async (chunk: Uint8Array) => {
    for (let at = 0; at < chunk.length; ) {
      const part = chunk.subarray(at, at + artifactChunkBytes - heldBytes);
      held.set(part, heldBytes);
      heldBytes += part.length;
      at += part.length;
      if (heldBytes === artifactChunkBytes) await flush();
    }
  };
  try {
    for await (const piece of pieces) {
      expected ||= piece.expectedSha256;
      sizeBytes += piece.chunk.length;
      if (sizeBytes > maxArtifactBytes) {
        refuse('ARCHIVE_TOO_LARGE', `The artifact is larger than ${Math.round(maxArtifactBytes / 1_000_000)} MB.`, {
          details: { max_bytes: maxArtifactBytes },
        });
      }
      hash.update(piece.chunk);
      await check.write(piece.chunk);
      await keep(piece.chunk);
    }
    const tokenSha256s = await check.end();
    if (heldBytes > 0) await flush();
    const sha256 = hash.digest('hex');
    if (expected !== '' && (!sha256Pattern.test(expected) || expected !== sha256)) {
      refuse('INVALID_ARCHIVE', 'The bytes do not have the expected sha256.', {
        details: { sha256 },
        hint: 'Upload again.',
      });
    }
    const now = clock.wallMs();
    await store.change([], (tx) => {
      tx.artifacts.finish(uploadId, sha256, sizeBytes, now);
      tx.artifacts.own(userId, sha256, now);
      putArtifactTokens(deps.sealKey, tx, sha256, tokenSha256s);
    });
    return { sha256, sizeBytes: BigInt(sizeBytes) };
  } catch (error) {
    await store.change([], (tx) => tx.artifacts.discardUpload(uploadId));
    throw error;
  } finally {
    check.destroy();
  }
}

export function createArtifactService(deps: ArtifactServiceDeps): ServiceImpl<typeof ArtifactService> {
  return {
    uploadArtifact: call(deps, 'client', (pieces: AsyncIterable<UploadArtifactRequest>, { userId }) =>
      receive(deps, userId, pieces),
    ),
  };
}
