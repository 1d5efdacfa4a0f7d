/** WorkerService: see proto/botrunner/v1/worker_service.proto. */
import { create, fromBinary } from '@bufbuild/protobuf';
import type { ServiceImpl } from '@connectrpc/connect';
import { refuse } from '#common/problem.ts';
import {
  type FetchArtifactRequest,
  FetchArtifactResponseSchema,
  JoinResponseSchema,
  type SessionRequest,
  SessionRequestSchema,
  type SessionResponseSchema,
  type TailLogsResponseSchema,
  WorkerService,
} from '#gen/botrunner/v1/worker_service_pb.js';
import { serveSession, sessionResponses } from '../../fleet/open-session.ts';
import type { SessionDeps } from '../../fleet/session.ts';
import type { BotLogReader } from '../../logs/bot-log-reader.ts';
import { decodeTailMessage, type TailMessage, tailMessages } from '../../logs/log-batch.ts';
import { openChunk, sealedExtraBytes } from '../../store/seal.ts';
import type { Store } from '../../store/store.ts';
import { wantArtifact, wantBotsOfWorker } from '../../store/want.ts';
import { requireJoinToken, requireWorker } from '../auth.ts';
import type { WorkerCredentials } from '../worker-credentials.ts';
import { type CallDeps, call, silentUntil, stream } from './call.ts';
import type { DirectCall } from './direct-call.ts';
import { ownCall } from './own-stream.ts';
import { recursionLimit } from './request-body.ts';
import { mayFetch } from './worker-artifacts.ts';

export interface WorkerServiceDeps extends CallDeps {
  readonly session: SessionDeps;
  readonly botLogs: BotLogReader;
  readonly store: Store;
  readonly credentials: WorkerCredentials;
}

async function* fetchArtifact(
  { store, session }: WorkerServiceDeps,
  workerId: string,
  { sha256, offset: from }: FetchArtifactRequest,
) {
  if (from < 0n) refuse('MALFORMED_REQUEST', '"offset" is negative.', { details: { field: 'offset' } });
  // For a bot that is not placed there it does not exist, as for any stranger.
  const artifact = await store.look([wantBotsOfWorker(workerId), wantArtifact(sha256)], (tx) =>
    mayFetch(tx, session.sealKey, workerId, sha256) ? tx.artifacts.get(sha256) : undefined,
  );
  if (artifact === undefined) refuse('ARTIFACT_NOT_FOUND', 'There is no artifact with that sha256.');
  const { chunks } = store;
  let offset = 0n;
  for (let n = 0; ; n++) {
    const size = await chunks.chunkSize(artifact.uploadId, n);
    if (size === undefined) return;
    const end = offset + BigInt(size.storedBytes - (size.isSealed ? sealedExtraBytes : 0));
    if (end > from) {
      const stored = await chunks.chunk(artifact.uploadId, n);
      if (stored === undefined) return;
      const chunk = openChunk(session.sealKey, artifact.uploadId, n, stored);
      const skipped = from > offset ? Number(from - offset) : 0;
      yield create(FetchArtifactResponseSchema, { chunk: chunk.subarray(skipped), offset: offset + BigInt(skipped) });
    }
    offset = end;
  }
}

/** The session of a worker as ours speaks it, of which there may be thousands. */
export const createDirectSession = ({
  session,
}: Pick<WorkerServiceDeps, 'session'>): DirectCall<typeof SessionResponseSchema, SessionRequest> => ({
  method: WorkerService.method.session,
  scope: 'worker',
  decode: (bytes) => fromBinary(SessionRequestSchema, bytes, { recursionLimit }),
  serve: (requests, identity, { signal, send }) =>
    serveSession(session, requests, requireWorker(identity), signal, send),
});

/** The log of a bot as our workers send it: its lines are passed on as they are. */
export const createDirectTail = ({
  botLogs,
}: Pick<WorkerServiceDeps, 'botLogs'>): DirectCall<typeof TailLogsResponseSchema, TailMessage> => ({
  method: WorkerService.method.tailLogs,
  scope: 'worker',
  decode: decodeTailMessage,
  serve: (messages, identity, { signal }) => botLogs.serve(messages, signal, requireWorker(identity)),
});

export function createWorkerService(deps: WorkerServiceDeps): ServiceImpl<typeof WorkerService> {
  return {
    join: ownCall(deps, 'worker', JoinResponseSchema, async ({ workerId, credentialSha256 }, identity) => {
      requireJoinToken(identity);
      if (deps.tokens.has(credentialSha256)) {
        refuse('PERMISSION_DENIED', 'The credential is the token of somebody, who would be taken for this worker.', {
          hint: 'Let the worker make a credential of its own: remove the one in its DATA_DIR.',
        });
      }
      await deps.credentials.join(workerId, credentialSha256);
      return {};
    }),
    session: stream(deps, 'worker', (requests, identity, context) =>
      sessionResponses(deps.session, requests, requireWorker(identity), context.signal),
    ),
    tailLogs: stream(deps, 'worker', (requests, identity, context) =>
      silentUntil(deps.botLogs.serve(tailMessages(requests), context.signal, requireWorker(identity))),
    ),
    claimTokens: call(deps, 'worker', (request, identity) =>
      deps.session.engine.claimTokens(requireWorker(identity), request),
    ),
    fetchArtifact: stream(deps, 'worker', (request, identity) => fetchArtifact(deps, requireWorker(identity), request)),
  };
}
