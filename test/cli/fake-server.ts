/** The fake orchestrator of the CLI's tests behind a real HTTP/2 port on loopback, whose connections can be cut. */
import { createServer, type Http2Server, type ServerHttp2Session } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { connectNodeAdapter } from '@connectrpc/connect-node';
import { onTestFinished } from 'vitest';
import { FakeOrchestrator } from '../../cli/testing/fake-orchestrator.ts';

export interface FakeServer {
  readonly orchestrator: FakeOrchestrator;
  readonly url: string;
  /** Cuts every connection as a crash does. */
  readonly cut: () => void;
}

export async function startFakeServer(): Promise<FakeServer> {
  const orchestrator = new FakeOrchestrator();
  const server = createServer(connectNodeAdapter({ routes: orchestrator.routes }));
  const { url, sessions } = await listen(server);
  const cut = () => {
    for (const session of sessions) session.destroy();
  };
  return { orchestrator, url, cut };
}

/** Listens on a free port of loopback and closes everything when the test is over. */
export async function listen(server: Http2Server): Promise<{ url: string; sessions: Set<ServerHttp2Session> }> {
  const sessions = new Set<ServerHttp2Session>();
  server.on('session', (session) => {
    sessions.add(session);
    session.once('close', () => sessions.delete(session));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    for (const session of sessions) session.destroy();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, sessions }; // a TCP server has no other kind
}
