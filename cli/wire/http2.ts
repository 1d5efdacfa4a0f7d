/** The Connect protocol over HTTP/2. Loaded when it is needed: most commands are done without a stream. */
import type { Transport } from '@connectrpc/connect';
import { createConnectTransport, Http2SessionManager } from '@connectrpc/connect-node';
import type { ConnectionSettings } from '../options/settings.ts';
import { answerBytesMax } from './answer-bytes.ts';
import { sendToken } from './send-token.ts';

export interface Http2Wire {
  readonly transport: Transport;
  readonly close: () => void;
}

// A frozen peer keeps its TCP connection open forever; only pings reveal it. The answer may queue behind an upload
// on a slow line, hence the patience.
const pings = { pingIntervalMs: 15_000, pingTimeoutMs: 30_000 };

/** HTTP/2 has no redirects of its own here: a 3xx answer is an error, so the token goes nowhere else. */
export function openHttp2({ url, token }: ConnectionSettings): Http2Wire {
  const sessionManager = new Http2SessionManager(url, pings);
  const transport = createConnectTransport({
    baseUrl: url,
    httpVersion: '2',
    sessionManager: withErrorsHandled(sessionManager),
    interceptors: [sendToken(token)],
    // gzip would hold back small messages of a stream and costs more than it saves on text of this size.
    acceptCompression: [],
    readMaxBytes: answerBytesMax,
  });
  return { transport, close: () => sessionManager.abort() };
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
