/**
 * One port for everything. In cleartext the first bytes decide: the HTTP/2 preface (RFC 9113, section 3.4) goes to the
 * http2 server, anything else to the http1 server. With TLS, ALPN decides.
 */

import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import http2, { type Http2Session } from 'node:http2';
import net, { type AddressInfo, type Socket } from 'node:net';
import { later } from '#common/background.ts';
import { awaitContinue } from './body/request-bytes.ts';
import type { NodeRequest, NodeResponse } from './node-http.ts';
import { watchPeers } from './silent-peers.ts';
import type { TlsPair } from './tls-files.ts';

/** Must not throw. */
export type Handler = (request: NodeRequest, response: NodeResponse) => void;

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
  /** Called with what is wrong with the listening itself, such as no file descriptor being left for a connection. */
  readonly onError: (error: Error) => void;
}

// How long a new connection may take to say what it speaks, and a request to send its headers.
const prefaceTimeoutMs = 10_000;
const headersCheckMs = 5_000;
// Longer than the 60 s for which proxies commonly keep an idle connection: the asking side must close first, or a request
// meets a connection that is just being closed.
const keepAliveMs = 75_000;
// Beyond it the session is ended (CVE-2023-44487). Node's own limit of 1,000 at once is soon reached by a program that looks
// into many streams and breaks them off.
const resets = { streamResetBurst: 10_000, streamResetRate: 100 };
const maxHeaderBytes = 16 * 1024;
const windowBytes = 1024 * 1024;
const preface = Buffer.from('PRI ');

function sniff(http1: http.Server, h2: http2.Http2Server): net.Server {
  return net.createServer({ pauseOnConnect: false, noDelay: true }, (socket) => {
    const cancel = later(prefaceTimeoutMs, () => socket.destroy());
    socket.on('error', () => socket.destroy());
    let head = Buffer.alloc(0);
    const decide = () => {
      const bytes: Buffer | null = socket.read();
      if (bytes !== null) head = Buffer.concat([head, bytes]);
      // Bytes are only given back once they decide: given back earlier, they would be "readable" again at once, endlessly.
      if (head.length < preface.length && preface.subarray(0, head.length).equals(head)) {
        socket.once('readable', decide);
        return;
      }
      cancel();
      socket.unshift(head);
      const server = head.subarray(0, preface.length).equals(preface) ? h2 : http1;
      server.emit('connection', socket);
    };
    socket.once('readable', decide);
    socket.once('close', cancel);
  });
}

export async function openPort({ host, port, tls, handler, onError }: PortOptions): Promise<OpenPort> {
  const sockets = new Set<Socket>();
  const sessions = new Set<Http2Session>();
  const http1 = http.createServer({
    maxHeaderSize: maxHeaderBytes,
    headersTimeout: prefaceTimeoutMs,
    connectionsCheckingInterval: headersCheckMs,
    keepAliveTimeout: keepAliveMs,
  });
  // It never listens itself, and Node.js would not look at its timeouts before it does.
  http1.emit('listening');
  const settings = { initialWindowSize: windowBytes, maxConcurrentStreams: 1_000, maxHeaderListSize: maxHeaderBytes };
  const h2 = tls
    ? http2.createSecureServer({
        ...tls,
        ...resets,
        allowHTTP1: true,
        settings,
        http1Options: { keepAliveTimeout: keepAliveMs },
      })
    : http2.createServer({ ...resets, settings });
  for (const server of [http1, h2]) {
    server.on('request', handler);
    server.on('checkExpectation', handler);
    server.on('checkContinue', (request: NodeRequest, response: NodeResponse) => {
      awaitContinue(request, response);
      handler(request, response);
    });
  }
  h2.on('session', (session: Http2Session) => {
    sessions.add(session);
    session.on('close', () => sessions.delete(session));
    // The peer went away or broke the protocol: its session ends, and nothing else.
    session.on('error', () => session.destroy());
  });
  const endWatch = watchPeers(sessions);
  const listener: net.Server = tls ? (h2 as unknown as net.Server) : sniff(http1, h2 as http2.Http2Server); // a secure http2 server is a tls.Server
  const onSocket = (socket: Socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  };
  listener.on('connection', onSocket);
  // node:http only keeps count of the connections it accepted itself, and these were handed to it.
  const http1Requests = new Map<Socket, number>();
  let closing = false;
  http1.on('connection', (socket: Socket) => {
    http1Requests.set(socket, 0);
    socket.on('close', () => http1Requests.delete(socket));
  });
  const count = ({ socket }: IncomingMessage, response: ServerResponse) => {
    http1Requests.set(socket, (http1Requests.get(socket) ?? 0) + 1);
    response.on('close', () => {
      const left = (http1Requests.get(socket) ?? 1) - 1;
      if (http1Requests.has(socket)) http1Requests.set(socket, left);
      if (closing && left === 0) socket.destroy();
    });
  };
  for (const event of ['request', 'checkContinue', 'checkExpectation']) http1.on(event, count);
  await new Promise<void>((resolve, reject) => {
    listener.once('error', reject);
    listener.listen(port, host, resolve);
  });
  listener.on('error', onError);
  return {
    // Listening on TCP, so the address is an AddressInfo.
    port: (listener.address() as AddressInfo).port,
    useTls({ cert, key }) {
      if ('setSecureContext' in h2) h2.setSecureContext({ cert, key });
    },
    async close(graceMs) {
      const closed = new Promise<void>((resolve) => listener.close(() => resolve()));
      // Ends its look at the timeouts; says that it did not listen, which is so.
      http1.close(() => undefined);
      for (const session of sessions) session.close();
      closing = true;
      for (const [socket, requests] of http1Requests) if (requests === 0) socket.destroy();
      // Opened ahead of need, as clients do: it has nothing to lose.
      for (const socket of sockets) if (socket.bytesRead === 0) socket.destroy();
      const cancel = later(graceMs, () => {
        for (const session of sessions) session.destroy();
        for (const socket of sockets) socket.destroy();
      });
      await closed;
      cancel();
      endWatch();
    },
  };
}
