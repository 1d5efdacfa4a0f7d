/** ArtifactService: see proto/botrunner/v1/artifact_service.proto. Chunks go to the store as they come. */
import type { ServiceImpl } from '@connectrpc/connect';
import { inBackground } from '#common/background.ts';
import type { Clock } from '#common/clock.ts';
import { sha256Pattern } from '#common/ids.ts';
import { refuse } from '#common/problem.ts';
import type { ArtifactService, UploadArtifactRequest } from '#gen/botrunner/v1/artifact_service_pb.js';
import { putSearched } from '../../engine/source-findings.ts';
import { type ArtifactWriterParts, createArtifactWriter } from '../../requests/artifact-writer.ts';
import { createTarCheck } from '../../requests/tar-check.ts';
import { toProblem } from '../failures.ts';
import { type CallDeps, call } from './call.ts';

export interface ArtifactServiceDeps extends CallDeps, ArtifactWriterParts {
  readonly clock: Clock;
  readonly maxArtifactBytes: number;
}

/** Takes the pieces in; checks and searches the tar on the way. */
async function receive(deps: ArtifactServiceDeps, userId: string, pieces: AsyncIterable<UploadArtifactRequest>) {
  const { store, clock, maxArtifactBytes } = deps;
  const check = createTarCheck();
  const writer = createArtifactWriter(deps, { userId, createdAt: clock.wallMs() });
  let isNew = false;
  let expected = '';
  let sizeBytes = 0;
  try {
    for await (const piece of pieces) {
      expected ||= piece.expectedSha256;
      sizeBytes += piece.chunk.length;
      if (sizeBytes > maxArtifactBytes) {
        refuse('ARCHIVE_TOO_LARGE', `The artifact is larger than ${Math.round(maxArtifactBytes / 1_000_000)} MB.`, {
          details: { max_bytes: maxArtifactBytes },
        });
      }
      await check.write(piece.chunk);
      await writer.write(piece.chunk);
    }
    const searched = await check.end();
    const { sha256 } = await writer.end();
    if (expected !== '' && (!sha256Pattern.test(expected) || expected !== sha256)) {
      refuse('INVALID_ARCHIVE', 'The bytes do not have the expected sha256.', {
        details: { sha256 },
        hint: 'Upload again.',
      });
    }
    const now = clock.wallMs();
    isNew = await store.change([], (tx) => {
      const isUsed = tx.artifacts.finish(writer.uploadId, sha256, sizeBytes, now);
      tx.artifacts.own(userId, sha256, now);
      putSearched(deps.sealKey, tx, sha256, searched);
      return isUsed;
    });
    return { sha256, sizeBytes: BigInt(sizeBytes) };
  } finally {
    check.destroy();
    // Nobody waits for it.
    if (!isNew) inBackground(writer.discard(), (error) => toProblem(error, deps.logger));
  }
}

export function createArtifactService(deps: ArtifactServiceDeps): ServiceImpl<typeof ArtifactService> {
  return {
    uploadArtifact: call(deps, 'client', (pieces: AsyncIterable<UploadArtifactRequest>, { userId }) =>
      receive(deps, userId, pieces),
    ),
  };
}
