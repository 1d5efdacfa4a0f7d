/** WorkerService: see proto/botrunner/v1/worker_service.proto. */
import { create } from '@bufbuild/protobuf';
import type { ServiceImpl } from '@connectrpc/connect';
import { refuse } from '#common/problem.ts';
import {
  FetchArtifactResponseSchema,
  type TailLogsResponse,
  type WorkerService,
} from '#gen/botrunner/v1/worker_service_pb.js';
import { type SessionDeps, serveSession } from '../../fleet/session.ts';
import type { Tails } from '../../fleet/tails.ts';
import type { Store } from '../../store/store.ts';
import { type CallDeps, stream } from './call.ts';

export interface WorkerServiceDeps extends CallDeps {
  readonly session: SessionDeps;
  readonly tails: Tails;
  readonly store: Store;
}

async function* fetchArtifact(store: Store, sha256: string) {
  const artifact = store.read.artifacts.get(sha256);
  if (artifact === undefined) refuse('ARTIFACT_NOT_FOUND', 'There is no artifact with that sha256.');
  for (let n = 0; ; n++) {
    const chunk = store.read.artifacts.chunk(artifact.uploadId, n);
    if (chunk === undefined) return;
    yield create(FetchArtifactResponseSchema, { chunk });
  }
}

/** A stream that says nothing and ends with `over`. */
const silentUntil = (over: Promise<void>): AsyncIterable<TailLogsResponse> => ({
  [Symbol.asyncIterator]: () => ({ next: () => over.then(() => ({ done: true as const, value: undefined })) }),
});

export function createWorkerService(deps: WorkerServiceDeps): ServiceImpl<typeof WorkerService> {
  return {
    session: stream(deps, 'worker', (requests, _identity, context) =>
      serveSession(deps.session, requests, context.signal),
    ),
    tailLogs: stream(deps, 'worker', (requests, _identity, context) =>
      silentUntil(deps.tails.serve(requests, context.signal)),
    ),
    fetchArtifact: stream(deps, 'worker', ({ sha256 }) => fetchArtifact(deps.store, sha256)),
  };
}
