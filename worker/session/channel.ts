/**
 * The worker's way to one orchestrator: gRPC over @grpc/grpc-js, with messages of protobuf-es. Two connections: one for
 * the session alone, one for what is large (logs, artifacts), so that a full pipe never holds up a command or a heartbeat.
 */
import { type DescMessage, fromBinary, type MessageShape, toBinary } from '@bufbuild/protobuf';
import {
  Client,
  type ClientDuplexStream,
  type ClientReadableStream,
  credentials,
  Metadata,
  type StatusObject,
  status,
} from '@grpc/grpc-js';
import type { Secret } from '#common/secret.ts';
import {
  type FetchArtifactRequest,
  FetchArtifactRequestSchema,
  type FetchArtifactResponse,
  FetchArtifactResponseSchema,
  type SessionRequest,
  SessionRequestSchema,
  type SessionResponse,
  SessionResponseSchema,
  type TailLogsRequest,
  TailLogsRequestSchema,
  type TailLogsResponse,
  TailLogsResponseSchema,
} from '#gen/botrunner/v1/worker_service_pb.js';
import type { Endpoint } from '../config.ts';

export type SessionCall = ClientDuplexStream<SessionRequest, SessionResponse>;
export type TailCall = ClientDuplexStream<TailLogsRequest, TailLogsResponse>;
export type ArtifactCall = ClientReadableStream<FetchArtifactResponse>;

export interface Channel {
  openSession(): SessionCall;
  openTail(): TailCall;
  fetchArtifact(sha256: string): ArtifactCall;
  /** Ends both connections and every call on them. */
  close(): void;
}

const service = '/botrunner.v1.WorkerService';
const desiredSetMaxBytes = 64 * 1024 * 1024;

/** https://github.com/grpc/grpc-node/blob/master/packages/grpc-js/README.md#supported-channel-options */
const channelOptions = {
  // A peer that is frozen or behind a dead link is noticed within 10 s; TCP alone would never tell.
  'grpc.keepalive_time_ms': 5000,
  'grpc.keepalive_timeout_ms': 5000,
  'grpc.keepalive_permit_without_calls': 1,
  'grpc.max_receive_message_length': desiredSetMaxBytes,
  // The session does its own dialling with jitter; the channel is dropped with it.
  'grpc.use_local_subchannel_pool': 1,
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 1000,
  // HTTPS_PROXY is for builds, and needs no effect on the way to the orchestrator.
  'grpc.enable_http_proxy': 0,
  'grpc.service_config_disable_resolution': 1,
};

export function createChannel(endpoint: Endpoint, token: Secret): Channel {
  const secure = endpoint.tls ? credentials.createSsl() : credentials.createInsecure();
  const control = new Client(endpoint.target, secure, channelOptions);
  const bulk = new Client(endpoint.target, secure, channelOptions);
  const metadata = () => {
    const headers = new Metadata();
    headers.set('authorization', `Bearer ${token.reveal()}`);
    return headers;
  };
  return {
    openSession: () =>
      control.makeBidiStreamRequest(
        `${service}/Session`,
        encoder(SessionRequestSchema),
        decoder(SessionResponseSchema),
        metadata(),
      ),
    openTail: () =>
      bulk.makeBidiStreamRequest(
        `${service}/TailLogs`,
        encoder(TailLogsRequestSchema),
        decoder(TailLogsResponseSchema),
        metadata(),
      ),
    fetchArtifact(sha256) {
      const request: FetchArtifactRequest = { $typeName: 'botrunner.v1.FetchArtifactRequest', sha256 };
      return bulk.makeServerStreamRequest(
        `${service}/FetchArtifact`,
        encoder(FetchArtifactRequestSchema),
        decoder(FetchArtifactResponseSchema),
        request,
        metadata(),
      );
    },
    close() {
      control.close();
      bulk.close();
    },
  };
}

function encoder<D extends DescMessage>(schema: D): (message: MessageShape<D>) => Buffer {
  return (message) => {
    const bytes = toBinary(schema, message);
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  };
}

function decoder<D extends DescMessage>(schema: D): (bytes: Buffer) => MessageShape<D> {
  return (bytes) => fromBinary(schema, bytes);
}

/** Resolves with how the call ended; never rejects. Messages must be read for it to resolve. */
export function endOf(call: SessionCall | TailCall): Promise<StatusObject> {
  return new Promise((resolve) => {
    call.on('status', resolve);
    // The same as the status, and an unheard 'error' would end the process.
    call.on('error', () => undefined);
  });
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

export { type StatusObject, status };
