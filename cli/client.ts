/** The connection to the orchestrator: Connect over HTTP/2, with the user's token on every call. */
import { type Client as ConnectClient, createClient, type Interceptor, type Transport } from '@connectrpc/connect';
import { createConnectTransport, Http2SessionManager } from '@connectrpc/connect-node';
import type { Secret } from '#common/secret.ts';
import { AdminService } from '#gen/botrunner/v1/admin_service_pb.js';
import { ArtifactService } from '#gen/botrunner/v1/artifact_service_pb.js';
import { BotService } from '#gen/botrunner/v1/bot_service_pb.js';
import { JobService } from '#gen/botrunner/v1/job_service_pb.js';
import type { ConnectionSettings } from './settings.ts';

export interface Client {
  readonly bots: ConnectClient<typeof BotService>;
  readonly jobs: ConnectClient<typeof JobService>;
  readonly artifacts: ConnectClient<typeof ArtifactService>;
  readonly admin: ConnectClient<typeof AdminService>;
  /** Ends the connection and everything on it, so that the program can end. */
  readonly close: () => void;
}

/** How long one answer may take, in ms. Streams have their own bounds. */
export const callTimeoutMs = 30_000;

// A peer that is frozen keeps its TCP connection open for ever; only pings show it. The answer may queue behind an upload
// on a slow line, hence the patience.
const pings = { pingIntervalMs: 15_000, pingTimeoutMs: 30_000 };

/** HTTP/2 has no redirects of its own here: a 3xx answer is an error, so the token goes nowhere else. */
export function openClient(settings: ConnectionSettings): Client {
  const sessionManager = new Http2SessionManager(settings.url, pings);
  const transport = createConnectTransport({
    baseUrl: settings.url,
    httpVersion: '2',
    sessionManager: withErrorsHandled(sessionManager),
    interceptors: [sendToken(settings.token)],
    // gzip would hold back small messages of a stream and costs more than it saves on text of this size.
    acceptCompression: [],
    readMaxBytes: 64 * 1024 * 1024,
  });
  return clientOver(transport, () => sessionManager.abort());
}

type SessionManager = Pick<Http2SessionManager, 'authority' | 'request' | 'notifyResponseByteRead'>;

/**
 * A session may emit `error` after the manager has dropped it and its listeners with it: its streams have failed by then
 * and said why. Without a listener Node.js would end the program with a stack trace.
 */
function withErrorsHandled(manager: Http2SessionManager): SessionManager {
  return {
    authority: manager.authority,
    notifyResponseByteRead: (stream) => manager.notifyResponseByteRead(stream),
    async request(...call) {
      const stream = await manager.request(...call);
      const { session } = stream;
      if (session !== undefined && !session.listeners('error').includes(ignoreError)) session.on('error', ignoreError);
      return stream;
    },
  };
}

function ignoreError(): void {
  // See withErrorsHandled.
}

/** The same services over any transport. */
export function clientOver(transport: Transport, close: () => void): Client {
  return {
    bots: createClient(BotService, transport),
    jobs: createClient(JobService, transport),
    artifacts: createClient(ArtifactService, transport),
    admin: createClient(AdminService, transport),
    close,
  };
}

export const sendToken =
  (token: Secret): Interceptor =>
  (next) =>
  (request) => {
    request.header.set('Authorization', `Bearer ${token.reveal()}`);
    return next(request);
  };
