/**
 * A stand-in for a tunnel service such as ngrok: a client dials out to `address` and says "ready"; the next connection to
 * `publicUrl` is then joined to it, byte by byte. A client dials again for each.
 */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';

export interface TestTunnel {
  /** Where clients dial: HOST:PORT. */
  readonly address: string;
  /** Where the world calls: http://HOST:PORT. */
  readonly publicUrl: string;
  close(): Promise<void>;
}

export async function startTunnel(host: string): Promise<TestTunnel> {
  const sockets = new Set<Socket>();
  const ready: Socket[] = [];
  const callers: Socket[] = [];
  const join = () => {
    for (;;) {
      const [far, caller] = [ready[0], callers[0]];
      if (far === undefined || caller === undefined) return;
      ready.shift();
      callers.shift();
      far.pipe(caller).pipe(far);
    }
  };
  const keep = (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => {}); // either end may break off; the other then ends too
    socket.on('close', () => sockets.delete(socket));
  };
  const clients = createServer((socket) => {
    keep(socket);
    socket.once('data', () => {
      ready.push(socket);
      join();
    });
  });
  const world = createServer((socket) => {
    keep(socket);
    callers.push(socket);
    join();
  });
  const placeOf = async (server: Server) => {
    server.listen(0, host);
    await once(server, 'listening');
    // A TCP server that listens has an AddressInfo.
    return `${host}:${(server.address() as AddressInfo).port}`;
  };
  return {
    address: await placeOf(clients),
    publicUrl: `http://${await placeOf(world)}`,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await Promise.all([clients, world].map((server) => new Promise((resolve) => server.close(resolve))));
    },
  };
}
