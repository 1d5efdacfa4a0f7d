/** A TCP proxy on loopback, for tests that break connections between two programs without ending either. */
import { connect, createServer, type Socket } from 'node:net';

export interface TcpProxy {
  readonly port: number;
  /** Resets every connection; new ones are taken as before. */
  cut(): void;
  close(): Promise<void>;
}

/** `target` says where to continue to; undefined while there is nothing yet, which refuses. */
export async function startTcpProxy(target: () => number | undefined): Promise<TcpProxy> {
  const open = new Set<Socket>();
  const keep = (socket: Socket) => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
    // The other side of the pair is ended by its own 'close'.
    socket.on('error', () => undefined);
  };
  const server = createServer((client) => {
    keep(client);
    const port = target();
    if (port === undefined) return client.destroy();
    const upstream = connect(port, '127.0.0.1');
    keep(upstream);
    client.pipe(upstream).pipe(client);
    client.once('close', () => upstream.destroy());
    upstream.once('close', () => client.destroy());
    return undefined;
  });
  const port = await new Promise<number>((resolve, reject) => {
    server.once('error', reject).listen(0, '127.0.0.1', () => {
      const address = server.address();
      if (typeof address === 'object' && address) resolve(address.port);
      else reject(new Error('no port'));
    });
  });
  const cut = () => {
    for (const socket of open) socket.resetAndDestroy();
  };
  return {
    port,
    cut,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        cut();
      }),
  };
}
