/**
 * The worker's way to one orchestrator: gRPC over @grpc/grpc-js, with messages of protobuf-es. Two connections: one for
 * the session alone, one for what is large (logs, artifacts), so that a full pipe never holds up a command or a heartbeat.
 */
import { create, fromBinary, type MessageInitShape } from '@bufbuild/protobuf';
import {
  Client,
  type ClientDuplexStream,
  type ClientReadableStream,
  credentials,
  Metadata,
  type ServiceError,
  type StatusObject,
  status,
} from '@grpc/grpc-js';
import type { Secret } from '#common/secret.ts';
import { ErrorDetailSchema } from '#gen/botrunner/v1/error_pb.js';
import {
  ClaimTokensRequestSchema,
  type ClaimTokensResponse,
  FetchArtifactRequestSchema,
  type FetchArtifactResponse,
  JoinRequestSchema,
  type SessionRequest,
  type SessionResponse,
  type TailLogsRequest,
  type TailLogsResponse,
} from '#gen/botrunner/v1/worker_service_pb.js';
import type { Endpoint } from './endpoint.ts';
import { workerService } from './worker-service.ts';

export type SessionCall = ClientDuplexStream<SessionRequest, SessionResponse>;
export type TailCall = ClientDuplexStream<TailLogsRequest, TailLogsResponse>;
export type ArtifactCall = ClientReadableStream<FetchArtifactResponse>;

export interface Channel {
  /** Makes the credential known. Rejects with a ServiceError. */
  join(joinToken: Secret, request: { readonly workerId: string; readonly credentialSha256: string }): Promise<void>;
  openSession(): SessionCall;
  openTail(): TailCall;
  /** From byte `offset` on, if the orchestrator knows how. */
  fetchArtifact(sha256: string, offset: number): ArtifactCall;
  /** Rejects with a ServiceError. */
  claimTokens(request: MessageInitShape<typeof ClaimTokensRequestSchema>): Promise<ClaimTokensResponse>;
  /** Ends both connections and every call on them. */
  close(): void;
}

const desiredSetMaxBytes = 64 * 1024 * 1024;

/** https://github.com/grpc/grpc-node/blob/master/packages/grpc-js/README.md#supported-channel-options */
const channelOptions = {
  // A peer that is frozen or behind a dead link is noticed within 10 s; TCP alone would never notice.
  'grpc.keepalive_time_ms': 5000,
  'grpc.keepalive_timeout_ms': 5000,
  'grpc.keepalive_permit_without_calls': 1,
  'grpc.max_receive_message_length': desiredSetMaxBytes,
  // The session does its own dialling with jitter; the channel is dropped with it.
  'grpc.use_local_subchannel_pool': 1,
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 1000,
  // HTTPS_PROXY is for builds; it has no effect on the way to the orchestrator.
  'grpc.enable_http_proxy': 0,
  'grpc.service_config_disable_resolution': 1,
};

const joinLimitMs = 10_000;
const claimLimitMs = 10_000;
const { join, session, tailLogs, fetchArtifact, claimTokens } = workerService;

/** Every call but Join is made with the credential. `roots`: the authorities to trust, in PEM; null for the usual ones. */
export function createChannel(endpoint: Endpoint, credential: Secret, roots: () => Buffer | null): Channel {
  const secure = endpoint.tls ? credentials.createSsl(roots()) : credentials.createInsecure();
  const control = new Client(endpoint.target, secure, channelOptions);
  const bulk = new Client(endpoint.target, secure, channelOptions);
  const metadata = (token = credential) => {
    const headers = new Metadata();
    headers.set('authorization', `Bearer ${token.reveal()}`);
    return headers;
  };
  return {
    join(joinToken, request) {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      control.makeUnaryRequest(
        join.path,
        join.requestSerialize,
        join.responseDeserialize,
        create(JoinRequestSchema, request),
        metadata(joinToken),
        { deadline: Date.now() + joinLimitMs },
        (error) => (error ? reject(error) : resolve()),
      );
      return promise;
    },
    openSession: () =>
      control.makeBidiStreamRequest(session.path, session.requestSerialize, session.responseDeserialize, metadata()),
    openTail: () =>
      bulk.makeBidiStreamRequest(tailLogs.path, tailLogs.requestSerialize, tailLogs.responseDeserialize, metadata()),
    fetchArtifact(sha256, offset) {
      return bulk.makeServerStreamRequest(
        fetchArtifact.path,
        fetchArtifact.requestSerialize,
        fetchArtifact.responseDeserialize,
        create(FetchArtifactRequestSchema, { sha256, offset: BigInt(offset) }),
        metadata(),
      );
    },
    claimTokens(request) {
      const { promise, resolve, reject } = Promise.withResolvers<ClaimTokensResponse>();
      bulk.makeUnaryRequest(
        claimTokens.path,
        claimTokens.requestSerialize,
        claimTokens.responseDeserialize,
        create(ClaimTokensRequestSchema, request),
        metadata(),
        { deadline: Date.now() + claimLimitMs },
        (error, response) => (response ? resolve(response) : reject(error ?? new Error('no answer'))),
      );
      return promise;
    },
    close() {
      control.close();
      bulk.close();
    },
  };
}

/** Resolves with how the call ended; never rejects. Messages must be read for it to resolve. */
export function statusOf(call: SessionCall | TailCall): Promise<StatusObject> {
  return new Promise((resolve) => {
    call.on('status', resolve);
    // It says the same as the status, and an 'error' without a listener would end the process.
    call.on('error', () => undefined);
  });
}

/**
 * What a refusal says, and what the operator should do about it; see ErrorDetail in error.proto. The status' own text comes
 * with some of its punctuation escaped.
 */
export function refusalOf({ details, metadata }: Pick<StatusObject, 'details' | 'metadata'>): {
  readonly message: string;
  readonly hint: string;
} {
  const [detail] = metadata.get('botrunner-error-bin');
  if (typeof detail !== 'object') return { message: details, hint: '' };
  try {
    const { message, hint } = fromBinary(ErrorDetailSchema, detail);
    return { message, hint };
  } catch {
    // Not a detail of ours: the status alone must do.
    return { message: details, hint: '' };
  }
}

/**
 * The status of a non-gRPC answer, usually from a proxy; gRPC's own status is then only guessed from it, and a proxy's 403
 * is not a refusal of ours. https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md
 */
export function httpStatusOf({ details }: Pick<StatusObject, 'details'>): string | undefined {
  return /HTTP status code (\d{3})/.exec(details)?.[1];
}

/** Sends one message, and resolves when the transport wants the next. `ended` keeps a dead call from holding the sender. */
export function send<T>(
  call: { write(message: T, done: (error?: Error | null) => void): boolean },
  message: T,
  ended: Promise<unknown>,
): Promise<void> {
  const written = new Promise<void>((resolve, reject) => {
    call.write(message, (error) => (error ? reject(error) : resolve()));
  });
  return Promise.race([written, ended.then(() => Promise.reject(new Error('the call has ended')))]);
}

export { type ServiceError, type StatusObject, status };
