/** Brings a source to the orchestrator. */

import { createHash } from 'node:crypto';
import { ArtifactService } from '#gen/botrunner/v1/artifact_service_pb.js';
import type { Client } from '../calls/client.ts';
import { complain } from '../failures/errors.ts';
import { exitCodes } from '../failures/exit-codes.ts';
import type { Upload } from './source.ts';

/** 200 MB at about 1 Mbit/s; a line that is dead is noticed much earlier, by pings. */
const uploadTimeoutMs = 30 * 60_000;

/** Reads and uploads in one pass; returns the sha256 of the archive. Throws what reading or the call throws. */
export const uploadSource = (client: Client, upload: Upload, signal: AbortSignal): Promise<string> =>
  // Read anew each time: what has been sent is gone.
  client.patiently(() => uploadOnce(client, upload, signal));

async function uploadOnce(client: Client, upload: Upload, signal: AbortSignal): Promise<string> {
  const hash = createHash('sha256');
  let readFault: unknown;
  async function* messages() {
    try {
      for await (const chunk of upload.read(signal)) {
        hash.update(chunk);
        yield { chunk };
      }
    } catch (error) {
      // The call would report that its input failed, not why.
      readFault = error;
      throw error;
    }
  }
  const stored = await client
    .for(ArtifactService)
    .uploadArtifact(messages(), { signal, timeoutMs: uploadTimeoutMs })
    .catch((error: unknown) => Promise.reject(readFault ?? error));
  const sha256 = hash.digest('hex');
  if (stored.sha256 !== sha256) {
    throw complain(exitCodes.failed, 'INVALID_ARCHIVE', 'The files were damaged in transit.', 'Try again.');
  }
  return sha256;
}
