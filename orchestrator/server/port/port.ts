/**
 * One port for everything. In cleartext the first bytes decide: the HTTP/2 preface (RFC 9113, section 3.4) goes to the
 * http2 server, anything else to the http1 server. With TLS, ALPN decides. Every connection is counted from its first moment.
 */

import http from 'node:http';
import http2, { type Http2Session, type ServerHttp2Stream } from 'node:http2';
import net, { type AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { always, inBackground, later, nextTurn } from '#common/background.ts';
import { awaitContinue } from '../expect-continue.ts';
import type { NodeRequest, NodeResponse } from '../node-http.ts';
import { Buckets } from '../rates/buckets.ts';
import type { TlsPair } from '../tls-files.ts';
import { type IsProxy, plainAddress } from './addresses.ts';
import type { Connection, Connections } from './connections.ts';
import { readFirstBytes } from './first-bytes.ts';
import { watchPeers } from './silent-peers.ts';
import { calmDown, PortUpkeep } from './upkeep.ts';

/** Must not throw. */
export type Handler = (request: NodeRequest, response: NodeResponse, connection: Connection) => void;

export interface OpenPort {
  readonly port: number;
  /** Stops listening, gives what is under way `graceMs` to end, then cuts it. */
  close(graceMs: number): Promise<void>;
  /** For connections from now on. */
  useTls(pair: TlsPair): void;
}

export interface PortOptions {
  readonly host: string;
  readonly port: number;
  readonly tls?: TlsPair;
  readonly handler: Handler;
  /** All of them, from their first moment on. */
  readonly connections: Connections;
  /** Whose header of the PROXY protocol is believed. */
  readonly isProxy: IsProxy;
  /** Called with what is wrong with the listening itself, such as no file descriptor being left for a connection. */
  readonly onError: (error: Error) => void;
}

// How long a new connection may take to say what it speaks, a handshake of TLS, and a request to send its headers.
const prefaceTimeoutMs = 10_000;
const headersCheckMs = 5_000;
const upkeepMs = 1_000;
// Who finds the queue full tries again a second later; the kernel caps it (net.core.somaxconn). Node's own is 511.
const backlog = 4_096;
// Longer than the 60 s for which proxies commonly keep an idle connection: the asking side must close first, or a request
// meets a connection that is just being closed.
const keepAliveMs = 75_000;
// Beyond it the session is ended (CVE-2023-44487). Node's own limit of 1,000 at once is soon reached by a program that looks
// into many streams and breaks them off.
const resets = { streamResetBurst: 10_000, streamResetRate: 100 };
const maxHeaderBytes = 16 * 1024;
/** What a connection of HTTP/2 is granted until a token has come on it, and from then on. */
const strangerSettings = { initialWindowSize: 65_535, maxConcurrentStreams: 100 };
const knownSettings = { initialWindowSize: 1024 * 1024, maxConcurrentStreams: 1_000 };
// What is left to a stranger that breaks off one stream after the other.
const strangerResetsMax = 100;
// An address from which connections were ended for floods of HTTP/2 is read from later, so that coming back costs it more than us. It is not
// refused: others may be behind the same NAT or proxy, and a client that only speaks bad HTTP/2 counts, too.
const floodRate = { burst: 5, perSecond: 0.5 };
const floodDelayMs = 1_000;
/**
 * TLS 1.3, and of TLS 1.2 what has forward secrecy and authenticates what it encrypts: no CBC
 * (https://wiki.mozilla.org/Security/Server_Side_TLS, intermediate).
 */
const ciphers = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
].join(':');

const http1Options: http.ServerOptions = {
  maxHeaderSize: maxHeaderBytes,
  headersTimeout: prefaceTimeoutMs,
  connectionsCheckingInterval: headersCheckMs,
  keepAliveTimeout: keepAliveMs,
  // A body has a pace of its own, by the kind of its call.
  requestTimeout: 0,
};
const http2Options = {
  ...resets,
  settings: { ...strangerSettings, maxHeaderListSize: maxHeaderBytes },
};

export async function openPort(options: PortOptions): Promise<OpenPort> {
  const { host, port, tls, handler, connections, isProxy, onError } = options;
  const flooders = new Buckets(floodRate);
  const flooded = ({ addressKey, caller }: Connection) => {
    if (caller === undefined) flooders.take(addressKey, 1, performance.now());
  };
  const upkeep = new PortUpkeep(flooded);
  const sessions = new Set<Http2Session>();
  const http1 = http.createServer(http1Options);
  const h2 = tls
    ? http2.createSecureServer({
        ...tls,
        ...http2Options,
        ciphers,
        minVersion: 'TLSv1.2',
        handshakeTimeout: prefaceTimeoutMs,
        allowHTTP1: true,
        http1Options,
      })
    : http2.createServer(http2Options);
  // They never listen themselves, and Node.js would not look at the timeouts of HTTP/1.1 before they do.
  http1.emit('listening');
  if (tls) h2.emit('listening');
  let closing = false;
  const enter = (request: NodeRequest, response: NodeResponse) => {
    const connection = connections.of(request.socket);
    // It was ended between the request and now.
    if (connection === undefined) return void response.destroy();
    connection.requests += 1;
    response.once('close', () => {
      connection.requests -= 1;
      connection.quietSince = performance.now();
      if (closing && connection.requests === 0 && request.httpVersionMajor < 2) connection.socket.destroy();
    });
    handler(request, response, connection);
  };
  for (const server of [http1, h2]) {
    server.on('request', enter);
    server.on('checkExpectation', enter);
    server.on('checkContinue', (request: NodeRequest, response: NodeResponse) => {
      awaitContinue(request, response);
      enter(request, response);
    });
  }
  h2.on('session', (session: Http2Session) => {
    sessions.add(session);
    session.on('close', () => sessions.delete(session));
    // The peer went away or broke the protocol: its session ends, and nothing else.
    session.on('error', () => session.destroy());
    const connection = connections.of(session.socket);
    if (connection === undefined) return;
    session.on('error', () => flooded(connection));
    upkeep.watch(session, connection, performance.now());
    endStrangersThatReset(session, connection, () => {
      flooded(connection);
      calmDown(session);
    });
    connection.isHttp2 = true;
    connection.end = () => calmDown(session);
    connection.onKnown = () => {
      if (!session.destroyed && !session.closed) session.settings(knownSettings);
    };
  });
  const endWatch = watchPeers(sessions);
  const endUpkeep = always(upkeepMs, () => upkeep.look(connections.strangers, performance.now()));
  const listener = net.createServer({ pauseOnConnect: false, noDelay: true }, (socket) => {
    socket.on('error', () => socket.destroy());
    const peer = plainAddress(socket.remoteAddress ?? '');
    const rules = { fromProxy: isProxy(peer), cleartext: tls === undefined, timeoutMs: prefaceTimeoutMs };
    const now = performance.now();
    const connection = connections.accept(socket, peer, now, rules.fromProxy);
    if (connection === undefined) return;
    const begin = () =>
      readFirstBytes(socket, rules, ({ address, isHttp2 }) => {
        if (address !== undefined && !connections.comesFrom(connection, plainAddress(address), performance.now()))
          return;
        const server = tls || isHttp2 ? h2 : http1;
        server.emit('connection', socket);
      });
    if (rules.fromProxy || flooders.wait(connection.addressKey, 1, now) === 0) begin();
    else {
      later(floodDelayMs, () => {
        if (!socket.destroyed) begin();
      });
    }
  });
  if (tls) {
    h2.on('secureConnection', (socket: TLSSocket) => socket.on('error', () => socket.destroy()));
    h2.on('tlsClientError', (_error: Error, socket: TLSSocket) => socket.destroy());
  }
  await new Promise<void>((resolve, reject) => {
    listener.once('error', reject);
    listener.listen({ port, host, backlog }, resolve);
  });
  listener.on('error', onError);
  return {
    // Listening on TCP, so the address is an AddressInfo.
    port: (listener.address() as AddressInfo).port,
    useTls({ cert, key }) {
      if ('setSecureContext' in h2) h2.setSecureContext({ cert, key, ciphers, minVersion: 'TLSv1.2' });
    },
    async close(graceMs) {
      const closed = new Promise<void>((resolve) => listener.close(() => resolve()));
      // Ends their look at the timeouts; they say that they did not listen, which is so.
      http1.close(() => undefined);
      h2.close(() => undefined);
      for (const session of sessions) session.close();
      closing = true;
      for (const { requests, socket, isHttp2 } of connections) if (requests === 0 && !isHttp2) socket.destroy();
      const cancel = later(graceMs, () => {
        for (const session of sessions) session.destroy();
        for (const { socket } of connections) socket.destroy();
      });
      await closed;
      cancel();
      endWatch();
      endUpkeep();
    },
  };
}

/**
 * Until a token has come: a stream that is opened and broken off costs us more than its peer (CVE-2023-44487). More streams than there may be at
 * once can begin in one turn of the event loop only when they are broken off in the same breath.
 */
function endStrangersThatReset(session: Http2Session, connection: Connection, end: () => void): void {
  let resets = 0;
  let begun = 0;
  const onStream = (stream: ServerHttp2Stream) => {
    if (connection.caller !== undefined) {
      session.removeListener('stream', onStream);
      return;
    }
    stream.once('aborted', () => {
      resets += 1;
      if (resets >= strangerResetsMax && connection.caller === undefined) end();
    });
    begun += 1;
    if (begun === strangerSettings.maxConcurrentStreams + 1) end();
    if (begun > 1) return;
    const reset = () => {
      begun = 0;
    };
    inBackground(nextTurn().then(reset), () => undefined);
  };
  session.on('stream', onStream);
}
